"""Which passwords may be chosen: NIST SP 800-63B-4, 3.1.1.2.

Any characters, at least eight; none of the most common ones, and not one's own name. Nothing else is asked.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache

from gochat.core.errors import InvalidPayload
from gochat.core.names import folded

MIN_LENGTH = 8
"""In code points, as the password is hashed."""
_FEW = 2
"""A password of so many different characters is one that everybody tries."""


def check_password(password: str, names: Iterable[str]) -> None:
    """Refuse a password that others would try. It reads a list at the first call: not on the event loop.

    Args:
        names: what the user is called.

    Raises:
        InvalidPayload: `details.reason` is `too_short`, `common` or `name`.
    """
    if len(unicodedata.normalize("NFC", password)) < MIN_LENGTH:
        raise _refused("too_short", f"has at least {MIN_LENGTH} characters.")
    text = folded(password)
    if text in _common() or len(set(text)) <= _FEW:
        raise _refused("common", "is one that many use.")
    core = _bare(text)
    for name in filter(None, (_bare(folded(name)) for name in names)):
        if core in {name, name[::-1], name * 2}:
            raise _refused("name", "is your name.")


def _bare(text: str) -> str:
    """Without what people put around a word to make it a password."""
    whole = "".join(character for character in text if character.isalnum())
    return whole.strip("0123456789") or whole


@cache
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(folded(word) for word in FREQUENCY_LISTS["passwords"] if len(word) >= MIN_LENGTH)


def _refused(reason: str, text: str) -> InvalidPayload:
    return InvalidPayload(f"password: {text}", field="password", details={"reason": reason})
