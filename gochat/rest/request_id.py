"""Every request has an id, for finding it in the logs: in `X-Request-ID` and in every error."""

import re
import secrets
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gochat.contract.errors import status_of
from gochat.core.errors import RateLimited
from gochat.core.measures import Measures
from gochat.ids import REQUEST_ID

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

HEADER = "x-request-id"
RATE_LIMITED = status_of(RateLimited)
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """ASGI middleware: keeps the id that a proxy or an app gave, if it is sane, or makes one.

    Also what holds for every answer: browsers shall not guess its type, and nobody shall keep it, unless
    the route says otherwise.
    """

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self._app = app
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _SANE.fullmatch(given) else secrets.token_hex(8)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        began, status = perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                headers["x-content-type-options"] = "nosniff"
                headers.setdefault("cache-control", "no-store")
            await send(message)

        told = REQUEST_ID.set(request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            REQUEST_ID.reset(told)
            self._took(state, perf_counter() - began, status)

    def _took(self, state: Mapping[str, Any], seconds: float, status: int) -> None:
        route = state.get("route", "other")
        self._measures.requests.note(seconds, route, str(status))
        if status == RATE_LIMITED:
            self._measures.limits.add(route)
        if seconds > self._measures.slow_s:
            ms, user = round(seconds * 1000), state.get("user")
            log.warning(
                "slow_request", request_id=state["request_id"], route=route, user=user, status=status, ms=ms
            )
