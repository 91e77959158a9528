"""Pictures of stored curves as HTTP answers: drawn by the pool, kept once nothing of them can change."""

from typing import Concatenate, ParamSpec

from fastapi import Request, Response

from api.errors import Problem
from api.finality import NO_CHANGE, has_it, headers_of, unchanged
from api.jobs import POLL_S
from api.kept_pictures import Pictures
from api.openapi import BUSY, responses
from api.pool import Pool, Work, unless_gone
from clr.picture_format import PictureFormat

MEDIA_TYPES: dict[PictureFormat, str] = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}
PICTURES = (
    responses(404, 409, _200={"content": {media_type: {} for media_type in MEDIA_TYPES.values()}})
    | NO_CHANGE
    | BUSY
)

P = ParamSpec("P")


async def answer_picture(
    request: Request,
    pool: Pool,
    pictures: Pictures,
    tag: str | None,
    format: PictureFormat,
    draw: Work[Concatenate[PictureFormat, P], bytes | None],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Response:
    """What `draw` draws, from its arguments. tag: of a final picture. Raises a 409 problem where it draws nothing."""
    if tag is not None and has_it(request, tag):
        return unchanged(tag)
    picture = pictures.get(tag) if tag is not None else None
    if picture is None:
        picture = await unless_gone(request, pool.run(draw, format, *args, **kwargs))
        if picture is None:
            raise Problem(409, "no_points", "nothing is measured yet", headers={"Retry-After": str(POLL_S)})
        if tag is not None:
            pictures.keep(tag, picture)
    return Response(picture, headers=headers_of(tag), media_type=MEDIA_TYPES[format])
