"""Full-text search: what counts as equal, which blocks of messages may hold it, and what a user asks.

A message matches when its folded body contains the folded query. Folding is Unicode's NFKC and case folding,
without marks that people leave out when they type; white space of any kind and length is one space. So there
is no query language: `C++`, `"` and `%` are looked for as they stand, in every script.

To look at few messages, each block of `BLOCK` successive messages has a Bloom filter of the characters and
the pairs of characters in it. A filter never denies what is there; what it lets through is looked at.
"""

import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate

from gochat.core.errors import InvalidPayload
from gochat.core.model import Attachment, ConversationId, Message, Millis, UserId

BLOCK = 128
"""Messages under one filter."""
MAX_QUERY = 200
"""Characters of a query, before folding."""
MAX_RANGES = 20
"""Places of one message that are shown."""
_HASHES = 3
_SMALLEST, _LARGEST = 128, 32_768
"""Bytes of a filter, a power of two."""
_FULLEST = 0.25
"""Of the bits of a filter may be set: then one in 64 lets a pair through that is not there."""
_MADE = 0.15
"""Of the bits of a filter that is made anew may be set: so there is room for more."""

_IGNORED = dict.fromkeys(
    [
        *range(0x064B, 0x0660),  # Arabic vowel marks
        0x0670,
        *range(0x06D6, 0x06DD),
        *range(0x06DF, 0x06E5),
        *range(0x06E7, 0x06E9),
        *range(0x06EA, 0x06EE),
        0x0640,  # tatweel, which only stretches a word
        *range(0xFE00, 0xFE10),  # variation selectors: how an emoji is drawn
        *range(0x1F3FB, 0x1F400),  # skin tones
    ]
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


@dataclass(frozen=True, slots=True)
class SearchPosition:
    """Where a search goes on: after this message, in the order of the results."""

    created_at: Millis
    conversation_id: ConversationId
    seq: int


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Found:
    """A message that matches. `ranges`: start and end of each place in its body, in UTF-16 code units."""

    message: Message
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
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
    pieces = list(_pieces(body))
    folded, owners = _joined(pieces)
    if folded != fold(body):
        return ((0, _utf16_length(body)),)
    starts = [0, *accumulate(_utf16_length(piece) for piece in pieces)]
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


def grams(folded: str) -> set[str]:
    """The characters and the pairs of characters of a folded text."""
    found = set(folded)
    found.update(map(str.__add__, folded, folded[1:]))
    return found


def sought(query: str) -> set[str]:
    """The grams that a filter has to have for a folded query: pairs alone, if there are any."""
    return grams(query) - set(query) if len(query) > 1 else {query}


class Filter:
    """The grams of some texts, as bits. It grows by being made anew: see `is_full`."""

    def __init__(self, data: bytes = bytes(_SMALLEST)) -> None:
        self._bits = bytearray(data)

    @classmethod
    def of(cls, folded: Iterable[str]) -> "Filter":
        """A filter of these texts, of the smallest size that is not full."""
        found: set[str] = set()
        for text in folded:
            found |= grams(text)
        size = _SMALLEST
        while size < _LARGEST and len(found) * _HASHES > _MADE * size * 8:
            size *= 2
        made = cls(bytes(size))
        made._set(found)
        return made

    @property
    def data(self) -> bytes:
        """What is stored."""
        return bytes(self._bits)

    @property
    def is_full(self) -> bool:
        """Whether it lets too much through, and a larger one would not."""
        if len(self._bits) >= _LARGEST:
            return False
        return int.from_bytes(self._bits).bit_count() > _FULLEST * len(self._bits) * 8

    def add(self, folded: str) -> None:
        """Take in a text."""
        self._set(grams(folded))

    def _set(self, found: Iterable[str]) -> None:
        bits = self._bits
        mask = len(bits) * 8 - 1
        for gram in found:
            for place in _places(gram):
                at = place & mask
                bits[at >> 3] |= 1 << (at & 7)


class Probe:
    """A folded query, to be held against filters."""

    def __init__(self, query: str) -> None:
        self._grams = sought(query)
        self._masks: dict[int, int] = {}

    def may_be_in(self, data: bytes) -> bool:
        """Whether a filter does not deny that a text with the query is under it."""
        mask = self._masks.get(len(data))
        if mask is None:
            made = Filter(bytes(len(data)))
            made._set(self._grams)
            mask = self._masks[len(data)] = int.from_bytes(made.data)
        return int.from_bytes(data) & mask == mask


@lru_cache(1 << 16)
def _places(gram: str) -> tuple[int, int, int]:
    """Where a gram's bits are, modulo a filter's size: two hashes make three (Kirsch, Mitzenmacher 2006)."""
    first = zlib.crc32(gram.encode("utf-8", "surrogatepass"))
    second = (first * 0x9E3779B1 >> 7) | 1
    return first, first + second, first + 2 * second


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", folded.translate(_IGNORED))


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


def _joined(pieces: Iterable[str]) -> tuple[str, list[int]]:
    """What pieces fold to, white space as in `fold`; and of each character the number of its piece."""
    characters: list[str] = []
    owners: list[int] = []
    for number, piece in enumerate(pieces):
        for character in _fold(piece):
            if not character.isspace():
                characters.append(character)
            elif characters and characters[-1] != " ":
                characters.append(" ")
            else:
                continue
            owners.append(number)
    if characters and characters[-1] == " ":
        characters.pop()
        owners.pop()
    return "".join(characters), owners


def _utf16_length(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _kind(attachment: Attachment) -> Has:
    family = attachment.mime_type.partition("/")[0].lower()
    return Has(family) if family in {Has.IMAGE, Has.VIDEO, Has.AUDIO} else Has.FILE
