"""`GET /metrics` beside the API, for who has its token: where a host lets in one port only."""

import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gochat.core.values import value

PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@value(frozen=True, slots=True)
class Metrics:
    """Who may ask, and what is answered."""

    token: str
    text: Callable[[], Awaitable[bytes]]


def metrics_routes(metrics: Metrics | None) -> list[Route]:
    """One route, or none: without a token there is no such path."""
    if metrics is None:
        return []
    expected = f"Bearer {metrics.token}".encode()

    async def endpoint(request: Request) -> Response:
        request.state.route = "metrics"
        given = request.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, expected):
            return Response(status_code=401, headers={"www-authenticate": "Bearer"})
        return Response(await metrics.text(), headers={"content-type": CONTENT_TYPE})

    return [Route(PATH, endpoint, methods=["GET"])]
