"""Who asks: a bearer key (RFC 6750) or a session's cookie; without any key, loopback only, by address and by name.

A route that asks for `ResourcesDep` has its caller's: nobody else gets in, the key's scope is enough for the route,
and what the database shows and makes is of the caller's project (store/callers.py). No route can forget it.
"""

import hmac
import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from api.errors import Problem
from api.resources import OpenResourcesDep, Resources
from store import key_sessions, keys
from store.callers import Caller, Limits, Scope
from store.models import Key
from store.settings import Settings

COOKIE_NAME = "clr_session"
BEARER = HTTPBearer(auto_error=False, description="one of POST /keys or of CLR_API_KEYS, where there are any")
COOKIE = APIKeyCookie(name=COOKIE_NAME, auto_error=False, description="of POST /session, for browsers")
SAFE = ("GET", "HEAD", "OPTIONS")
NEEDED: dict[str, Scope] = {  # of paths where it is not `read` to look and `submit` to do
    "/keys": Scope.ADMIN,
    "/keys/{id}": Scope.ADMIN,
    "/audit": Scope.ADMIN,
    "/session": Scope.READ,
    "/schedules/preview": Scope.READ,
    "/analyses": Scope.READ,
    "/webhooks": Scope.ADMIN,
    "/webhooks/{id}": Scope.ADMIN,
    "/webhooks/{id}/test": Scope.ADMIN,
    "/webhooks/{id}/deliveries": Scope.ADMIN,
}
HOST = re.compile(r"\[([0-9a-f:.]+)\](?::\d+)?|([a-z0-9._-]+)(?::\d+)?", re.IGNORECASE)


def find_caller(
    resources: OpenResourcesDep,
    request: Request,
    _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    _cookie: Annotated[str | None, Security(COOKIE)],
) -> Caller:
    """Who asks, once this request may be theirs. Raises a 401, 403, 421 or 429 problem."""
    caller = authenticate(resources, request)
    _require_scope(caller, request)
    _require_rate(resources, caller)
    return caller


def authenticate(resources: Resources, request: Request) -> Caller:
    """Who asks, found out once a request; its body is not looked at. Raises a 401, 403, 421 or 429 problem."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is None:
        known = request.state.caller = _find_who(resources, request)
        request.state.key = known.shown  # for the log
    return known


def _find_who(resources: Resources, request: Request) -> Caller:
    header, cookie = request.headers.get("Authorization"), request.cookies.get(COOKIE_NAME)
    scheme, key = get_authorization_scheme_param(header)
    is_ours = header is not None and scheme.lower() != "basic"  # such a one is of a proxy before us
    if not has_keys(resources):
        require_known_host(resources, request)
        if is_ours:
            raise refuse(
                "this service has no keys: leave the Authorization header out, or set its CLR_API_KEYS"
            )
        return Caller()
    if scheme.lower() == "bearer" and key:
        secret = key.encode("latin-1").decode(errors="replace")  # headers are read as latin-1
        return _find_by_secret(resources, request, secret)
    if cookie is not None and not is_ours:
        return _find_by_cookie(resources, cookie)
    what = "send" if header is None else "the Authorization header is not `Bearer KEY`: send"
    raise refuse(f"{what} one of the service's keys: Authorization: Bearer KEY")


CallerDep = Annotated[Caller, Depends(find_caller)]


def resources_of_caller(resources: OpenResourcesDep, caller: CallerDep, request: Request) -> Resources:
    """The resources of who asks."""
    return replace(
        resources,
        caller=caller,
        database=resources.database.within(caller),
        pool=resources.pool.within(caller.key_id or _address(request)),
    )


ResourcesDep = Annotated[Resources, Depends(resources_of_caller)]


def has_keys(resources: Resources) -> bool:
    """Whether a key is needed: a setting holds one, or one was ever made."""
    if resources.settings.api_keys or resources.settings.admin_key:
        return True
    with resources.database.read() as session:
        return keys.any_made(session)


def list_secrets(settings: Settings) -> Iterator[tuple[str, Caller]]:
    """The keys that settings hold, each with who brings it."""
    limits = _limits(settings)
    if settings.admin_key is not None:
        name = "CLR_ADMIN_KEY"
        yield settings.admin_key.get_secret_value(), Caller(key_id=name, name=name, shown=name, limits=limits)
    for number, secret in enumerate(settings.api_keys):
        name = f"CLR_API_KEYS[{number}]"
        of_key = Caller(key_id=name, name=name, shown=name, scope=Scope.SUBMIT, limits=limits)
        yield secret.get_secret_value(), of_key


def _limits(settings: Settings, key: Key | None = None) -> Limits:
    def most(name: str) -> int:
        own: int | None = getattr(key, name, None)
        return int(getattr(settings, f"key_{name}")) if own is None else own

    return Limits(**{name: most(name) for name in ("queued_jobs", "steps_a_day", "requests_a_minute")})


def _of_key(settings: Settings, key: Key) -> Caller:
    return Caller(
        key_id=key.id,
        name=key.name,
        shown=key.prefix,
        project=key.project,
        scope=Scope(key.scope),
        expires_at=key.expires_at,
        limits=_limits(settings, key),
    )


def _find_by_secret(resources: Resources, request: Request, secret: str) -> Caller:
    """Whose key it is. An address that sent too many wrong ones is heard only with a key that nobody can guess."""
    with resources.database.read() as session:
        key, is_live = keys.find(session, secret)
    if key is not None and is_live:
        return _of_key(resources.settings, key)
    address, most = _address(request), resources.settings.failed_keys_a_minute
    if left_s := resources.rates.left_s("failed_keys", address, most=most):
        raise _too_many("failed_keys_a_minute", most, left_s, f"{most} wrong keys came from {address}")
    found = None
    for known, caller in list_secrets(resources.settings):  # all of them: how long it takes tells nothing
        if hmac.compare_digest(secret.encode(), known.encode()):
            found = caller
    if found is not None:
        return found
    resources.rates.count("failed_keys", address, most=most)
    if key is not None:
        over = "was revoked" if key.revoked_at is not None else "has expired"
        raise refuse(f"the key {key.prefix}... {over}: an admin can make another, with clr-tuner keys create")
    raise refuse("the key is none of the service's: Authorization: Bearer KEY takes one that an admin made")


def _find_by_cookie(resources: Resources, token: str) -> Caller:
    secrets = dict(list_secrets(resources.settings))
    with resources.database.read() as session:
        found = key_sessions.find(session, token, secrets)
    if found is None:
        raise refuse("the session has ended: begin one with POST /session and Authorization: Bearer KEY")
    caller = secrets[found] if isinstance(found, str) else _of_key(resources.settings, found)
    return replace(caller, session=keys.hash_secret(token))


def _require_scope(caller: Caller, request: Request) -> None:
    route: APIRoute = request.scope["route"]
    needed = NEEDED.get(route.path, Scope.READ if request.method in SAFE else Scope.SUBMIT)
    if not caller.scope.includes(needed):
        detail = f"this key has the scope {caller.scope}, and this needs {needed}: ask an admin for a key that has it"
        raise Problem(403, "scope_too_small", detail, scope=caller.scope, needed=needed)


def _require_rate(resources: Resources, caller: Caller) -> None:
    most = caller.limits.requests_a_minute
    if caller.key_id and (left_s := resources.rates.count("requests", caller.key_id, most=most)):
        raise _too_many("requests_a_minute", most, left_s, f"this key may ask {most} times a minute")


def _too_many(limit: str, most: int, left_s: int, why: str) -> Problem:
    retry = {"Retry-After": str(left_s)}
    detail = f"{why}: ask again in {left_s} s"
    return Problem(429, "limit_reached", detail, headers=retry, limit=limit, allowed=most)


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def require_known_host(resources: Resources, request: Request) -> None:
    """Refuse a request to a service without keys that came by a name that is not ours.

    A web page may have its own name lead to loopback (DNS rebinding), and its browser then asks us in its name.
    """
    sent = request.headers.get("Host", "")  # request.url has our own address for a Host that it cannot read
    match = HOST.fullmatch(sent)
    host = (match[1] or match[2]).lower() if match else ""
    if _is_loopback(host) or host in resources.settings.hosts:
        return
    advice = "add that name to its CLR_HOSTS, or set CLR_API_KEYS"
    raise Problem(
        421, "unknown_host", f"this service has no keys and is not known as {sent[:100]!r}: {advice}"
    )


def _is_loopback(host: str) -> bool:  # as clr_tuner/address.py has it, a peer; the floors below know no hosts
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse(detail: str) -> Problem:
    """The 401 problem."""
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
