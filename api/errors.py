"""Every 4xx and 5xx as application/problem+json (RFC 9457); the only place where errors become statuses."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.pointers import find_pointer, locate, pointer_to, say
from api.root import rooted
from api.routes import find_nearest
from clr import json_text
from clr.refusals import drop_consequences
from store.errors import Conflict, KeyReused, LimitReached, NotFound

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
DATABASE_RETRY_S = 5
DATABASE_ERRORS = (OperationalError, InterfaceError, NoConnection)  # it does not answer
LONGEST_MESSAGE = 500  # characters; a validator may quote a whole body
CODES = {400: "malformed_json", 404: "not_found", 405: "method_not_allowed", 413: "content_too_large"}
EXAMPLE: dict[str, Any] = {
    "type": "about:blank",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "/end_lr: must be greater than start_lr (0.1)",
    "code": "invalid_request",
    "instance": "/range-tests",
    "request_id": "0d9c6a52-3f0e-4b8e-9a57-6a1c1c0f6f0e",
    "errors": [{"pointer": "/end_lr", "message": "must be greater than start_lr (0.1)"}],
}


class FieldError(BaseModel):
    """One wrong field and what is allowed.

    `pointer`: RFC 6901 into the body, "" for all of it; `query:NAME` or `header:NAME` outside the body.
    """

    pointer: str
    message: str


class ProblemBody(BaseModel):
    """RFC 9457. `code` is stable; further members depend on it."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [EXAMPLE]})

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    instance: str
    request_id: str
    errors: list[FieldError] = []


class Problem(Exception):
    """An answer that is not what was asked for."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers, self.members = errors, headers, members


def invalid(pointer: str, message: str) -> Problem:
    """422 for one field."""
    return invalid_fields([(pointer, message)])


def invalid_fields(fields: Iterable[tuple[str, str]]) -> Problem:
    """422 for some fields, each as (pointer, message)."""
    errors = [FieldError(pointer=pointer, message=message[:LONGEST_MESSAGE]) for pointer, message in fields]
    detail = f"{errors[0].pointer or 'the body'}: {errors[0].message}"
    return Problem(422, "invalid_request", detail, errors=errors)


def answer(request: Request, problem: Problem) -> JSONResponse:
    """The problem as a response."""
    request_id = getattr(request.state, "request_id", "")
    body = ProblemBody(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        code=problem.code,
        instance=rooted(request.url.path),
        request_id=request_id,
        errors=list(problem.errors),
        **problem.members,
    )
    return JSONResponse(
        body.model_dump(mode="json"),
        problem.status,
        headers={"X-Request-ID": request_id, **(problem.headers or {})},
        media_type=MEDIA_TYPE,
    )


def _explain_http(error: HTTPException, request: Request) -> Problem:
    """What the framework refuses: an unknown path, a wrong method, a body that cannot be read."""
    if error.status_code == 404:
        return Problem(404, "not_found", _say_nothing_is_there(request))
    if error.status_code == 400:
        return _explain_malformed(error)
    headers, detail = dict(error.headers or {}), str(error.detail)
    if error.status_code == 405:
        allowed = _list_allowed(request)
        headers["Allow"] = ", ".join(allowed)
        detail = f"{request.method} is not allowed at {_show_path(request)}; allowed: {headers['Allow']}"
    code = CODES.get(error.status_code, f"http_{error.status_code}")
    return Problem(error.status_code, code, detail, headers=headers)


def _explain_malformed(error: Exception) -> Problem:
    """400 for a body that `json.loads` did not take; what it raised is the cause."""
    why = json_text.explain(error.__cause__) if isinstance(error.__cause__, Exception) else str(error)
    return Problem(400, "malformed_json", f"the body is not JSON: {why}")


def _say_nothing_is_there(request: Request) -> str:
    near = find_nearest(request.app, request.url.path)
    advice = f"did you mean {rooted(near)}?" if near else f"{rooted('/docs')} lists what there is"
    return f"there is nothing at {_show_path(request)}; {advice}"


def _show_path(request: Request) -> str:
    return rooted(request.url.path)[:LONGEST_MESSAGE]


def explain_database(*_: object) -> Problem:
    """The problem of a request during which the database did not answer."""
    detail = "the database does not answer; try again: with an Idempotency-Key a repeated POST is safe"
    retry = {"Retry-After": str(DATABASE_RETRY_S)}
    return Problem(503, "database_unavailable", detail, headers=retry)


def _explain_limit(error: LimitReached) -> Problem:
    retry = {"Retry-After": str(error.retry_after_s)}
    return Problem(429, "limit_reached", str(error), headers=retry, limit=error.limit, allowed=error.allowed)


def _explain_validation(error: RequestValidationError, request: Request) -> Problem:
    errors = error.errors()
    if errors[0]["type"] == "json_invalid":
        return _explain_malformed(error)
    if in_path := [detail for detail in errors if detail["loc"][0] == "path"]:
        why = f"{in_path[0]['loc'][-1]}: {say(in_path[0])}"
        return Problem(404, "not_found", f"{_say_nothing_is_there(request)} ({why})")
    return invalid_fields(
        (find_pointer(detail, error.body), say(detail)) for detail in drop_consequences(errors)
    )


def invalid_at(error: ValidationError, body: Any, *path: object) -> Problem:
    """422 for what pydantic found wrong in the part of a body at `path`."""
    return invalid_fields(
        (pointer_to(*path, *locate(detail, detail["loc"], body)), say(detail))
        for detail in drop_consequences(error.errors())
    )


PROBLEMS: dict[type[Exception], Callable[[Any, Request], Problem]] = {
    Problem: lambda problem, _: problem,
    RequestValidationError: _explain_validation,
    HTTPException: _explain_http,
    NotFound: lambda error, _: Problem(404, "not_found", str(error)),
    Conflict: lambda error, _: Problem(409, "conflict", str(error)),
    LimitReached: lambda error, _: _explain_limit(error),
    KeyReused: lambda error, _: Problem(422, "idempotency_key_reused", str(error)),
    **dict.fromkeys(DATABASE_ERRORS, explain_database),
    Exception: lambda *_: Problem(500, "internal_error", "an error of ours; the log has the request_id"),
}


def add_handlers(app: FastAPI) -> None:
    """Have every error of the app answered as a problem."""
    for kind, explain in PROBLEMS.items():
        app.add_exception_handler(kind, _make_handler(explain))


def _list_allowed(request: Request) -> list[str]:
    """The methods that some route of this path takes; the framework names those of the first route alone."""

    def takes(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] == Match.FULL for route in request.app.routes)

    return [method for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT") if takes(method)]


def _make_handler(
    explain: Callable[[Any, Request], Problem],
) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    async def handle(request: Request, error: Exception) -> JSONResponse:
        response = answer(request, explain(error, request))
        if response.status_code >= 500 and not isinstance(error, Problem):
            log.error("%r", error)
        return response

    return handle
