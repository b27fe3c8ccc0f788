"""Errors as `application/problem+json` (RFC 9457); found by the exception's class, nearest base first."""

import logging
import math
import traceback
from collections.abc import Mapping

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from gochat.contract import shapes
from gochat.contract.encode import error_out
from gochat.contract.errors import MethodNotAllowed, status_of
from gochat.core.errors import (
    ChatError,
    Internal,
    InvalidPayload,
    NotFound,
    Overloaded,
    RateLimited,
    TokenMissing,
    Unauthenticated,
    Unavailable,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def problem(error: ChatError, request: Request, headers: Mapping[str, str] | None = None) -> Response:
    """An error as a response."""
    status = status_of(type(error))
    body: shapes.Problem = {
        **error_out(error, request.state.request_id),
        "type": f"urn:gochat:error:{error.code}",
        "title": error.text,
        "status": status,
    }
    response = Response(orjson.dumps(body), status, headers, "application/problem+json")
    if error.retry_after_ms is not None:
        response.headers["retry-after"] = str(math.ceil(error.retry_after_ms / 1000))
    if isinstance(error, Unauthenticated):
        response.headers["www-authenticate"] = _challenge(error)
    return response


def _challenge(error: Unauthenticated) -> str:
    """RFC 6750, section 3: no error code for a request that brought no token."""
    return "Bearer" if isinstance(error, TokenMissing) else 'Bearer error="invalid_token"'


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ChatError)
    level = _LEVELS.get(error.code, logging.DEBUG)
    if log.is_enabled_for(level):
        state = request.state
        log.log(
            level,
            "request_refused",
            request_id=state.request_id,
            route=getattr(state, "route", "other"),
            user=getattr(state, "user", None),
            code=error.code,
        )
    return problem(error, request)


async def _not_routed(request: Request, error: Exception) -> Response:
    """The router's own: an unknown path, or a method that a path has not."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(NotFound("There is no such path."), request)
    if error.status_code == 405:
        return problem(MethodNotAllowed(), request, error.headers)
    return problem(InvalidPayload(), request)


async def _left(request: Request, error: Exception) -> Response:
    """The client went away while it sent its body: nobody hears this."""
    return problem(InvalidPayload("The body of the request is not complete."), request)


async def _fault(request: Request, error: Exception) -> Response:
    """A fault of ours. Logged with its place, not with its text: that may hold what a user sent."""
    log.error(
        "request_failed",
        request_id=request.state.request_id,
        method=request.method,
        path=request.url.path,
        error=type(error).__qualname__,
        stack="".join(traceback.format_tb(error.__traceback__)),
    )
    return problem(Internal(), request)


_LEVELS = {
    Overloaded.code: logging.WARNING,
    Unavailable.code: logging.WARNING,
    RateLimited.code: logging.INFO,
}
"""Of refusals that are worth a line; others are the app's affair, and told at `debug` only."""


REFUSALS: Mapping[type[Exception], ExceptionHandler] = {
    ChatError: _refused,
    HTTPException: _not_routed,
    ClientDisconnect: _left,
}
FAULTS: Mapping[type[Exception], ExceptionHandler] = {Exception: _fault}
