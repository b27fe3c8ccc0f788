"""What browsers see: the demo page at `/`, the pages about the API at `/docs`, and the generated contract."""

import html
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gochat import __version__
from gochat.contract import CONTRACT_VERSION, asyncapi, openapi
from gochat.contract.routes import PREFIX
from gochat.contract.schemas import Json
from gochat.core.errors import NotFound
from gochat.core.limits import Limits
from gochat.rest import guides

WEB = Path(__file__).parents[1] / "web"
LIBRARIES = Path(sys.prefix) / "share" / "gochat" / "web"
"""Where scripts/web.py put what comes from npm; without it the pages say so."""

_HEADERS = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}


def _policy() -> Mapping[str, str]:
    """A page's headers: nothing from outside, nothing inline, in nobody's frame."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    text = "; ".join(f"{name} {value}" for name, value in policy.items())
    return _HEADERS | {"content-security-policy": text, "referrer-policy": "no-referrer"}


# path: (file, headers).
_PAGES = {
    "/": ("index.html", _policy()),
    "/docs": ("docs.html", _policy()),
    "/docs/rest": ("docs-rest.html", _policy()),
    "/docs/events": ("docs-events.html", _policy()),
}


def page_routes(limits: Limits) -> list[BaseRoute]:
    """The pages, with what they load, and `openapi.json` and `asyncapi.json`."""
    return [
        *(
            _fixed(path, _page(file), "text/html; charset=utf-8", headers)
            for path, (file, headers) in _PAGES.items()
        ),
        _generated(f"{PREFIX}/openapi.json", openapi.document, limits),
        _generated(f"{PREFIX}/asyncapi.json", asyncapi.document, limits),
        Route(f"{guides.BASE}{{name:path}}", _guide, methods=["GET"]),
        Route("/docs/guides.json", _guide_index, methods=["GET"]),
        Mount("/web/lib", _Files(directory=LIBRARIES, check_dir=False)),
        Mount("/web", _Files(directory=WEB / "static")),
    ]


def _page(file: str) -> bytes:
    said = {"version": __version__, "contract_version": CONTRACT_VERSION, "guides": guides.listed()}
    return _filled((WEB / file).read_text(encoding="utf-8"), said).encode()


def _filled(page: str, said: Mapping[str, str]) -> str:
    """A page with what is said for each `{{ name }}` of it, once: what is put in is not looked at again."""
    return re.sub(r"{{ (\w+) }}", lambda found: said[found[1]], page)


async def _guide(request: Request) -> Response:
    name = request.path_params["name"]
    # Looked at before anything is kept of it: strangers name what they like.
    made = await run_in_threadpool(guide_page, name) if name in guides.GUIDES else None
    if made is None:
        raise NotFound("There is no such guide.")
    return Response(made, headers=_policy(), media_type="text/html; charset=utf-8")


@cache
def guide_page(name: str) -> bytes | None:
    """A guide as a page; None: it is not there."""
    found = guides.guide(name)
    if found is None:
        return None
    parts = {"guides": guides.listed(name), "contents": guides.contents(found), "body": found.body}
    page = (WEB / "guide.html").read_text(encoding="utf-8")
    return _filled(page, {"title": html.escape(found.title), **parts}).encode()


async def _guide_index(_: Request) -> Response:
    return Response(await run_in_threadpool(_index), headers=_HEADERS, media_type="application/json")


@cache
def _index() -> bytes:
    return orjson.dumps(guides.index())


def _fixed(path: str, content: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> Route:
    """Made once, and sent as it is."""

    async def answer(_: Request) -> Response:
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, answer, methods=["GET"])


def _generated(path: str, document: Callable[[Limits], Json], limits: Limits) -> Route:
    """Made when somebody first asks for it, in a thread: longer than the loop may work."""

    async def answer(_: Request) -> Response:
        return Response(await run_in_threadpool(_encoded, document, limits), media_type="application/json")

    return Route(path, answer, methods=["GET"])


@cache
def _encoded(document: Callable[[Limits], Json], limits: Limits) -> bytes:
    return orjson.dumps(document(limits))


class _Files(StaticFiles):
    """Files that browsers ask for anew, with their ETag, each time."""

    async def check_config(self) -> None:
        """A folder that is not there has no files; that is all."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers.update(_HEADERS)
        return response
