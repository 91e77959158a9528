"""Bearer keys: none configured means loopback only, which `clr-tuner serve` and `api` hold to."""

import hmac

from fastapi import Request

from api.errors import Problem
from api.state import Opened

OPEN_PATHS = {"/healthz", "/readyz"}


def require_key(request: Request, state: Opened) -> None:
    """Refuse a request without a configured key (RFC 6750); health checks need none."""
    keys = state.settings.api_keys
    if not keys or request.url.path in OPEN_PATHS:
        return
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    known = [hmac.compare_digest(given.encode(), key.get_secret_value().encode()) for key in keys]
    if scheme.lower() != "bearer" or not any(known):
        raise Problem(
            401,
            "unauthorized",
            "send one of the service's keys: Authorization: Bearer KEY",
            headers={"WWW-Authenticate": "Bearer"},
        )
