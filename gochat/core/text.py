"""What texts may hold: bodies, names, links and media types.

Sources: Unicode Standard Annexes 9 (bidirectional text) and 31 (joiners in names), DerivedCoreProperties.txt
(Default_Ignorable_Code_Point); RFC 3986 (links), RFC 9110 section 8.3.1 (media types).
"""

import re
import unicodedata
from typing import Final

from gochat.core.errors import InvalidPayload
from gochat.core.limits import Limits

URL_BYTES: Final = 2_048
NAME_BYTES: Final = 1_020
"""Of a file: 255 characters of four bytes."""
MEDIA_TYPE_BYTES: Final = 255

# Nothing is shown for these; some belong into a name, but at certain places only, or beside certain others.
_JOINERS = "\u200c\u200d"  # in Arabic and Indic scripts, and in emoji
_MARKS = "\u061c\u200e\u200f"  # say in which direction neutral characters go
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # of a glyph of the character before
_TAGS = "\U000e0020-\U000e007f"  # of a flag: England, Scotland, Wales
_IGNORABLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e001f\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
)
_BLANK = (
    "\u2800\ufffc"  # Braille without dots, the place of an object: visible by Unicode, and nothing to see
)
_BIDI = "\u202a-\u202e\u2066-\u2069"
_CONTROL = "\\x00-\\x1f\\x7f-\\x9f\u2028\u2029"

_UNFIT = re.compile(
    f"(?P<control>[{_CONTROL}])"
    f"|(?P<bidi>[{_BIDI}])"
    f"|(?P<invisible>[{_IGNORABLE}{_BLANK}]"
    f"|(?<![\u00a9\u00ae\u0590-\U0010ffff])[{_JOINERS}{_SELECTORS}](?!\u20e3)"  # after nothing, or Latin
    f"|(?<![\U0001f3f4{_TAGS}])[{_TAGS}]"
    f"|[{_JOINERS}]\\Z)"
)
_MARK = re.compile(f"[{_MARKS}]")
UNSEEN: Final = re.compile(f"[{_BIDI}{_JOINERS}{_MARKS}{_SELECTORS}{_TAGS}{_IGNORABLE}]+")
"""What nobody sees, and by which a word is another one to a machine alone."""
_NOTHING = re.compile(f"[\\s{_CONTROL}{_BIDI}{_JOINERS}{_MARKS}{_SELECTORS}{_TAGS}{_IGNORABLE}{_BLANK}]*")

_LINK = re.compile(
    r"(?P<scheme>https?)://(?:[^\s/?#@]*@)?(?:[^\s/?#@:\[\]]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:[/?#]\S*)?",
    re.IGNORECASE,
)
_TOKEN = r"[\w!#$&^.+-]{1,127}"  # noqa: S105  (RFC 6838, section 4.2)
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"'
_MEDIA_TYPE = re.compile(
    rf"{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:[\w!#$%&'*+.^`|~-]+|{_QUOTED}))*", re.ASCII
)


def shows_nothing(text: str) -> bool:
    """Whether nobody would see anything: only blanks, what is invisible, and marks without what they mark."""
    if " " < text[:1] < "\x7f":  # as nearly all begin
        return False
    rest = text[_NOTHING.match(text).end() :]  # type: ignore[union-attr]  # it matches the empty text
    return all(_NOTHING.fullmatch(char) or unicodedata.category(char) in {"Mn", "Me"} for char in rest)


def line(text: str, field: str) -> str:
    """Return a name or title as it is kept: without blanks around it; empty if it shows nothing.

    Raises:
        InvalidPayload: `details.reason` is `control` (NUL, line breaks and the like), `bidi` (what turns the
            direction of the text around it) or `invisible`.
    """
    kept = text.strip(" \t\n\r")
    found = _UNFIT.search(kept)
    reason = None if found is None else found.lastgroup
    if reason is None and _MARK.search(kept) and not _has_right_to_left(kept):
        reason = "invisible"
    if reason is not None:
        raise InvalidPayload(f"{field}: holds {_WHAT[reason]}.", field=field, details={"reason": reason})
    return "" if shows_nothing(kept) else kept


_WHAT = {
    "control": "a control character or a line break",
    "bidi": "a character that turns the direction of text",
    "invisible": "an invisible character",
}


def _has_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(char) in {"R", "AL"} for char in text if char not in _MARKS)


def link(url: str, field: str) -> str:
    """Return a link as it is kept: the name of its scheme in lower case.

    Raises:
        InvalidPayload: `details.reason` is `no_link` (not http or https, no host, or a blank or an unfit
            character within) or `too_long` (with `limit`, in bytes).
    """
    check_bytes(url, URL_BYTES, field)
    found = _LINK.fullmatch(url)
    if found is None or _UNFIT.search(url):
        raise InvalidPayload(
            f"{field}: is no link of http or https with a host.", field=field, details={"reason": "no_link"}
        )
    scheme = found["scheme"]
    return scheme.lower() + url[len(scheme) :]


def media_type(text: str, field: str) -> str:
    """Return a media type as it is kept: as it was sent, parameters too (`audio/ogg; codecs=opus`).

    Raises:
        InvalidPayload: `details.reason` is `no_media_type` or `too_long` (with `limit`, in bytes).
    """
    check_bytes(text, MEDIA_TYPE_BYTES, field)
    if _MEDIA_TYPE.fullmatch(text) is None:
        raise InvalidPayload(f"{field}: is no media type.", field=field, details={"reason": "no_media_type"})
    return text


def check_bytes(text: str, limit: int, field: str) -> None:
    """Refuse what is longer than so many bytes of UTF-8.

    Raises:
        InvalidPayload: `details.reason` is `too_long` (with `limit`, in bytes).
    """
    if len(text.encode()) > limit:
        raise InvalidPayload(
            f"{field}: is longer than {limit} bytes.",
            field=field,
            details={"reason": "too_long", "limit": limit},
        )


def check_data(data: str | None, limits: Limits) -> None:
    """Refuse data of an app that is too large.

    Raises:
        InvalidPayload: `details.reason` is `too_long` (with `limit`, in bytes of UTF-8).
    """
    if data is not None:
        check_bytes(data, limits.data, "data")
