"""Every 4xx and 5xx as application/problem+json (RFC 9457); the only place where errors become statuses."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from store.errors import Conflict, KeyReused, NotFound

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
DATABASE_RETRY_S = 5


class FieldError(BaseModel):
    """One wrong field: where it is (JSON pointer, RFC 6901) and what is allowed."""

    pointer: str
    message: str


class ProblemBody(BaseModel):
    """RFC 9457. `code` is stable; further members depend on it."""

    model_config = ConfigDict(extra="allow")

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
    return Problem(
        422, "invalid_request", f"{pointer}: {message}", errors=[FieldError(pointer=pointer, message=message)]
    )


Responses = dict[int | str, dict[str, Any]]


def responses(*statuses: int, **others: dict[str, Any]) -> Responses:
    """What OpenAPI says of a route's problems, and of its `others`, given as `_202={...}`."""
    documented: Responses = {int(status.removeprefix("_")): answer for status, answer in others.items()}
    return documented | {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
        }
        for status in statuses
    }


def answer(request: Request, problem: Problem) -> JSONResponse:
    """The problem as a response."""
    body = ProblemBody(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        code=problem.code,
        instance=request.url.path,
        request_id=getattr(request.state, "request_id", ""),
        errors=list(problem.errors),
        **problem.members,
    )
    return JSONResponse(
        body.model_dump(mode="json"), problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


def _pointer(location: Sequence[int | str]) -> str:
    return "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in location[1:])


def _explain(request: Request, error: RequestValidationError) -> Problem:
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return Problem(400, "malformed_json", f"the body is not JSON: {found[0]['ctx']['error']}")
    errors = []
    for one in found:
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            message = "unknown field"
        where = _pointer(one["loc"]) if one["loc"][0] == "body" else f"{one['loc'][0]}:{one['loc'][-1]}"
        errors.append(FieldError(pointer=where, message=message))
    first = errors[0]
    return Problem(422, "invalid_request", f"{first.pointer}: {first.message}", errors=errors)


def add_handlers(app: FastAPI) -> None:
    """Have every error of the app answered as a problem."""

    @app.exception_handler(Problem)
    def problem(request: Request, error: Problem) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    def validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(request, _explain(request, error))

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        code = HTTPStatus(error.status_code).name.lower()
        return answer(request, Problem(error.status_code, code, str(error.detail), headers=error.headers))

    @app.exception_handler(NotFound)
    def not_found(request: Request, error: NotFound) -> JSONResponse:
        return answer(request, Problem(404, "not_found", str(error)))

    @app.exception_handler(Conflict)
    def conflict(request: Request, error: Conflict) -> JSONResponse:
        return answer(request, Problem(409, "conflict", str(error)))

    @app.exception_handler(KeyReused)
    def key_reused(request: Request, error: KeyReused) -> JSONResponse:
        return answer(request, Problem(422, "idempotency_key_reused", str(error)))

    @app.exception_handler(DBAPIError)
    def database(request: Request, error: DBAPIError) -> JSONResponse:
        log.error("the database did not answer: %s", error)
        detail = "the database does not answer; nothing was changed; try again"
        retry = {"Retry-After": str(DATABASE_RETRY_S)}
        return answer(request, Problem(503, "database_unavailable", detail, headers=retry))

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.exception("unexpected error", exc_info=error)
        return answer(request, Problem(500, "internal_error", "an error of ours; the log has the request_id"))
