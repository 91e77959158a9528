"""Bearer keys (RFC 6750): none configured means loopback only, by address and by name."""

import hmac
import re
from ipaddress import ip_address
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from api.errors import Problem
from api.resources import Resources, ResourcesDep

HOST = re.compile(r"\[([0-9a-f:.]+)\](?::\d+)?|([a-z0-9._-]+)(?::\d+)?", re.IGNORECASE)
BEARER = HTTPBearer(auto_error=False, description="one of CLR_API_KEYS, where the service has any")


def require_key(
    resources: ResourcesDep,
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> None:
    """Refuse a request without a configured key, and one with a key where none is configured."""
    authenticate(resources, request)


def authenticate(resources: Resources, request: Request) -> None:
    """Raise a 401 problem for a request that `require_key` refuses; its body is not looked at."""
    keys, header = resources.settings.api_keys, request.headers.get("Authorization")
    if not keys and (
        header is None or header.lower().startswith("basic ")
    ):  # which a proxy before us asked for
        return
    if not keys:
        raise _refuse("this service has no keys: leave the Authorization header out, or set its CLR_API_KEYS")
    scheme, key = get_authorization_scheme_param(header)
    if scheme.lower() != "bearer" or not key:
        what = "send" if header is None else "the Authorization header is not `Bearer KEY`: send"
        raise _refuse(f"{what} one of the service's keys: Authorization: Bearer KEY")
    secret = key.encode("latin-1")  # as it came: headers are read so
    if not any([hmac.compare_digest(secret, known.get_secret_value().encode()) for known in keys]):
        raise _refuse(
            "the key is none of the service's: Authorization: Bearer KEY takes one of its CLR_API_KEYS"
        )


def require_known_host(resources: ResourcesDep, request: Request) -> None:
    """Refuse a request without keys that came by a name that is not ours.

    A web page may have its own name lead to loopback (DNS rebinding), and its browser then asks us in its name.
    """
    sent = request.headers.get(
        "Host", ""
    )  # not request.url: that has our own address for a Host it cannot read
    match = HOST.fullmatch(sent)
    host = (match[1] or match[2]).lower() if match else ""
    if resources.settings.api_keys or _is_loopback(host) or host in resources.settings.hosts:
        return
    advice = "add that name to its CLR_HOSTS, or set CLR_API_KEYS"
    raise Problem(
        421, "unknown_host", f"this service has no keys and is not known as {sent[:100]!r}: {advice}"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
