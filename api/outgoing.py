"""A POST to an address that a caller chose: to the address that was checked, no redirects, ended after a while."""

import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Timer
from urllib.parse import urlsplit

TIMEOUT_S = 10.0  # of all of it
KEPT_BYTES = 1024  # of an answer


class Refused(OSError):
    """The address is none that may be called."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: its status, and how it begins."""

    status: int
    text: str


def may_be_called(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is on the public net, and so not ours or of a cloud's metadata."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return may_be_called(address.ipv4_mapped)
        if address.sixtofour is not None or address.teredo is not None:
            return False
        if address.is_site_local or address.is_reserved:  # also ::127.0.0.1 and other ways to write IPv4
            return False
    return address.is_global and not address.is_multicast


def post(url: str, body: bytes, headers: dict[str, str], *, private: bool) -> Answer:
    """Send it. Raises `Refused`, and OSError for whatever else stops it."""
    parts = urlsplit(url)
    host, https = str(parts.hostname), parts.scheme == "https"
    port = parts.port or (443 if https else 80)
    connection = HTTPSConnection(host, port) if https else HTTPConnection(host, port)
    sock = _connect(host, port, private=private)
    if https:
        sock = ssl.create_default_context().wrap_socket(
            sock, server_hostname=host, do_handshake_on_connect=False
        )
    hang_up = Timer(TIMEOUT_S, sock.shutdown, [socket.SHUT_RDWR])  # however slowly an answer drips
    hang_up.daemon = True
    hang_up.start()
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.do_handshake()
        connection.sock = sock
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(KEPT_BYTES).decode("utf-8", "replace").replace("\0", ""))
    except HTTPException as error:
        raise OSError(f"no HTTP answer: {type(error).__name__}") from None
    finally:
        hang_up.cancel()
        connection.close()
        sock.close()


def _connect(host: str, port: int, *, private: bool) -> socket.socket:
    """To the very address that was checked: a name that leads elsewhere a moment later changes nothing."""
    failure = OSError(f"{host} has no address")
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not private and not may_be_called(ip_address(str(address[0]).partition("%")[0])):
            raise Refused(
                f"{host} is at {address[0]}, which is private: set CLR_WEBHOOK_PRIVATE to allow that"
            )
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(TIMEOUT_S)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure
