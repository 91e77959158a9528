"""Who is called by webhooks: an HTTP server of a test's own."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import Any

from tests import machine

PATIENCE_S = machine.patience(20)


class Receiver:
    """Hears calls on a free port, by TLS with the certificate of a folder if one is given.

    answers: are taken in turn, then 204. silent: while it is set nothing is answered.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.calls: Queue[tuple[dict[str, str], str]] = Queue()
        self.answers: Queue[int] = Queue()
        self.silent = Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.calls.put(({name.lower(): value for name, value in self.headers.items()}, body))
                if receiver.silent.is_set():
                    self.rfile.read(1)  # until the caller is gone
                    return
                status = 204 if receiver.answers.empty() else receiver.answers.get()
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate / "clr.pem", certificate / "clr.key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.url = f"https://localhost:{self.server.server_port}/hook"

    def next(self) -> tuple[dict[str, str], str]:
        """The next call."""
        return self.calls.get(timeout=PATIENCE_S)


@contextmanager
def receiving(certificate: Path | None = None) -> Iterator[Receiver]:
    """One that listens."""
    receiver = Receiver(certificate)
    Thread(target=receiver.server.serve_forever, daemon=True).start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
