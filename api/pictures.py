"""Pictures of stored curves as HTTP answers."""

from collections.abc import Callable
from dataclasses import replace
from threading import Lock

from fastapi import Response
from matplotlib.figure import Figure

from api.curves import downsample
from api.errors import Problem
from api.jobs import POLL_S
from api.openapi import responses
from clr.picture_format import PictureFormat
from clr.plots.style import render
from store.runs import StoredRun

PLOT_POINTS = 2_000  # of a run: two for each column of pixels; a longer one is thinned
DRAWING = Lock()  # matplotlib's settings and fonts are shared by all threads
MEDIA_TYPES: dict[PictureFormat, str] = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}


def answer_picture(draw: Callable[[], Figure], format: PictureFormat) -> Response:
    """Answer what `draw` draws, one picture at a time."""
    with DRAWING:
        return Response(render(draw(), format), media_type=MEDIA_TYPES[format])


def thin(runs: list[StoredRun]) -> list[StoredRun]:
    """The runs with as many rows as a picture needs. Raises a 409 problem while nothing is measured."""
    if not any(run.series["train"].num_rows for run in runs):
        raise Problem(409, "no_points", "nothing is measured yet", headers={"Retry-After": str(POLL_S)})
    return [
        replace(
            run,
            series={name: downsample(columns, PLOT_POINTS) for name, columns in run.series.items()},
        )
        for run in runs
    ]


PICTURES = responses(404, 409, _200={"content": {media_type: {} for media_type in MEDIA_TYPES.values()}})
