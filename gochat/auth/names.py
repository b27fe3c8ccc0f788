"""The one spelling under which a name or number is stored and found.

A username is normalised by NFKC and case folding (Unicode, annexes 15 and 21), and unique in that form. Its
letters are of one script (Unicode's technical standard 39, 5.2: "single script", and what Japanese, Korean
and Chinese use together), and it can't be taken for one of ASCII letters: `а` is Cyrillic.
"""

import re
import unicodedata
from collections.abc import Set

from gochat.core.errors import InvalidPayload
from gochat.core.names import folded

MIN_LENGTH, MAX_LENGTH = 3, 32
"""Of a username, in code points."""
_MAX_GIVEN = 64
"""Code points of it as it is given, which may be of more than it has then."""
_ASCII = re.compile(r"[a-z0-9_.]+")
_KINDS = {"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"}
_UNSEEN = re.compile("[\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\ufe00-\\ufe0f]")
"""Letters and marks that show nothing (Unicode's Default_Ignorable_Code_Point, of the kinds above)."""
_TOGETHER = ({"HAN", "HIRAGANA", "KATAKANA"}, {"HAN", "HANGUL"}, {"HAN", "BOPOMOFO"})
_ANY_SCRIPT = {"COMMON", "INHERITED"}
_JAPANESE = {"HAN", "HIRAGANA", "KATAKANA"}
_OF_JAPANESE = {"ー", "〆"}
"""The letters of no script that names have; others look like `_` or a dot, or only stretch a word."""
_LATIN_LIKE = re.compile("LATIN LETTER SMALL CAPITAL|DOTLESS")
"""How Unicode names letters that look like those of ASCII, and are not in its table of confusables."""


def username_in(text: str) -> str:
    """A username as it is stored.

    Raises:
        InvalidPayload: nobody can have this name; `details.reason` is `length`, `characters`, `scripts` or
            `lookalike`.
    """
    name = folded(text[: _MAX_GIVEN + 1])
    if len(text) > _MAX_GIVEN or not MIN_LENGTH <= len(name) <= MAX_LENGTH:
        raise _no_username("length", f"has {MIN_LENGTH} to {MAX_LENGTH} characters.")
    if _ASCII.fullmatch(name):
        return name
    letters = [it for it in name if it not in "._"]
    if (
        any(unicodedata.category(it) not in _KINDS for it in letters)
        or not letters[0].isalnum()
        or _UNSEEN.search(name)
    ):
        raise _no_username("characters", "is of letters, digits, dots and underscores.")
    scripts = _scripts(name)
    own = [it for it in letters if it.isalpha()]
    of_none = {it for it in own if _scripts(it) == set()}
    if of_none - _OF_JAPANESE:
        raise _no_username("characters", "is of letters, digits, dots and underscores.")
    if (len(scripts) > 1 and not any(scripts <= some for some in _TOGETHER)) or (
        of_none and not scripts & _JAPANESE
    ):
        raise _no_username("scripts", "mixes scripts.")
    likes = [it.isascii() or _looks_like_ascii(it) for it in own]
    latin = scripts == {"LATIN"}
    marked = any(unicodedata.category(it) in {"Mn", "Mc"} for it in letters)
    if (latin and (marked or any(it and not c.isascii() for it, c in zip(likes, own, strict=True)))) or (
        not latin and all(likes)
    ):
        raise _no_username("lookalike", "can be taken for another one.")
    return name


def username_tried(text: str) -> str | None:
    """A username as someone logs in with it, spaces around it forgiven; None: nobody has this name."""
    try:
        return username_in(text.strip())
    except InvalidPayload:
        return None


def phone_in(text: str, region: str | None = None) -> str:
    """A phone number, written with its country code in any usual way, as E.164.

    In a `region` (ISO 3166) it may be written as it is dialled there. Its length and country must be
    possible; which numbers are in use is not asked: that changes too often.

    Raises:
        InvalidPayload: it is none.
    """
    import phonenumbers  # its tables take a fifth of a second of a start

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise _not_a_number() from None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise _not_a_number()
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _scripts(name: str) -> Set[str]:
    """Of its characters; of some there is none."""
    # Read at the first name that is not of ASCII: its tables take 15 MB.
    from confusable_homoglyphs import categories

    scripts: set[str] = categories.unique_aliases(name)
    return scripts - _ANY_SCRIPT


def _looks_like_ascii(letter: str) -> bool:
    from confusable_homoglyphs import confusables

    if _scripts(letter) == {"LATIN"} and (
        unicodedata.category(letter) != "Ll" or _LATIN_LIKE.search(unicodedata.name(letter))
    ):
        return True
    found = confusables.is_confusable(letter, greedy=True)
    return bool(found) and any(len(it["c"]) == 1 and it["c"].isascii() for it in found[0]["homoglyphs"])


def _no_username(reason: str, text: str) -> InvalidPayload:
    return InvalidPayload(f"username: {text}", field="username", details={"reason": reason})


def _not_a_number() -> InvalidPayload:
    return InvalidPayload(
        "phone: not a phone number with a country code, such as +4930123456.", field="phone"
    )
