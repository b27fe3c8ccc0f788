"""The REST app, built from the table of routes: each request goes the same way through."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import groupby
from typing import Any, TypeAlias

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp

from gochat.contract import parameters, requests
from gochat.contract.routes import PREFIX, ROUTES, Route
from gochat.core.errors import InvalidPayload, Overloaded, TokenMissing
from gochat.core.lateness import come_back
from gochat.core.rates import Key
from gochat.rest import account, auth, conversations, export, health, messages, safety, server, sync, users
from gochat.rest.body import json_in, read_body
from gochat.rest.call import Answer, OpenCall, UserCall
from gochat.rest.deps import Deps
from gochat.rest.errors import FAULTS, REFUSALS
from gochat.rest.metrics import metrics_routes
from gochat.rest.pages import page_routes
from gochat.rest.request_id import HEADER, RequestId

OpenHandler: TypeAlias = Callable[[Deps, OpenCall[Any]], Awaitable[Answer]]
UserHandler: TypeAlias = Callable[[Deps, UserCall[Any]], Awaitable[Answer]]

OPEN_HANDLERS: Mapping[str, OpenHandler] = {
    "register": auth.register,
    "login": auth.login,
    "refresh": auth.refresh,
    "exchange_token": auth.exchange,
    "reset_password": auth.reset_password,
    "server_user": server.server_user,
    "server_tokens": server.server_tokens,
    "terms": safety.terms,
    "health": health.health,
    "live": health.live,
    "ready": health.ready,
}
USER_HANDLERS: Mapping[str, UserHandler] = {
    "logout": auth.logout,
    "change_password": auth.change_password,
    "sessions": auth.sessions,
    "update_session": auth.update_session,
    "end_session": auth.end_session,
    "end_sessions": auth.end_sessions,
    "me": account.me,
    "update_me": account.update_me,
    "accept_terms": account.accept_terms,
    "delete_me": account.delete_me,
    "export": export.export,
    "report": safety.report,
    "contacts": users.contacts,
    "blocks": account.blocks,
    "block": account.block,
    "unblock": account.unblock,
    "users": users.users,
    "conversations": conversations.conversations,
    "create_conversation": conversations.create_conversation,
    "quit_conversations": conversations.quit_conversations,
    "conversation": conversations.conversation,
    "members": conversations.members,
    "bans": conversations.bans,
    "advance_receipts": conversations.advance_receipts,
    "messages": messages.messages,
    "reactions": messages.reactions,
    "search_messages": messages.search_messages,
    "send_message": messages.send_message,
    "sync": sync.sync,
}
"""By the names of `contract.routes.ROUTES`."""

SHED = frozenset(route.name for route in ROUTES if Overloaded in route.errors)
"""What is refused when the event loop is late: all but the health."""
PREFLIGHT_S = 7200
"""How long a browser may keep the answer to a preflight: the longest that Chromium does."""


class Cors(CORSMiddleware):
    """Starlette's, for the origins that the transport lets in, too; their pages may send any header."""

    def __init__(self, app: ASGIApp, /, origin_allowed: Callable[[str], bool], **options: Any) -> None:
        super().__init__(app, **options)
        self._origin_allowed = origin_allowed

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether a page of that origin may read answers."""
        return self._origin_allowed(origin)


def create_rest_app(deps: Deps) -> Starlette:
    """The ASGI app of everything that is not Socket.IO.

    Raises:
        ValueError: a route of the contract has no handler, or a handler no route.
    """
    for handlers, with_login in ((OPEN_HANDLERS, False), (USER_HANDLERS, True)):
        if wrong := handlers.keys() ^ {route.name for route in ROUTES if route.auth is with_login}:
            raise ValueError(f"routes without handler, or handlers without route: {sorted(wrong)}")
    app = Starlette(
        routes=[*page_routes(deps.limits), *metrics_routes(deps.metrics), *_routes(deps)],
        middleware=[
            Middleware(RequestId, measures=deps.measures),
            Middleware(
                Cors,
                origin_allowed=deps.origin_allowed,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["*"],
                expose_headers=[HEADER, "retry-after"],
                max_age=PREFLIGHT_S,
            ),
            Middleware(ExceptionMiddleware, handlers=FAULTS),
        ],
        exception_handlers=REFUSALS,
    )
    app.router.redirect_slashes = False
    return app


def _routes(deps: Deps) -> list[StarletteRoute]:
    """One for each path, so that a wrong method is answered with all that the path has."""
    by_path = groupby(sorted(ROUTES, key=lambda route: route.path), key=lambda route: route.path)
    return [_route(deps, path, {route.method: route for route in group}) for path, group in by_path]


def _route(deps: Deps, path: str, by_method: Mapping[str, Route]) -> StarletteRoute:
    async def endpoint(request: Request) -> Response:
        route = by_method["GET" if request.method == "HEAD" else request.method]
        request.state.route = route.name
        if route.name in SHED and not deps.lets_in():
            raise come_back(hash(request.state.request_id))
        answer = await (_user_answer if route.auth else _open_answer)(deps, route, request)
        if isinstance(answer, Response):
            return answer
        return Response(orjson.dumps(answer), 202 if route.accepted else 200, media_type="application/json")

    return StarletteRoute(PREFIX + path, endpoint, methods=list(by_method))


async def _open_answer(deps: Deps, route: Route, request: Request) -> Answer:
    parsed = _parse(route, request, await _body(route, request))
    return await OPEN_HANDLERS[route.name](deps, OpenCall(parsed, _address(request), _bearer(request)))


async def _user_answer(deps: Deps, route: Route, request: Request) -> Answer:
    token = _bearer(request)
    if not token:
        raise TokenMissing
    # A body may take its time, and the login may end meanwhile: who asks is found out when all of it is here.
    body = await _body(route, request)
    identity = await deps.authenticator.authenticate(token)
    request.state.user = identity.user_id
    deps.rates.take(route.rate, Key.USER, identity.user_id)
    parsed = _parse(route, request, body)
    ids = {name: parameters.path_in(name, request.path_params[name]) for name in route.parameters}
    return await USER_HANDLERS[route.name](deps, UserCall(parsed, identity, ids, _address(request)))


async def _body(route: Route, request: Request) -> bytes:
    return b"" if route.body is None else await read_body(request)


def _parse(route: Route, request: Request, body: bytes) -> requests.Request:
    """The query or the body, validated; the one that a route has not must be empty."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise InvalidPayload(f"{name}: given twice.", field=name)
        given[name] = value
    query = requests.parse(route.query or parameters.Query, given)
    return query if route.body is None else requests.parse(route.body, json_in(body))


def _address(request: Request) -> str | None:
    return None if request.client is None else request.client.host


def _bearer(request: Request) -> str | None:
    """The token of `Authorization: Bearer` (RFC 6750, section 2.1); None if there is no such header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
