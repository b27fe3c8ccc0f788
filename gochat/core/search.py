"""Full-text search: what counts as equal, which blocks of messages may hold it, and what a user asks.

A message matches when its folded body contains the folded query. Folding is Unicode's NFKC and case folding,
without marks that people leave out when they type; white space of any kind and length is one space. So there
is no query language: `C++`, `"` and `%` are looked for as they stand, in every script.

The index holds the folded text itself, of `BLOCK` successive messages in one value, so that a database goes
through it byte by byte without any idea of scripts; beside it what else a search asks of a message.
"""

import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from gochat.core.errors import InvalidPayload
from gochat.core.model import Attachment, ConversationId, Message, Millis, UserId
from gochat.core.values import value

BLOCK = 32
"""Messages in one block: so few that to write it anew for each message costs little."""
MAX_QUERY = 200
"""Characters of a query, before folding."""
MAX_RANGES = 20
"""Places of one message that are shown."""
LONGEST = 16_384
"""Bytes of a message's folded text that the index holds; longer ones are looked at themselves."""
_SHORT = 4
"""Characters of a piece of text that is remembered folded."""
_BETWEEN = b"\n"
"""Between the texts of a block: no folded text has one."""
_ABOUT = struct.Struct("<qqqB")
"""Of each text of a block: seq, created_at, sender and bits."""
_TOO_LONG = 0x80
"""The bit of a message whose text is longer than `LONGEST`."""

_IGNORED = re.compile(
    "["
    "\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"  # Arabic vowel marks
    "\u0640"  # tatweel, which only stretches a word
    "\ufe00-\ufe0f"  # variation selectors: how an emoji is drawn
    "\U0001f3fb-\U0001f3ff"  # skin tones
    "]"
)
_FOLLOWERS = frozenset(
    [
        *range(0xFE00, 0xFE10),
        *range(0x1F3FB, 0x1F400),
        *range(0x1161, 0x1176),  # Hangul vowels and final consonants
        *range(0x11A8, 0x11C3),
        *map(ord, "\u09be\u09d7\u0b3e\u0b56\u0b57\u0bbe\u0bd7\u0cc2\u0cd5\u0cd6\u0d3e\u0d57\u0dcf\u0ddf"),
        0x102E,
        *map(ord, "\u1b35\U00011127\U0001133e\U00011357\U000114b0\U000114ba\U000114bd\U000115af\U00011930"),
    ]
)
"""Characters of no combining class that belong to the one before: NFC joins them, or they are ignored."""


class Has(StrEnum):
    """What else a message holds."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"
    LINK = "link"


_BITS = {has: 1 << n for n, has in enumerate(Has)}


@value(frozen=True, slots=True)
class SearchPosition:
    """Where a search goes on: after this message, in the order of the results."""

    created_at: Millis
    conversation_id: ConversationId
    seq: int


@value(frozen=True, slots=True)
class SearchRequest:
    """What a user looks for. `before` and `after` bound `created_at`, both excluded."""

    query: str
    limit: int
    conversation_id: ConversationId | None = None
    sender_id: UserId | None = None
    before: Millis | None = None
    after: Millis | None = None
    has: Has | None = None
    position: SearchPosition | None = None


@value(frozen=True, slots=True)
class Found:
    """A message that matches. `ranges`: start and end of each place in its body, in UTF-16 code units."""

    message: Message
    ranges: tuple[tuple[int, int], ...]


@value(frozen=True, slots=True)
class SearchPage:
    """What was found, newest first.

    `position`: where the next page begins; None: there is no more. `complete`: whether all that is newer than
    `position` was looked at. If not, there was too much for one request: ask on.
    """

    found: tuple[Found, ...]
    position: SearchPosition | None
    complete: bool


def fold(text: str) -> str:
    """The form in which texts are compared."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(_fold(text).split())


def fold_query(text: str) -> str:
    """The same of a query.

    Raises:
        InvalidPayload: `details.reason` is `blank` or `too_long` (with `limit`, in characters).
    """
    if len(text) > MAX_QUERY:
        raise InvalidPayload(
            f"The query is longer than {MAX_QUERY} characters.",
            field="q",
            details={"reason": "too_long", "limit": MAX_QUERY},
        )
    folded = fold(text)
    if not folded:
        raise InvalidPayload("The query has nothing to look for.", field="q", details={"reason": "blank"})
    return folded


def ranges(body: str, query: str) -> tuple[tuple[int, int], ...]:
    """Where a folded query stands in a body: start and end in UTF-16 code units, at most `MAX_RANGES`.

    A part of a character that folds to several (the `s` of `ß`) shows the whole character; where characters
    fold together that stand far apart, the whole body is shown.
    """
    pieces = [_folded(piece) for piece in _pieces(body)]
    folded, owners = _joined(pieces)
    if folded != fold(body):
        return ((0, _utf16_length(body)),)
    starts = [0, *accumulate(units for _, units in pieces)]
    found: list[tuple[int, int]] = []
    at = folded.find(query)
    while at >= 0 and len(found) < MAX_RANGES:
        start, end = starts[owners[at]], starts[owners[at + len(query) - 1] + 1]
        if not found or start >= found[-1][1]:
            found.append((start, end))
        at = folded.find(query, at + len(query))
    return tuple(found)


def holds(has: Has, body: str | None, attachments: Iterable[Attachment]) -> bool:
    """Whether a message has a link in its body, or an attachment of a kind; `file` is of any other kind."""
    if has is Has.LINK:
        return body is not None and ("http://" in body or "https://" in body)
    return any(_kind(attachment) is has for attachment in attachments)


def block_of(seq: int) -> int:
    """The block that a message is in: 0 holds 1 to `BLOCK`."""
    return (seq - 1) // BLOCK


class Entry(NamedTuple):
    """What the index knows of one message that has a body."""

    seq: int
    created_at: Millis
    sender_id: UserId
    bits: int
    """For each of `Has` whether it holds that; and whether its text is too long for the index."""
    text: bytes = b""
    """What it holds, folded."""

    @classmethod
    def of(
        cls,
        seq: int,
        created_at: Millis,
        sender_id: UserId,
        body: str,
        attachments: tuple[Attachment, ...],
    ) -> "Entry":
        """Fold a message."""
        bits = 0
        if attachments or "://" in body:  # few have any of it
            bits = sum(bit for has, bit in _BITS.items() if holds(has, body, attachments))
        text = fold(body).encode("utf-8", "surrogatepass")
        if len(text) > LONGEST:
            bits, text = bits | _TOO_LONG, b""
        return cls(seq, created_at, sender_id, bits, text)

    @property
    def is_too_long(self) -> bool:
        """Whether its text is not here."""
        return bool(self.bits & _TOO_LONG)

    def has(self, has: Has) -> bool:
        """See `holds`."""
        return bool(self.bits & _BITS[has])


def pack(entries: Iterable[Entry]) -> tuple[bytes, bytes]:
    """A block as it is stored: its texts, and what there is about them."""
    entries = tuple(entries)
    about = (_ABOUT.pack(it.seq, it.created_at, it.sender_id, it.bits) for it in entries)
    return _BETWEEN.join(it.text for it in entries), b"".join(about)


def unpack(text: bytes, about: bytes) -> list[Entry]:
    """What `pack` made."""
    return [
        Entry._make((*numbers, each))
        for numbers, each in zip(_ABOUT.iter_unpack(about), text.split(_BETWEEN), strict=False)
    ]


def rewritten(text: bytes, about: bytes, changed: Mapping[int, Entry | None]) -> tuple[bytes, bytes]:
    """A block with some of its messages, by seq, as they are now; None: such a one has no body any more."""
    new = [it for it in changed.values() if it is not None]
    if any(seq in changed for seq, _, _, _ in _ABOUT.iter_unpack(about)):
        return pack([it for it in unpack(text, about) if it.seq not in changed] + new)
    if not new:
        return text, about
    more, about_more = pack(new)  # mostly: what is there need not be taken apart
    return (text + _BETWEEN + more, about + about_more) if about else (more, about_more)


def span(about: bytes) -> tuple[Millis, Millis, bool]:
    """Of a block: when its newest and its oldest message were sent, and whether one of them is too long."""
    found = tuple(_ABOUT.iter_unpack(about))
    times = [created_at for _, created_at, _, _ in found] or [0]
    return max(times), min(times), any(bits & _TOO_LONG for _, _, _, bits in found)


def sought(query: str) -> bytes:
    """What a text of the index holds if the message holds a folded query."""
    return query.encode("utf-8", "surrogatepass")


def candidates(text: bytes, about: bytes, needle: bytes) -> Iterator[Entry]:
    """The entries of a block whose text holds what is sought, or is too long; without their text."""
    for numbers, each in zip(_ABOUT.iter_unpack(about), text.split(_BETWEEN), strict=False):
        if needle in each or numbers[3] & _TOO_LONG:
            yield Entry._make((*numbers, b""))


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", _IGNORED.sub("", folded))


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces that fold each by itself: a character, and what may join it."""
    first = 0
    for at in range(1, len(text)):
        character = text[at]
        if not unicodedata.combining(character) and ord(character) not in _FOLLOWERS:
            yield text[first:at]
            first = at
    if text:
        yield text[first:]


def _folded(piece: str) -> tuple[str, int]:
    """A piece folded, and its UTF-16 code units. Most are one character, and the same ones again."""
    return _folded_short(piece) if len(piece) <= _SHORT else (_fold(piece), _utf16_length(piece))


@lru_cache(1 << 13)
def _folded_short(piece: str) -> tuple[str, int]:
    return _fold(piece), _utf16_length(piece)


def _joined(pieces: Iterable[tuple[str, int]]) -> tuple[str, list[int]]:
    """Folded pieces in one, white space as in `fold`; and of each character the number of its piece.

    Of a space at the end, which is left out, as well.
    """
    characters: list[str] = []
    owners: list[int] = []
    for number, (piece, _) in enumerate(pieces):
        for character in piece:
            if not character.isspace():
                characters.append(character)
            elif characters and characters[-1] != " ":
                characters.append(" ")
            else:
                continue
            owners.append(number)
    return "".join(characters).rstrip(" "), owners


def _utf16_length(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _kind(attachment: Attachment) -> Has:
    family = attachment.mime_type.partition("/")[0].lower()
    return Has(family) if family in {Has.IMAGE, Has.VIDEO, Has.AUDIO} else Has.FILE
