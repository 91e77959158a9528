"""Where the service may listen: a port that is free, or a sentence about the one that is not."""

import socket

from clr_tuner.errors import CannotServe


def refuse_taken_port(host: str, port: int) -> None:
    """Raise `CannotServe` if the API could not listen there."""
    try:
        with _bind(host, port):
            pass
    except OSError as error:
        raise CannotServe(
            f"cannot listen on {host} port {port}: {error.strerror}.\n"
            "Choose another port with --port or CLR_PORT (0: any free one)."
        ) from None


def find_free_port(host: str) -> int:
    """A port on which nobody listens now."""
    with _bind(host, 0) as listener:
        port: int = listener.getsockname()[1]
        return port


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn: TIME_WAIT is not taken
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
