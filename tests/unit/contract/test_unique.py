"""A key that stands twice is found, wherever and however it is written, and nothing else is."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.contract.unique import twice

TEXT = st.text(st.sampled_from('ab":\\{}[] \n'), max_size=4)
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(TEXT, inner), max_size=3).map(tuple),
    max_leaves=12,
)
"""JSON's values; an object is a tuple of pairs, so that a key may stand in it twice."""


def written(value: Any, space: str) -> str:
    """The JSON of it."""
    if isinstance(value, tuple):
        pairs = (f"{json.dumps(key)}{space}:{space}{written(part, space)}" for key, part in value)
        return "{" + f"{space},".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + f",{space}".join(written(part, space) for part in value) + "]"
    return json.dumps(value)


def has_twice(value: Any) -> bool:
    """Whether an object that is read has a key twice: one that stands before another of its key is not."""
    if isinstance(value, list):
        return any(map(has_twice, value))
    if isinstance(value, tuple):
        return len({key for key, _ in value}) < len(value) or any(has_twice(part) for _, part in value)
    return False


@given(VALUES, st.sampled_from(["", " ", "\n", "\t\r "]))
def test_it_is_found_if_and_only_if_it_is_there(value: Any, space: str) -> None:
    text = written(value, space)
    read = orjson.loads(text)
    found = twice(text, read)
    assert (found is not None) == has_twice(value)
    assert twice(text.encode(), read) == found


@pytest.mark.parametrize(
    ("text", "path", "key"),
    [
        ('{"a":1,"a":1}', (), "a"),
        ('{"data":{"a":1,"\\u0061":2}}', ("data",), "a"),
        ('{"data":{"a":1 , "a" : 2}}', ("data",), "a"),
        ('{"data":{"x":[0,{"k":{},"k":{"z":1}}]}}', ("data", "x", "1"), "k"),
        ('{"data":{"a":1},"data":{}}', (), "data"),
        ('{"body":"\\":","data":{"a":1,"a":2}}', ("data",), "a"),
        ('{"a":1e400,"data":{"n":123456789012345678901234567890,"n":0}}', ("data",), "n"),
    ],
)
def test_where_it_is(text: str, path: tuple[str, ...], key: str) -> None:
    assert twice(text, json.loads(text)) == (path, key)


def test_what_nests_too_deep_to_be_read_again_is_left_to_others() -> None:
    """How deep that is depends on the version of Python; what a request may hold is far from it."""
    text = "[" * 1_000 + '{"a":1,"a":1}' + "]" * 1_000
    assert twice(text, orjson.loads(text)) in (None, (("0",) * 1_000, "a"))
