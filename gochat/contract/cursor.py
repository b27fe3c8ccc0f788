"""Opaque page tokens: where a list or a sync goes on, signed for one user and one purpose."""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b

from gochat.core.errors import CursorInvalid
from gochat.core.model import UserId
from gochat.core.queries import SyncPosition

_MAC_BYTES = 16
_SYNC = "sync"


class Cursors:
    """Makes and reads cursors: `base64url(MAC + numbers)`, the MAC a keyed BLAKE2b (RFC 7693).

    Args:
        secrets: the newest first, which signs; all of them verify. The keys are derived from them.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = tuple(
            blake2b(secret, digest_size=32, person=b"gochat cursor").digest() for secret in secrets
        )

    def write(self, purpose: str, user_id: UserId, numbers: Sequence[int]) -> str:
        """A cursor for 64-bit numbers."""
        packed = struct.pack(f">{len(numbers)}q", *numbers)
        return urlsafe_b64encode(_mac(self._keys[0], purpose, user_id, packed) + packed).rstrip(b"=").decode()

    def read(self, purpose: str, user_id: UserId, cursor: str, count: int) -> tuple[int, ...]:
        """The `count` numbers of a cursor.

        Raises:
            CursorInvalid: changed, not ours, another user's or for another purpose.
        """
        try:
            data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise _invalid() from None
        mac, packed = data[:_MAC_BYTES], data[_MAC_BYTES:]
        ours = any(hmac.compare_digest(mac, _mac(key, purpose, user_id, packed)) for key in self._keys)
        if not ours or len(packed) != 8 * count:
            raise _invalid()
        return struct.unpack(f">{count}q", packed)

    def write_sync(self, user_id: UserId, position: SyncPosition) -> str:
        """The cursor of a sync that has more."""
        at = (position.started_at, position.moved, position.at, position.conversation_id, position.revision)
        return self.write(_SYNC, user_id, at)

    def read_sync(self, user_id: UserId, cursor: str) -> SyncPosition:
        """Where a sync goes on.

        Raises:
            CursorInvalid
        """
        started_at, moved, at, conversation_id, revision = self.read(_SYNC, user_id, cursor, 5)
        return SyncPosition(started_at, bool(moved), at, conversation_id, revision)


def _mac(key: bytes, purpose: str, user_id: UserId, packed: bytes) -> bytes:
    """Over all that it is bound to; the purpose, of any length, comes last."""
    bound = struct.pack(">qq", user_id, len(packed)) + packed + purpose.encode()
    return blake2b(bound, key=key, digest_size=_MAC_BYTES).digest()


def _invalid() -> CursorInvalid:
    return CursorInvalid(field="cursor")
