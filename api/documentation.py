"""The page `/docs`: Swagger UI from files of our own, so that it asks no other host and runs no script but those."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

FOLDER = (
    Path(__file__).parent / "docs"
)  # swagger-ui-dist 5.35.0, Apache-2.0; index.html and start.js are ours
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "start.js")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs() -> FileResponse:
    """What there is, to look at and to try."""
    return _send("index.html")


@router.get("/docs/{name}")
def docs_file(name: str) -> FileResponse:
    """A file of that page."""
    if name not in FILES:
        raise HTTPException(404)
    return _send(name)


def _send(name: str) -> FileResponse:
    headers = {"Content-Security-Policy": POLICY}
    return FileResponse(FOLDER / name, media_type=KINDS[Path(name).suffix], headers=headers)
