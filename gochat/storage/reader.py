"""The reading side: every question a statement or few, answered in the pool of threads."""

import asyncio
from collections.abc import Iterable, Mapping
from weakref import WeakValueDictionary

from gochat.core.delta import Change, Delta
from gochat.core.errors import Unavailable
from gochat.core.limits import Limits
from gochat.core.model import ConversationId, Message, Standing, User, UserId
from gochat.core.queries import (
    ConversationPage,
    ConversationView,
    HistoryPage,
    ListPosition,
    MeDelta,
    MemberPage,
    Memberships,
    ReactionPage,
    ReactionPosition,
    SyncPage,
    SyncRequest,
)
from gochat.core.search import SearchPage, SearchRequest
from gochat.storage import conversations, history, reactions, search, sync, visibility
from gochat.storage.database import Database
from gochat.storage.position import LastHeads

TURN_S = 10.0
"""How long a sync waits for others of the same user."""


class ConversationReader:
    """Implements `core.ports.reading.Reader`, which documents the methods."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self._heads = LastHeads()
        self._turns: WeakValueDictionary[UserId, asyncio.Lock] = WeakValueDictionary()

    async def memberships(self, user_id: UserId) -> Memberships:
        """All active memberships."""
        return await self._database.read(conversations.memberships, user_id)

    async def conversation(self, user_id: UserId, conversation_id: ConversationId) -> ConversationView:
        """One conversation."""
        return await self._database.read(conversations.conversation, user_id, conversation_id)

    async def conversations(
        self, user_id: UserId, position: ListPosition | None, limit: int, *, archived: bool | None = None
    ) -> ConversationPage:
        """A user's conversations, newest first."""
        return await self._database.read(
            conversations.conversations, user_id, position, limit, archived=archived
        )

    async def members(
        self, user_id: UserId, conversation_id: ConversationId, after: UserId | None, limit: int
    ) -> MemberPage:
        """The active members, by id."""
        return await self._database.read(conversations.members, user_id, conversation_id, after, limit)

    async def banned(self, user_id: UserId, conversation_id: ConversationId) -> tuple[User, ...]:
        """Who is banned from a group."""
        return await self._database.read(conversations.banned, user_id, conversation_id)

    async def history(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        around_seq: int | None = None,
        limit: int = 50,
    ) -> HistoryPage:
        """A page of messages."""
        return await self._database.read(
            history.history,
            user_id,
            conversation_id,
            before_seq=before_seq,
            after_seq=after_seq,
            around_seq=around_seq,
            limit=limit,
        )

    async def reactions(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        seq: int,
        emoji: str | None,
        position: ReactionPosition | None,
        limit: int,
    ) -> ReactionPage:
        """Who reacted to a message, and how."""
        return await self._database.read(
            reactions.reactions, user_id, conversation_id, seq, emoji, position, limit
        )

    async def status(self, user_id: UserId, keys: Iterable[bytes]) -> Mapping[bytes, Message]:
        """Which retry keys are stored."""
        return await self._database.read(history.status, user_id, tuple(keys))

    async def changes(
        self, user_id: UserId, conversation_id: ConversationId, since: int | None, *, in_parts: bool = False
    ) -> Delta:
        """What one member has to know."""
        return await self._database.read(
            sync.changes, user_id, conversation_id, since, self._limits, in_parts
        )

    async def repair(self, conversation_id: ConversationId, since: int) -> Change:
        """What all members have to know."""
        return await self._database.read(sync.repair, conversation_id, since, self._limits)

    async def me(self, user_id: UserId, since: int) -> MeDelta:
        """What changed in a user's own log."""
        return await self._database.read(sync.me, user_id, since)

    async def seen(self, user_id: UserId, others: Iterable[UserId]) -> frozenset[UserId]:
        """Whose presence a user may see."""
        return await self._database.read(visibility.seen, user_id, tuple(others))

    async def seers(self, user_id: UserId, others: Iterable[UserId]) -> frozenset[UserId]:
        """Who may see a user's."""
        return await self._database.read(visibility.seers, user_id, tuple(others))

    async def places(self, user_id: UserId) -> tuple[ConversationId, ...]:
        """Where a user is or was."""
        return await self._database.read(visibility.places, user_id)

    async def standing(self, user_id: UserId) -> Standing:
        """What decides whether a user may speak."""
        return await self._database.read(visibility.standing, user_id)

    async def closed(self, user_id: UserId) -> frozenset[ConversationId]:
        """The direct conversations that a user has closed."""
        return await self._database.read(visibility.closed, user_id)

    async def search(self, user_id: UserId, request: SearchRequest) -> SearchPage:
        """Messages whose text holds a query."""
        return await self._database.read(search.search, user_id, request)

    async def sync(self, user_id: UserId, request: SyncRequest) -> SyncPage:
        """What a phone lacks. One at a time of each user: however many wait, the threads are others' too."""
        turn = self._turns.get(user_id)
        if turn is None:
            turn = self._turns[user_id] = asyncio.Lock()
        try:
            async with asyncio.timeout(TURN_S):
                await turn.acquire()
        except TimeoutError:
            raise Unavailable(retry_after_ms=1_000) from None
        try:
            return await self._database.read(sync.sync, user_id, request, self._limits, self._heads)
        finally:
            turn.release()
