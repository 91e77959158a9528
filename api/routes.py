"""The routes as the OpenAPI document lists them: what may follow a `?`, and which is near a path that is none."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute

NEAR = 0.7  # of 1: how alike the words of two paths are, on average
LONGEST_SEGMENT = 100  # characters; longer ones are like nothing


def list_query_names(request: Request) -> list[str]:
    """The query parameters of the route that serves this request."""
    route: APIRoute = request.scope["route"]
    operation = request.app.openapi()["paths"][route.path][request.method.lower()]
    return [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]


def find_nearest(app: FastAPI, path: str) -> str | None:
    """The path of ours that is most like this one, which is none; None where nothing is near."""
    segments = [segment for segment in path.split("/") if segment]
    spellings = [segments, segments[1:]]  # /v1/jobs and /api/jobs too
    if segments[:1] == ["jobs"] and len(segments) > 2:  # what a job has lies with its kind
        spellings += [[kind, *segments[1:]] for kind in ("range-tests", "training-jobs")]
    matches = [
        (_measure_likeness(words, spelling), filled)
        for spelling in spellings
        if all(len(segment) <= LONGEST_SEGMENT for segment in spelling)
        for words, filled in _list_candidates(app, spelling)
        if filled != path
    ]
    likeness, near = max(matches, key=lambda match: match[0], default=(0.0, ""))
    return near if likeness >= NEAR else None


def _list_candidates(app: FastAPI, segments: list[str]) -> Iterator[tuple[list[str | None], str]]:
    """Every path of as many segments: (its own words, None where anything may stand; the path with those filled in)."""
    for template, operations in app.openapi()["paths"].items():
        for spelled in _spell_out(template, operations):
            words = [None if word.startswith("{") else word for word in spelled.strip("/").split("/")]
            if len(words) == len(segments):
                filled = [word or segment for word, segment in zip(words, segments, strict=True)]
                yield words, "/" + "/".join(filled)


def _spell_out(template: str, operations: dict[str, Any]) -> list[str]:
    """The path for each value of a parameter that has only some, as plot.svg and plot.png of plot.{format}."""
    paths = [template]
    for parameter in next(iter(operations.values())).get("parameters", ()):
        if values := parameter["schema"].get("enum"):
            slot = f"{{{parameter['name']}}}"
            paths = [path.replace(slot, str(value)) for path in paths for value in values]
    return list(dict.fromkeys(paths))


def _measure_likeness(words: list[str | None], segments: list[str]) -> float:
    compared = [
        SequenceMatcher(None, word, segment.lower()).ratio()
        for word, segment in zip(words, segments, strict=True)
        if word is not None
    ]
    return sum(compared) / len(compared) if compared else 0.0
