"""The tree of errors: what each says where nothing else is said, and which may be sent again."""

import re
from collections.abc import Iterator

import pytest

from gochat.core import errors
from gochat.core.errors import ChatError, NotFound, Overloaded, Unavailable


def kinds(base: type[ChatError] = ChatError) -> Iterator[type[ChatError]]:
    for kind in base.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
            yield from kinds(kind)


ROWS = re.findall(r"^ {6,}(\w+) +([a-z_]+)( +retryable)?", errors.__doc__ or "", re.MULTILINE)
"""Of the overview: name, code, and whether it may be sent again."""


def test_the_overview_tells_of_each_error_its_code_and_whether_it_may_be_sent_again() -> None:
    found = {(it.__name__, it.code, it.retryable) for it in kinds() if "code" in vars(it)}
    assert found == {(name, code, bool(again)) for name, code, again in ROWS}


@pytest.mark.parametrize("kind", [it for it in kinds() if "code" in vars(it)], ids=lambda it: it.code)
def test_an_error_says_what_it_is_or_what_it_was_given(kind: type[ChatError]) -> None:
    usual, given = kind(), kind("Said so.", field="body.2", details={"limit": 5})
    assert (str(usual), usual.message, usual.field, usual.details) == (kind.text, kind.text, None, None)
    assert (str(given), given.message, given.field, given.details) == (
        "Said so.",
        "Said so.",
        "body.2",
        {"limit": 5},
    )


def test_when_to_come_back_is_as_the_class_has_it_unless_it_is_given() -> None:
    assert NotFound().retry_after_ms is None
    assert [Overloaded().retry_after_ms, Unavailable().retry_after_ms] == [1_000, 1_000]
    assert Overloaded(retry_after_ms=0).retry_after_ms == 0
