"""The page at `/`, and the generated contract."""

from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gochat import __version__
from gochat.contract import CONTRACT_VERSION, asyncapi, openapi
from gochat.contract.routes import PREFIX

_PAGE = Path(__file__).parents[1] / "web" / "index.html"
_PAGE_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}


def home_routes() -> list[Route]:
    """`/`, `openapi.json` and `asyncapi.json`: made once, and sent as they are."""
    page = _PAGE.read_text(encoding="utf-8")
    for name, value in {"version": __version__, "contract_version": CONTRACT_VERSION}.items():
        page = page.replace(f"{{{{ {name} }}}}", value)
    return [
        _fixed("/", page.encode(), "text/html; charset=utf-8", _PAGE_HEADERS),
        _fixed(f"{PREFIX}/openapi.json", orjson.dumps(openapi.document()), "application/json"),
        _fixed(f"{PREFIX}/asyncapi.json", orjson.dumps(asyncapi.document()), "application/json"),
    ]


def _fixed(path: str, content: bytes, media_type: str, headers: dict[str, str] | None = None) -> Route:
    async def answer(_: Request) -> Response:
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, answer, methods=["GET"])
