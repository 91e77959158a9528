"""Where the service is: the URL that the environment names, checked, and shown without its password."""

import os
import re
from ipaddress import ip_address

import httpx2

HOST, PORT = "127.0.0.1", "8000"
EVERYWHERE = {"0.0.0.0": HOST, "::": "::1"}  # bound so, a service is reached here too


def default_url() -> str:
    """CLR_URL, or where `serve` would listen by CLR_HOST and CLR_PORT. Raises ValueError for a wrong port."""
    if url := os.environ.get("CLR_URL", "").strip():
        return url
    host = os.environ.get("CLR_HOST", "").strip().strip("[]") or HOST
    port = os.environ.get("CLR_PORT", "").strip() or PORT
    if port.isdecimal() and int(port) == 0:
        raise ValueError("CLR_PORT is 0, any free port: name the service's URL in CLR_URL")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"CLR_PORT must be a port from 1 to 65535, got {port!r}")
    return f"http://{url_host(host)}:{port}"


def url_host(host: str) -> str:
    """An address that was bound, as it stands in a URL that this machine can open."""
    host = EVERYWHERE.get(host, host)
    return f"[{host}]" if ":" in host else host


def parse(url: str) -> httpx2.URL:
    """The URL of a service, which may have a path before its own. Raises ValueError that shows no password."""
    stripped, visible = url.strip(), show(url)
    if not re.match(r"https?://", stripped, re.IGNORECASE):
        guess = "" if "://" in stripped or not stripped else f"; did you mean http://{visible}?"
        raise ValueError(f"base_url must start with http:// or https://, got {visible!r}{guess}")
    try:
        address = httpx2.URL(stripped.rstrip("/"))
    except httpx2.InvalidURL as error:
        raise ValueError(f"base_url {visible!r} is no URL: {error}") from None
    if not address.host or " " in stripped:
        raise ValueError(f"base_url {visible!r} names no host")
    if address.port is not None and address.port > 65535:
        raise ValueError(f"base_url {visible!r} has no such port: 65535 is the last")
    if address.query or address.fragment:
        raise ValueError(f"base_url must end before `?` and `#`, got {visible!r}")
    return address


def show(url: str) -> str:
    """The URL for a message: its password is masked, and what follows a `?` is left out, as it may hold a key."""
    bare = url.strip().partition("?")[0].partition("#")[0].rstrip("/")
    return re.sub(
        r"^(\w+://)?([^/:@]*)(:[^/]*)?@", lambda m: f"{m[1] or ''}{m[2]}:***@" if m[3] else m[0], bare
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
