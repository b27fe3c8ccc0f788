import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.contract.ids import (
    ID_PATTERN,
    NO_ID,
    TIME_PATTERN,
    UUID_OUT_PATTERN,
    UUID_PATTERN,
    id_in,
    id_out,
    ids_in,
    time_out,
    uuid_in,
    uuid_out,
)
from tests.unit.contract.values import ids, millis


@given(ids)
def test_id_comes_back_as_it_went(number: int) -> None:
    assert re.fullmatch(ID_PATTERN, id_out(number))
    assert id_in(id_out(number)) == number


@given(st.text(max_size=70).filter(lambda text: not re.fullmatch(r"[0-7][0-9a-f]{15}", text)))
def test_string_that_is_no_id_of_ours_is_nothing(text: str) -> None:
    assert id_in(text) == NO_ID


@pytest.mark.parametrize(
    "text",
    [
        "0000000000000000",
        "8000000000000000",
        "000000000000000A",
        "0x00000000000001",
        "+000000000000001",
        " 00000000000001 ",
        "0000_0000_0000_1",
        "٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠١",
    ],
)
def test_an_id_has_one_spelling(text: str) -> None:
    assert id_in(text) == NO_ID


@given(st.lists(ids.map(id_out) | st.text(max_size=20) | st.just("0" * 16)))
def test_many_ids_are_read_as_each_of_them(texts: list[str]) -> None:
    assert list(ids_in(texts)) == [id_in(text) for text in texts]
    right = [id_out(id_in(text) or 7) for text in texts]
    assert list(ids_in(right)) == [id_in(text) for text in right]


@pytest.mark.parametrize(
    "wrong", ["000000000000000A", "8000000000000000", "0" * 16, "0" * 15 + " ", "0" * 15, ""]
)
def test_one_that_is_wrong_among_many_is_nothing(wrong: str) -> None:
    assert list(ids_in([id_out(1), wrong, id_out(2)])) == [1, NO_ID, 2]


@given(st.uuids())
def test_uuid_in_any_case_is_the_same_key(uuid: UUID) -> None:
    text = str(uuid)
    assert re.fullmatch(UUID_PATTERN, text.upper())
    assert uuid_in(text) == uuid_in(text.upper()) == uuid.bytes
    assert uuid_out(uuid.bytes) == text
    assert re.fullmatch(UUID_OUT_PATTERN, text)


@given(millis)
def test_time_keeps_its_milliseconds(at: int) -> None:
    text = time_out(at)
    assert re.fullmatch(TIME_PATTERN, text)
    passed = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    assert (passed.days * 86_400 + passed.seconds) * 1000 + passed.microseconds // 1000 == at


def test_time_is_rfc_3339_utc() -> None:
    assert time_out(1_769_860_800_007) == "2026-01-31T12:00:00.007Z"
