"""What search takes for equal, where it stands, and what the index holds of it."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.core.errors import InvalidPayload
from gochat.core.model import Attachment
from gochat.core.search import (
    BLOCK,
    LONGEST,
    MAX_QUERY,
    MAX_RANGES,
    Entry,
    Has,
    block_of,
    candidates,
    fold,
    fold_query,
    holds,
    pack,
    ranges,
    rewritten,
    sought,
    span,
    unpack,
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
        ("\ufe0fx", "x", [(1, 2)]),
        ("ab " + "x\u0301" * 3, "x\u0301", [(3, 5), (5, 7), (7, 9)]),
        (" a  b ", "a b", [(1, 5)]),
        ("a b ", "b", [(2, 3)]),
        ("\uffffx", "x", [(1, 2)]),
        ("xe\u0640\u0301y", "y", [(0, 5)]),
    ],
)
def test_where_it_stands(body: str, query: str, found: list[tuple[int, int]]) -> None:
    assert list(ranges(body, fold(query))) == found


@pytest.mark.parametrize(
    ("first", "follower", "belongs"),
    [
        ("x", "\ufdff", False), ("x", "\ufe00", True), ("x", "\ufe0f", True), ("x", "\ufe10", False),
        ("x", "\U0001f3fa", False), ("x", "\U0001f3fb", True), ("x", "\U0001f3ff", True),
        ("x", "\U0001f400", False),
        ("\u1100", "\u1160", False), ("\u1100", "\u1161", True), ("\u1100", "\u1175", True),
        ("\u1100", "\u1176", False),
        ("\uac00", "\u11a7", False), ("\uac00", "\u11a8", True), ("\uac00", "\u11c2", True),
        ("\uac00", "\u11c3", False),
        ("\u1025", "\u102d", False), ("\u1025", "\u102e", True), ("\u1025", "\u102f", False),
    ],
)  # fmt: skip
def test_what_belongs_to_the_character_before_is_shown_with_it(
    first: str, follower: str, belongs: bool
) -> None:
    """Variants and skin tones, which are not looked for, and what makes one letter of two."""
    query = fold(first + follower) if belongs else fold(first)
    size = len((first + follower if belongs else first).encode("utf-16-le")) // 2
    assert ranges(f"so {first}{follower} yes", query) == ((3, 3 + size),)


def test_no_more_places_are_shown_than_that() -> None:
    assert len(ranges("a" * 100, "a")) == MAX_RANGES


@given(TEXTS, st.data())
def test_every_part_of_a_text_is_found_in_it(body: str, data: st.DataObject) -> None:
    folded = fold(body)
    first = data.draw(st.integers(0, len(folded)))
    query = folded[first : data.draw(st.integers(first, len(folded)))]
    if not query:
        return
    assert [it.seq for it in candidates(*pack([entry(1, body)]), sought(query))] == [1]
    found = ranges(body, query)
    assert found
    size = len(body.encode("utf-16-le", "surrogatepass")) // 2
    assert all(0 <= start < end <= size for start, end in found)
    assert all(one[1] <= other[0] or other[0] >= one[0] for one, other in itertools.pairwise(found))


@given(TEXTS)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def entry(seq: int, body: str, *mime_types: str) -> Entry:
    attachments = tuple(Attachment("https://x.test/a", it) for it in mime_types)
    return Entry.of(seq, 1_700_000_000_000 + seq, (1 << 62) + seq, body, attachments)


@given(st.lists(TEXTS, max_size=BLOCK), TEXTS)
def test_a_block_finds_those_that_hold_it(bodies: list[str], query: str) -> None:
    entries = [entry(seq, body) for seq, body in enumerate(bodies, 1)]
    packed = pack(entries)
    assert unpack(*packed) == entries
    if folded := fold(query):
        found = [it.seq for it in candidates(*packed, sought(folded))]
        assert found == [seq for seq, body in enumerate(bodies, 1) if folded in fold(body)]


@given(
    st.dictionaries(st.integers(1, BLOCK), TEXTS),
    st.dictionaries(st.integers(1, BLOCK), st.none() | TEXTS),
)
def test_a_block_is_rewritten_where_messages_changed(
    before: dict[int, str], changed: dict[int, str | None]
) -> None:
    stored = pack(entry(seq, body) for seq, body in before.items())
    now = {seq: None if body is None else entry(seq, body) for seq, body in changed.items()}
    left = {seq: entry(seq, body) for seq, body in before.items()} | now
    expected = [it for it in left.values() if it is not None]
    text, about = rewritten(*stored, now)
    assert sorted(unpack(text, about)) == sorted(expected)
    times = [it.created_at for it in expected] or [0]
    assert span(about) == (max(times), min(times), False)


def test_an_entry_says_who_when_and_what_else() -> None:
    (found,) = candidates(*pack([entry(7, "tea at https://x.test", "image/png")]), b"tea")
    assert (found.seq, found.created_at, found.sender_id) == (7, 1_700_000_000_007, (1 << 62) + 7)
    assert [it for it in Has if found.has(it)] == [Has.IMAGE, Has.LINK]
    assert not found.is_too_long


def test_what_is_too_long_may_hold_anything() -> None:
    packed = pack([entry(1, "tea"), entry(2, "x" * (LONGEST + 1)), entry(3, "y" * LONGEST)])
    assert len(packed[0]) < 2 * LONGEST
    found = list(candidates(*packed, b"tea"))
    assert [(it.seq, it.is_too_long) for it in found] == [(1, False), (2, True)]


def test_how_the_index_is_laid_out() -> None:
    """It is kept: what is changed has to be written anew."""
    assert (BLOCK, LONGEST, MAX_QUERY, MAX_RANGES) == (32, 16_384, 200, 20)
    assert [entry(1, "", "image/a", "video/a", "audio/a", "text/a").bits, entry(1, "http://a").bits] == [
        15,
        16,
    ]
    assert entry(1, "a").bits == 0
    assert list(candidates(b"", b"", b"a")) == []
    too_long = entry(1, "x" * LONGEST + "x", "image/a")
    assert (too_long.bits, too_long.text) == (129, b"")
    text, about = pack([Entry(1, 2, 3, 4, b"a"), Entry(5, 6, 7, 8, b"b")])
    assert text == b"a\nb"
    assert about == b"".join(n.to_bytes(8, "little") for n in (1, 2, 3)) + bytes([4]) + b"".join(
        n.to_bytes(8, "little") for n in (5, 6, 7)
    ) + bytes([8])


def test_of_a_block_when_it_was_written_and_whether_one_is_too_long() -> None:
    assert span(b"") == (0, 0, False)
    blocks = [Entry(1, 9, 1, 0), Entry(2, 7, 1, 0x80), Entry(3, 8, 1, 1)]
    assert span(pack(blocks)[1]) == (9, 7, True)
    assert span(pack([blocks[0], blocks[2]])[1]) == (9, 8, False)


@pytest.mark.parametrize(
    ("changed", "left"),
    [
        ({}, [1, 2]),
        ({3: None}, [1, 2]),
        ({3: entry(3, "c")}, [1, 2, 3]),
        ({2: None}, [1]),
        ({1: entry(1, "d"), 3: None}, [2, 1]),
        ({1: None, 2: None}, []),
    ],
)
def test_a_block_with_what_changed(changed: dict[int, Entry | None], left: list[int]) -> None:
    before = [entry(1, "a"), entry(2, "b")]
    after = {1: before[0], 2: before[1]} | changed
    assert unpack(*rewritten(*pack(before), changed)) == [after[seq] for seq in left]
    assert rewritten(b"", b"", changed) == pack([it for it in changed.values() if it is not None])


def test_blocks_follow_each_other() -> None:
    assert [block_of(seq) for seq in (1, BLOCK, BLOCK + 1)] == [0, 0, 1]


@pytest.mark.parametrize("query", ["", " \n", "\u064b", "\ufe0f", "x" * (MAX_QUERY + 1), "x" * 10_000])
def test_a_query_with_nothing_to_look_for_is_refused(query: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        fold_query(query)
    assert refused.value.field == "q"


def test_a_query_is_counted_as_it_is_typed() -> None:
    assert fold_query("ﬀ" * MAX_QUERY) == "ff" * MAX_QUERY


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
