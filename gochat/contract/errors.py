"""How the errors of core look over HTTP, those that only HTTP knows, and the stable codes of all."""

from collections.abc import Iterable

from gochat.contract import examples
from gochat.contract.schemas import Json, description
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
    errors.PositionLost: 410,
    errors.Unauthenticated: 401,
    errors.AccountDisabled: 403,
    errors.Forbidden: 403,
    errors.TermsRequired: 403,
    errors.NotFound: 404,
    MethodNotAllowed: 405,
    RequestTimeout: 408,
    errors.UsernameTaken: 409,
    errors.PhoneTaken: 409,
    errors.IdempotencyConflict: 409,
    errors.MessageDeleted: 409,
    errors.Superseded: 409,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    errors.LimitExceeded: 422,
    errors.ContentRefused: 422,
    errors.RateLimited: 429,
    errors.Internal: 500,
    errors.Overloaded: 503,
    errors.Unavailable: 503,
}
"""The status of each error; a class that is not listed has that of its nearest base."""


def status_of(kind: type[ChatError]) -> int:
    """The HTTP status of an error (RFC 9110, section 15)."""
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


def error_classes() -> tuple[type[ChatError], ...]:
    """Every error that has a code, in the order of the tree; last those that only HTTP knows."""
    declared = (value for value in (*vars(errors).values(), *globals().values()))
    kinds = (value for value in declared if isinstance(value, type) and issubclass(value, ChatError))
    return tuple(dict.fromkeys(kind for kind in kinds if "code" in vars(kind)))


def error_table() -> list[Json]:
    """One row for each code: what it means, whether to send the same again, and REST's status."""
    return [
        {
            "code": kind.code,
            "status": status_of(kind),
            "retryable": kind.retryable,
            "description": description(kind),
            "example": error_example(kind),
        }
        for kind in error_classes()
    ]


def error_example(kind: type[ChatError]) -> Json:
    """The error object as a real run told it; of faults that no run has at will, as it would."""
    made = {
        "code": kind.code,
        "message": kind.text,
        "retryable": kind.retryable,
        "request_id": "5d0c6f3b9a1e4f27",
    }
    return examples.error(kind.code) or made


def problem_example(kind: type[ChatError]) -> Json:
    """The same as REST tells it (RFC 9457)."""
    status = {"type": f"urn:gochat:error:{kind.code}", "title": kind.text, "status": status_of(kind)}
    return error_example(kind) | status


def codes(kinds: Iterable[type[ChatError]]) -> list[str]:
    """Their codes, each once."""
    return list(dict.fromkeys(kind.code for kind in kinds))


def in_one_line(request: str | None, answer: str, kinds: Iterable[type[ChatError]]) -> str:
    """What an operation takes, what it answers, and how it may be refused."""
    taken = "Nothing" if request is None else f"`{request}`"
    return f"{taken} → `{answer}`, or {', '.join(f'`{code}`' for code in codes(kinds))}."
