import pytest

from gochat.auth.names import phone_in, username_in
from gochat.core.errors import InvalidPayload


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ann", "ann"),
        ("a.b_9", "a.b_9"),
        ("x" * 32, "x" * 32),
        ("x" * 33, None),
        ("ab", None),
        ("with blank", None),
        ("ann\n", None),
        ("\u212aelvin", None),  # KELVIN SIGN, whose lower case is an ASCII k
        ("jürgen", None),
        ("", None),
    ],
)
def test_username(text: str, name: str | None) -> None:
    assert username_in(text) == name


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+493012345678", "+493012345678"),
        (" +49 (30) 123-456-78 ", "+493012345678"),
        ("+49-030-12345678", "+493012345678"),
        ("+1 202 555 0143", "+12025550143"),
        ("\uff0b493012345678", "+493012345678"),
    ],
)
def test_phone(text: str, number: str) -> None:
    assert phone_in(text) == number


@pytest.mark.parametrize(
    "text", ["", "+", "030 12345678", "+49", "+999123456789", "+4930x", "hello", "+49" + "1" * 29]
)
def test_no_phone(text: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        phone_in(text)
    assert refused.value.field == "phone"
