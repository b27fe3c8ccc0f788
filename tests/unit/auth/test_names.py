import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.auth.names import phone_in, username_in, username_tried
from gochat.core.errors import InvalidPayload


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ann", "ann"),
        ("a.b_9", "a.b_9"),
        ("x" * 32, "x" * 32),
        ("\u212aelvin", "kelvin"),  # KELVIN SIGN
        ("\uff21\uff4e\uff4e", "ann"),  # full width
        ("\U0001d4d0\U0001d4f7\U0001d4f7", "ann"),  # mathematical script
        ("\ufb01nn", "finn"),  # a ligature
        ("Jürgen", "jürgen"),
        ("Ju\u0308rgen", "jürgen"),
        ("Straße", "strasse"),
        ("Вася", "вася"),
        ("Ἀλέξανδρος", "ἀλέξανδροσ"),
        ("田中さん", "田中さん"),
        ("ラーメン", "ラーメン"),
        ("김철수", "김철수"),
        ("محمد", "محمد"),
        ("नमस्ते", "नमस्ते"),
    ],
)
def test_one_spelling(text: str, name: str) -> None:
    assert username_in(text) == name
    assert username_tried(f" {text}\t") == name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "length"),
        ("ab", "length"),
        ("x" * 33, "length"),
        ("\u03b1\u0313\u0300\u0345" * 17, "length"),  # 17 once composed, but more than is looked at
        ("田中", "length"),
        ("with blank", "characters"),
        ("ann\n", "characters"),
        (" ann", "characters"),
        ("a\x00b", "characters"),
        ("ann\u200b", "characters"),  # ZERO WIDTH SPACE
        ("ann\u202e", "characters"),  # RIGHT-TO-LEFT OVERRIDE
        ("ann\U000e0041", "characters"),  # a tag
        ("ann\ufe0f", "characters"),  # a variation selector
        ("김\u3164철수", "characters"),  # a filler
        ("ann👍", "characters"),
        ("' OR 1=1", "characters"),
        ("an%", "characters"),
        ("\u0301ann", "characters"),
        ("аnna", "scripts"),  # a Cyrillic first letter
        ("αnna", "scripts"),
        ("anna田", "scripts"),
        ("соре", "lookalike"),  # Cyrillic, all of it
        ("рау", "lookalike"),
        ("ıvan", "lookalike"),  # without its dot
        ("ɑnna", "lookalike"),
        ("a\u0336nna", "lookalike"),  # struck through
        ("ᴘᴀᴛ", "lookalike"),  # small capitals
        ("\u0237ohn", "lookalike"),  # j without its dot
        ("\u01c1ama", "lookalike"),  # a click
        ("ann\ua788", "characters"),  # what is of no script, and looks like `_`, `-` or a dot
        ("ann\u02cd", "characters"),
        ("ann\u02cc", "characters"),
        ("anna\u0640", "characters"),  # TATWEEL
        ("مح\u0640مد", "characters"),  # by which a name is only stretched
        ("annー", "scripts"),
        ("ーーー", "scripts"),
    ],
)
def test_what_nobody_is_called(text: str, reason: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        username_in(text)
    assert refused.value.field == "username"
    assert refused.value.details == {"reason": reason}


def test_names_without_owner_are_no_fault_of_a_login() -> None:
    assert username_tried("ann\u202e") is None
    assert username_tried("\n Ann ") == "ann"


@given(st.text(max_size=40))
def test_a_name_is_its_own_spelling(text: str) -> None:
    name = username_tried(text)
    if name is not None:
        assert username_in(name) == name


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
