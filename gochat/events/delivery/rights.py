"""What users lose with a right, and have again with it: the one place that ends it, at every process.

A right is checked where something begins: a socket enters a room, puts a conversation on screen, types,
watches someone. What goes on from there does not ask again, so it is ended here when the right goes: who
is no member any more, who has blocked someone, who hides.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import replace

import structlog

from gochat.core.errors import ChatError
from gochat.core.model import ConversationId, UserId
from gochat.core.ports.reading import Reader
from gochat.core.queries import Membership
from gochat.events.connection import Connection, Roster, State
from gochat.events.delivery.presence import PresenceWatch
from gochat.events.delivery.typing import Typing
from gochat.events.sockets import Sockets, conversation_room, screen_room
from gochat.events.tasks import Tasks

log = structlog.get_logger(__name__)

RETRY_S = 1.0


class Rights:
    """One per process: for the users here, and for what users here are shown of others."""

    def __init__(
        self, sockets: Sockets, roster: Roster, reader: Reader, typing: Typing, presence: PresenceWatch
    ) -> None:
        self._sockets = sockets
        self._roster = roster
        self._reader = reader
        self._typing = typing
        self._presence = presence
        self._tasks = Tasks()
        self._reading: dict[UserId, asyncio.Task[None]] = {}

    def joined(self, conversation_id: ConversationId, user_ids: Collection[UserId]) -> None:
        """They are members of a conversation, from now on or again; their sockets enter by themselves."""
        for connection in self._roster.of(user_ids):
            connection.left -= {conversation_id}
        self._typing.allow(conversation_id, user_ids)
        self._presence.doubt(user_ids)

    def left(self, conversation_id: ConversationId, user_ids: Collection[UserId]) -> list[Connection]:
        """They are members no more; returns their sockets here, which are out of all its rooms now."""
        gone = [connection for connection in self._roster.of(user_ids) if connection.is_admitted]
        for connection in gone:
            if connection.state is not State.READY:
                connection.left |= {conversation_id}
            self._sockets.leave(connection.sid, conversation_room(conversation_id))
            self._sockets.leave(connection.sid, screen_room(conversation_id))
            connection.screens -= {conversation_id}
            connection.typing -= {conversation_id}
        self._typing.forbid(conversation_id, user_ids)
        self._presence.doubt(user_ids)
        return gone

    def decided(self, user_id: UserId) -> None:
        """Something was decided about a user, at whichever process: to block someone, to hide, to be mute."""
        self._presence.doubt((user_id,))
        if self._roster.of((user_id,)):
            self._read_blocks(user_id)

    def came(self, user_id: UserId, memberships: Iterable[Membership]) -> None:
        """A user's socket comes into its conversations, as they were read for it."""
        blocked = frozenset(it.conversation_id for it in memberships if it.blocked)
        if blocked:
            self._typing.doubt_for(user_id, blocked)
            self._read_blocks(user_id)

    def went(self, user_id: UserId) -> None:
        """The last socket of a user has gone."""
        self._typing.close_for(user_id, frozenset())

    def close(self) -> None:
        """Stop what is under way."""
        self._tasks.cancel()

    def _read_blocks(self, user_id: UserId) -> None:
        """Find out which conversations they have closed by now; what is being read already may be too old."""
        before = self._reading.pop(user_id, None)
        if before is not None:
            before.cancel()
        self._reading[user_id] = task = self._tasks.spawn(self._close(user_id))
        task.add_done_callback(lambda done: self._forget(user_id, done))

    def _forget(self, user_id: UserId, done: asyncio.Task[None]) -> None:
        if self._reading.get(user_id) is done:
            del self._reading[user_id]

    async def _close(self, user_id: UserId) -> None:
        while self._roster.of((user_id,)):
            try:
                closed = await self._reader.closed(user_id)
                standing = await self._reader.standing(user_id)
            except ChatError as error:
                log.warning("blocks_unread", user=user_id, code=error.code)
            except Exception:
                log.exception("blocks_unread", user=user_id)
            else:
                break
            await asyncio.sleep(RETRY_S)
        connections = self._roster.of((user_id,))
        if not connections:
            return
        for connection in connections:
            connection.identity = replace(connection.identity, standing=standing)
            for conversation_id in closed & connection.typing:
                self._typing.stop(conversation_id, user_id)
            connection.typing -= closed
        self._typing.close_for(user_id, closed)
