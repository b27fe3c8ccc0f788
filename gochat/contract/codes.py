"""The stable error codes, read off the tree of errors."""

from collections.abc import Iterable

from gochat.contract import errors as over_http
from gochat.contract.errors import status_of
from gochat.contract.schemas import Json, description
from gochat.core import errors
from gochat.core.errors import ChatError


def error_classes() -> tuple[type[ChatError], ...]:
    """Every error that has a code, in the order of the tree; last those that only HTTP knows."""
    declared = (value for module in (errors, over_http) for value in vars(module).values())
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
        }
        for kind in error_classes()
    ]


def codes(kinds: Iterable[type[ChatError]]) -> list[str]:
    """Their codes, each once."""
    return list(dict.fromkeys(kind.code for kind in kinds))
