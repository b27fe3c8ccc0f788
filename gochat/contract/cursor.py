"""Opaque page tokens: where a list or a sync goes on, signed for one user and one purpose."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import astuple, fields, replace
from hashlib import blake2b
from typing import Any

import orjson

from gochat.core.errors import CursorInvalid, PositionLost
from gochat.core.model import UserId
from gochat.core.queries import SyncPosition
from gochat.core.search import SearchPosition, SearchRequest

_MAC_BYTES = 16
_SYNC = "sync"
_STANDING = "standing 2"
"""With the number of its form: of another one it is lost."""


class Cursors:
    """Makes and reads cursors: `base64url(MAC + JSON)`, the MAC a keyed BLAKE2b (RFC 7693).

    Args:
        secrets: the newest first, which signs; all of them verify. The keys are derived from them.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = tuple(
            blake2b(secret, digest_size=32, person=b"gochat cursor").digest() for secret in secrets
        )

    def write(self, purpose: str, user_id: UserId, values: Sequence[int | str | bool]) -> str:
        """A cursor for these values."""
        packed = orjson.dumps(list(values))
        return _text(_mac(self._keys[0], purpose, user_id, packed) + packed)

    def read(self, purpose: str, user_id: UserId, cursor: str, count: int) -> list[Any]:
        """The `count` values of a cursor.

        Raises:
            CursorInvalid: changed, not ours, another user's or for another purpose.
        """
        values: list[Any] = orjson.loads(self._open(purpose, user_id, cursor))
        if len(values) != count:
            raise _invalid()
        return values

    def _open(self, purpose: str, user_id: UserId, text: str) -> bytes:
        """What was signed. Raises CursorInvalid."""
        try:
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            raise _invalid() from None
        mac, packed = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, purpose, user_id, packed)) for key in self._keys):
            raise _invalid()
        return packed

    def write_sync(self, user_id: UserId, position: SyncPosition) -> str:
        """The cursor of a sync that has more."""
        return self.write(_SYNC, user_id, astuple(position))

    def read_sync(self, user_id: UserId, cursor: str) -> SyncPosition:
        """Where a sync goes on.

        Raises:
            CursorInvalid
        """
        return SyncPosition(*self.read(_SYNC, user_id, cursor, len(fields(SyncPosition))))

    def write_standing(self, user_id: UserId, packed: bytes) -> str:
        """The `position` of a sync that is done: at most 400 characters."""
        return _text(_mac(self._keys[0], _STANDING, user_id, packed) + packed)

    def read_standing(self, user_id: UserId, position: str) -> bytes:
        """What a position says that the phone holds.

        Raises:
            PositionLost: changed, not ours (any more), or another user's.
        """
        try:
            return self._open(_STANDING, user_id, position)
        except CursorInvalid:
            raise PositionLost(field="position") from None

    def write_search(self, user_id: UserId, asked: SearchRequest, position: SearchPosition) -> str:
        """The cursor of the next page of a search, bound to what was asked."""
        return self.write(_search(asked), user_id, astuple(position))

    def read_search(self, user_id: UserId, asked: SearchRequest, cursor: str) -> SearchPosition:
        """Where a search goes on.

        Raises:
            CursorInvalid: also if something else was looked for.
        """
        return SearchPosition(*self.read(_search(asked), user_id, cursor, len(fields(SearchPosition))))


def _search(asked: SearchRequest) -> str:
    """The purpose of a cursor: all that was asked but the size of the page."""
    return f"search {orjson.dumps(replace(asked, position=None, limit=0)).decode()}"


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _mac(key: bytes, purpose: str, user_id: UserId, packed: bytes) -> bytes:
    """Over all that it is bound to; as a list, so that no part can be taken for another."""
    bound = orjson.dumps([purpose, user_id, packed.decode("latin-1")])
    return blake2b(bound, key=key, digest_size=_MAC_BYTES).digest()


def _invalid() -> CursorInvalid:
    return CursorInvalid(field="cursor")
