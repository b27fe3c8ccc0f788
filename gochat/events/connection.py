"""One socket of one user, and the roster of all that are connected to this process."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gochat.core.errors import TokenExpired, Unavailable
from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.ports.logins import Identity

READY_TIMEOUT_S = 10.0


@dataclass(slots=True, eq=False)
class Connection:
    """One socket. It is small, since most are idle: sets are frozen ones, of which all empty ones are one."""

    sid: str
    identity: Identity
    client: str = "other"
    """Which library it comes with, as `events.clients` tells; of a few words, all of them shared."""
    since: float = 0.0
    """When it came, by `time.monotonic`."""
    admitted: bool = False
    """Whether it ever had a token that had not expired: then it hears what its user may hear."""
    ready: bool = False
    """Whether it is in the rooms of its conversations."""
    timer: asyncio.TimerHandle | None = None
    """What happens next to its token: a warning, or the end."""
    screens: frozenset[ConversationId] = frozenset()
    """Conversations that are on screen, as it said last."""
    typing: frozenset[ConversationId] = frozenset()
    """Conversations in which its user types, as it said last."""
    asked: frozenset[UserId] = frozenset()
    """Users whose presence it wants to hear of, as it said last."""
    watched: frozenset[UserId] = frozenset()
    """Those of them whose presence it may hear of at present."""
    left: frozenset[ConversationId] = frozenset()
    """Conversations that the user left before it was ready."""
    _awaited: asyncio.Event | None = None

    @property
    def user_id(self) -> UserId:
        """Whose socket it is."""
        return self.identity.user_id

    def has_expired(self, now: Millis) -> bool:
        """Whether its token's time has passed."""
        return now >= self.identity.expires_at

    def require_token(self, now: Millis) -> None:
        """Refuse what needs a valid token.

        Raises:
            TokenExpired: `auth:refresh` with a fresh one helps.
        """
        if self.has_expired(now):
            raise TokenExpired("The token of this connection has expired; send auth:refresh.")

    async def wait_ready(self) -> None:
        """Wait until nothing can fall between what is read now and what is heard live.

        Raises:
            Unavailable: its conversations could not be read in time.
        """
        if self.ready:
            return
        if self._awaited is None:
            self._awaited = asyncio.Event()
        try:
            await asyncio.wait_for(self._awaited.wait(), READY_TIMEOUT_S)
        except TimeoutError:
            raise Unavailable from None

    def become_ready(self) -> None:
        """Let those go on that wait for it."""
        self.ready = True
        if self._awaited is not None:
            self._awaited.set()
            self._awaited = None


class Roster:
    """Who is connected here, by socket and by user. Bounded by the number of connections."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        self._by_user: dict[UserId, tuple[Connection, ...]] = {}

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._by_sid.values()))

    def add(self, connection: Connection) -> None:
        """A socket came."""
        self._by_sid[connection.sid] = connection
        user_id = connection.user_id
        self._by_user[user_id] = (*self._by_user.get(user_id, ()), connection)

    def remove(self, sid: str) -> Connection | None:
        """A socket went."""
        connection = self._by_sid.pop(sid, None)
        if connection is not None:
            left = tuple(it for it in self._by_user[connection.user_id] if it is not connection)
            if left:
                self._by_user[connection.user_id] = left
            else:
                del self._by_user[connection.user_id]
        return connection

    def get(self, sid: str) -> Connection | None:
        """The connection of a socket."""
        return self._by_sid.get(sid)

    def of(self, user_ids: Iterable[UserId]) -> list[Connection]:
        """The connections of these users."""
        return [connection for user_id in user_ids for connection in self._by_user.get(user_id, ())]
