"""What FastAPI leaves to be said in the OpenAPI document: the problems, and examples with their nulls."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from api.errors import MEDIA_TYPE, ProblemBody
from api.examples.answers import ANSWERS

Responses = dict[int | str, dict[str, Any]]


def responses(*statuses: int, **answers: dict[str, Any]) -> Responses:
    """What OpenAPI says of a route's problems, and of its other `answers`, given as `_202={...}`."""
    documented: Responses = {int(status.removeprefix("_")): answer for status, answer in answers.items()}
    return documented | {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
        }
        for status in statuses
    }


BUSY: Responses = responses(503)
BUSY[503] |= {
    "description": "the queue of pictures, curves and previews is full, or the database does not answer",
    "headers": {"Retry-After": {"schema": {"type": "string"}}},
}


def carrying(*headers: str) -> dict[str, Any]:
    """What OpenAPI says of an answer with these headers."""
    return {"headers": {name: {"schema": {"type": "string"}} for name in headers}}


def complete_document(app: FastAPI) -> None:
    """Have the app describe its problems and show an example of every answer in JSON."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            _describe_problems(document["components"]["schemas"])
            for path in document["paths"].values():
                for operation in path.values():
                    _finish(operation)
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_problems(schemas: dict[str, Any]) -> None:
    problem = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"ProblemBody": problem}
    for model in ("HTTPValidationError", "ValidationError"):
        schemas.pop(model, None)


def _finish(operation: dict[str, Any]) -> None:
    """Take out the 422 of FastAPI's own shape, which we never send; add the examples."""
    answers = operation["responses"]
    if "application/json" in answers.get("422", {}).get("content", {}):
        del answers["422"]
    for status, example in ANSWERS.get(operation["operationId"], {}).items():
        answers[status]["content"]["application/json"]["example"] = example
