import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.contract.cursor import Cursors
from gochat.core.errors import CursorInvalid
from gochat.core.queries import SyncPosition

CURSORS = Cursors([b"k" * 32])
NUMBERS = st.integers(-(2**63), 2**63 - 1)
IDS = st.integers(1, 2**63 - 1)


@given(st.lists(NUMBERS, max_size=6), IDS)
def test_what_is_written_is_read(numbers: list[int], user_id: int) -> None:
    cursor = CURSORS.write("list", user_id, numbers)
    assert CURSORS.read("list", user_id, cursor, len(numbers)) == numbers


POSITIONS = st.builds(
    SyncPosition,
    started_at=IDS,
    moved=st.booleans(),
    at=IDS,
    conversation_id=IDS,
    revision=st.integers(0, 2**53 - 1),
    epoch=st.text("0123456789abcdef", max_size=32),
    gap=st.booleans(),
)


@given(POSITIONS, IDS)
def test_sync_position(position: SyncPosition, user_id: int) -> None:
    cursor = CURSORS.write_sync(user_id, position)
    assert CURSORS.read_sync(user_id, cursor) == position
    assert len(cursor) <= 500


@given(st.data())
def test_a_changed_cursor_is_invalid(data: st.DataObject) -> None:
    cursor = CURSORS.write("list", 1, (2, 3))
    at = data.draw(st.integers(0, len(cursor) - 2))
    other = data.draw(st.sampled_from("ABCabc019-_").filter(lambda letter: letter != cursor[at]))
    with pytest.raises(CursorInvalid):
        CURSORS.read("list", 1, cursor[:at] + other + cursor[at + 1 :], 2)


@given(st.text(max_size=100))
def test_text_is_no_cursor(text: str) -> None:
    with pytest.raises(CursorInvalid):
        CURSORS.read("list", 1, text, 0)


def test_a_cursor_is_bound() -> None:
    cursor = CURSORS.write("list", 1, (2, 3))
    for purpose, user_id, count in [("list", 2, 2), ("lis", 1, 2), ("list", 1, 1), ("list", 1, 3)]:
        with pytest.raises(CursorInvalid) as refused:
            CURSORS.read(purpose, user_id, cursor, count)
        assert refused.value.field == "cursor"


def test_an_old_secret_still_verifies() -> None:
    old, new = b"k" * 32, b"n" * 32
    cursor = Cursors([old]).write("list", 1, (2,))
    assert Cursors([new, old]).read("list", 1, cursor, 1) == [2]
    with pytest.raises(CursorInvalid):
        Cursors([new]).read("list", 1, cursor, 1)
