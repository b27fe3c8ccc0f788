"""What search takes for equal, where it stands, and that no filter denies what is there."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.core.errors import InvalidPayload
from gochat.core.model import Attachment
from gochat.core.search import (
    BLOCK,
    MAX_QUERY,
    MAX_RANGES,
    Filter,
    Has,
    Probe,
    block_of,
    fold,
    fold_query,
    holds,
    ranges,
)

TEXTS = st.text(max_size=60)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("ＦＵＬＬ", "full"),
        ("ﬁne", "FINE"),
        ("Ёлка", "ёлка"),
        ("cafe\u0301", "CAFÉ"),
        ("مَرْحَبًا", "مرحبا"),
        ("مـــرحبا", "مرحبا"),
        ("👍🏽", "👍"),
        ("❤️", "❤"),
        ("한글", unicodedata.normalize("NFD", "한글")),
        ("two\n\t words ", "two words"),
        ("ｶﾞ", "ガ"),
    ],
)
def test_what_is_equal(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("👍", "👎"), ("a", "á"), ("C++", "C"), ("%", "_"), ("ن", "ت")])
def test_what_differs(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("body", "query", "found"),
    [
        ("Hello hello", "hello", [(0, 5), (6, 11)]),
        ("👍🏽 yes", "yes", [(5, 8)]),
        ("so 👍🏽", "👍", [(3, 7)]),
        ("a\n  b", "a b", [(0, 5)]),
        ("Straße", "s", [(0, 1), (4, 5)]),
        ("cafe\u0301!", "é", [(3, 5)]),
        ("مَرْحَبًا", "رح", [(2, 6)]),
        ("aaaa", "aa", [(0, 2), (2, 4)]),
        ("nothing", "x", []),
        ("", "x", []),
    ],
)
def test_where_it_stands(body: str, query: str, found: list[tuple[int, int]]) -> None:
    assert list(ranges(body, fold(query))) == found


def test_no_more_places_are_shown_than_that() -> None:
    assert len(ranges("a" * 100, "a")) == MAX_RANGES


@given(TEXTS, st.data())
def test_every_part_of_a_text_is_found_in_it(body: str, data: st.DataObject) -> None:
    folded = fold(body)
    first = data.draw(st.integers(0, len(folded)))
    query = folded[first : data.draw(st.integers(first, len(folded)))]
    if not query:
        return
    assert Probe(query).may_be_in(Filter.of([folded]).data)
    grown = Filter()
    grown.add(folded)
    assert Probe(query).may_be_in(grown.data)
    found = ranges(body, query)
    assert found
    size = len(body.encode("utf-16-le", "surrogatepass")) // 2
    assert all(0 <= start < end <= size for start, end in found)
    assert all(one[1] <= other[0] or other[0] >= one[0] for one, other in itertools.pairwise(found))


@given(TEXTS)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_a_filter_denies_most_of_what_is_not_there() -> None:
    filter_ = Filter.of([fold(f"message number {n} of somebody, about {n * n}") for n in range(BLOCK)])
    queries = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}{chr(97 + n * 7 % 26)}" for n in range(26 * 26)]
    let_through = [query for query in queries if Probe(query).may_be_in(filter_.data)]
    assert len(let_through) < 60


def test_a_filter_says_when_it_is_full() -> None:
    filter_ = Filter()
    filter_.add("a few")
    assert not filter_.is_full
    crowded = Filter()
    for n in range(200):
        crowded.add(chr(0x4E00 + n) + chr(0x5E00 + n))
    assert crowded.is_full
    assert not Filter.of([chr(0x4E00 + n) for n in range(5_000)]).is_full


def test_blocks_follow_each_other() -> None:
    assert [block_of(seq) for seq in (1, BLOCK, BLOCK + 1)] == [0, 0, 1]


@pytest.mark.parametrize("query", ["", " \n", "\u064b", "\ufe0f", "x" * (MAX_QUERY + 1), "x" * 10_000])
def test_a_query_with_nothing_to_look_for_is_refused(query: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        fold_query(query)
    assert refused.value.field == "q"


@pytest.mark.parametrize("query", ['"', "%", "*", "C++", "_", "\\", "'; --", "a", "😀", "AND", "-x"])
def test_nothing_in_a_query_means_anything_else(query: str) -> None:
    assert fold_query(query) == query.lower()
    assert ranges(f"so {query} it is", query.lower())


@pytest.mark.parametrize(
    ("has", "body", "mime_types", "expected"),
    [
        (Has.LINK, "see https://x.test", [], True),
        (Has.LINK, "see x.test", [], False),
        (Has.LINK, None, [], False),
        (Has.IMAGE, "", ["image/png"], True),
        (Has.IMAGE, "", ["IMAGE/PNG"], True),
        (Has.IMAGE, "", ["application/pdf"], False),
        (Has.FILE, "", ["application/pdf"], True),
        (Has.FILE, "", ["image/png", "text/plain"], True),
        (Has.FILE, "", ["video/mp4"], False),
        (Has.AUDIO, "", ["audio/ogg"], True),
        (Has.VIDEO, "", ["audio/ogg", "video/mp4"], True),
    ],
)
def test_what_a_message_holds(has: Has, body: str | None, mime_types: list[str], expected: bool) -> None:
    assert holds(has, body, [Attachment("https://x.test/a", it) for it in mime_types]) is expected
