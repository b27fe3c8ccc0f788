"""One socket of one user, and the roster of all that are connected to this process."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from gochat.core.errors import TokenExpired, Unavailable
from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.ports.logins import Identity

READY_TIMEOUT_S = 10.0
FOLLOWED = 1_000
"""Acts of one user that may wait for who follows them."""


class State(Enum):
    """How far a connection has come."""

    EXPIRED = "expired"
    """It never had a token that had not expired: it hears nothing."""
    ADMITTED = "admitted"
    """It hears what its user may hear, as far as it is in the rooms of its conversations yet."""
    READY = "ready"
    """It is in all of them."""


@dataclass(slots=True, eq=False)
class Connection:
    """One socket. It is small, since most are idle: sets are frozen ones, of which all empty ones are one."""

    sid: str
    identity: Identity
    client: str = "other"
    """Which library it comes with, as `events.clients` tells; of a few words, all of them shared."""
    since: float = 0.0
    """When it came, by `time.monotonic`."""
    state: State = State.EXPIRED
    timer: asyncio.TimerHandle | None = None
    """What happens next to its token: a warning, or the end."""
    screens: frozenset[ConversationId] = frozenset()
    """Conversations that are on screen, as it said last."""
    last_error: tuple[str, str, str] | None = None
    """The event that was refused last, the code, and the request's id."""
    follower: "asyncio.Queue[dict[str, object]] | None" = None
    """Where an operator hears what it does, while one follows its user."""
    typing: frozenset[ConversationId] = frozenset()
    """Conversations in which its user types, as it said last."""
    asked: frozenset[UserId] = frozenset()
    """Users whose presence it wants to hear of, as it said last."""
    watched: frozenset[UserId] = frozenset()
    """Those of them whose presence it may hear of at present."""
    left: frozenset[ConversationId] = frozenset()
    """Conversations that the user left before it was ready."""
    _awaited: asyncio.Event | None = None
    """What those wait for who need it ready."""

    @property
    def user_id(self) -> UserId:
        """Whose socket it is."""
        return self.identity.user_id

    @property
    def is_admitted(self) -> bool:
        """Whether it ever had a token that had not expired: then it hears what its user may hear."""
        return self.state is not State.EXPIRED

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

    def tell(self, what: dict[str, object]) -> None:
        """Tell whoever follows; what they are too slow for is lost."""
        if self.follower is not None and not self.follower.full():
            self.follower.put_nowait({"connection": self.sid, **what})

    async def wait_ready(self) -> None:
        """Wait until nothing can fall between what is read now and what is heard live.

        Raises:
            Unavailable: its conversations could not be read in time.
        """
        if self.state is State.READY:
            return
        if self._awaited is None:
            self._awaited = asyncio.Event()
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._awaited.wait()
        except TimeoutError:
            raise Unavailable from None

    def become_ready(self) -> None:
        """Let those go on that wait for it."""
        self.state = State.READY
        if self._awaited is not None:
            self._awaited.set()
            self._awaited = None


class Roster:
    """Who is connected here, by socket and by user. Bounded by the number of connections."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        self._by_user: dict[UserId, tuple[Connection, ...]] = {}
        self._followers: dict[UserId, asyncio.Queue[dict[str, object]]] = {}

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._by_sid.values()))

    def add(self, connection: Connection) -> None:
        """A socket came."""
        self._by_sid[connection.sid] = connection
        user_id = connection.user_id
        self._by_user[user_id] = (*self._by_user.get(user_id, ()), connection)
        connection.follower = self._followers.get(user_id)
        connection.tell({"what": "connected", "client": connection.client})

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

    async def follow(self, user_id: UserId) -> AsyncIterator[dict[str, object]]:
        """What a user's sockets do from now on: one follower at a time, a second one takes the place."""
        heard: asyncio.Queue[dict[str, object]] = asyncio.Queue(FOLLOWED)
        self._followers[user_id] = heard
        for connection in self.of((user_id,)):
            connection.follower = heard
        try:
            while self._followers.get(user_id) is heard:
                yield await heard.get()
        finally:
            if self._followers.get(user_id) is heard:
                del self._followers[user_id]
                for connection in self.of((user_id,)):
                    connection.follower = None

    def of(self, user_ids: Iterable[UserId]) -> list[Connection]:
        """The connections of these users."""
        return [connection for user_id in user_ids for connection in self._by_user.get(user_id, ())]
