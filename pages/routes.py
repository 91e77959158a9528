"""The routes of the web page: shells that hold no data; their modules ask the public API for it.

A page may be read by anybody who reaches the service, as it says nothing of what the service knows.
"""

import re
from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent
PAGES = {  # path: (module, title)
    "/": ("jobs", "Jobs"),
    "/pages/overlay": ("overlay", "Jobs over each other"),
    "/pages/range-tests/new": ("new_range_test", "New range test"),
    "/pages/range-tests/{id}": ("range_test", "Range test"),
    "/pages/training-jobs/new": ("new_training_job", "New training job"),
    "/pages/training-jobs/{id}": ("training_job", "Training job"),
    "/pages/comparisons": ("comparisons", "Comparisons"),
    "/pages/comparisons/new": ("new_comparison", "New comparison"),
    "/pages/comparisons/{id}": ("comparison", "Comparison"),
    "/pages/schedules": ("schedules", "Schedule designer"),
    "/pages/workers": ("workers", "Workers and queue"),
    "/pages/keys": ("keys", "Keys"),
    "/pages/webhooks": ("webhooks", "Webhooks"),
}
IMPORTS = re.compile(r'^import .* from "\./(\w+)\.js";$', re.MULTILINE)
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Assets(StaticFiles):
    """Static files, which a browser keeps but asks about each time: a new version of the service shows at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or its 304."""
        response = await super().get_response(path, scope)
        response.headers.update({name: HEADERS[name] for name in ("X-Content-Type-Options", "Cache-Control")})
        return response


def list_parts(module: str) -> list[str]:
    """The modules that this one needs, whoever imports them: a browser that is told asks for all of them at once."""
    parts: set[str] = set()
    left = [module]
    while left:
        new = set(IMPORTS.findall((FOLDER / "static" / f"{left.pop()}.js").read_text())) - parts
        parts |= new
        left += new
    return sorted(parts)


def add_pages(app: FastAPI) -> None:
    """Have the application show the web page at `/`."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined
    )
    shell = environment.get_template("page.html")
    router = APIRouter(include_in_schema=False)

    def answer(module: str, title: str) -> Callable[[Request], HTMLResponse]:
        parts = list_parts(module)

        def show(request: Request) -> HTMLResponse:
            root = request.scope.get("root_path", "").rstrip("/")
            shown = shell.render(root=root, module=module, title=title, parts=parts)
            return HTMLResponse(shown, headers=HEADERS)

        return show

    for path, (module, title) in PAGES.items():
        router.add_api_route(path, answer(module, title), name=f"show_{module}", methods=["GET"])
    app.include_router(router)
    app.mount("/pages/static", Assets(directory=FOLDER / "static"), name="static")
