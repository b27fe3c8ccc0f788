"""How the errors of core look over HTTP, and those that only HTTP knows."""

from gochat.core import errors
from gochat.core.errors import ChatError


class MethodNotAllowed(ChatError):
    """The path is there, but not with this method; the header `Allow` names those it has."""

    code = "method_not_allowed"
    text = "This path does not allow this method."


class PayloadTooLarge(ChatError):
    """The body of the request is too large; `details.limit` is in bytes."""

    code = "payload_too_large"
    text = "The body of the request is too large."


class RequestTimeout(ChatError):
    """The body of the request did not arrive in time."""

    code = "request_timeout"
    retryable = True
    text = "The body of the request did not arrive in time."


class UnsupportedMediaType(ChatError):
    """The body of the request is not `application/json`."""

    code = "unsupported_media_type"
    text = "The body of the request must be application/json."


STATUS: dict[type[ChatError], int] = {
    errors.InvalidPayload: 400,
    errors.UnknownEvent: 400,
    errors.CursorInvalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    MethodNotAllowed: 405,
    RequestTimeout: 408,
    errors.UsernameTaken: 409,
    errors.PhoneTaken: 409,
    errors.IdempotencyConflict: 409,
    errors.MessageDeleted: 409,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    errors.LimitExceeded: 422,
    errors.RateLimited: 429,
    errors.Internal: 500,
    errors.Overloaded: 503,
    errors.Unavailable: 503,
}
"""The status of each error; a class that is not listed has that of its nearest base."""


def status_of(kind: type[ChatError]) -> int:
    """The HTTP status of an error (RFC 9110, section 15)."""
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)
