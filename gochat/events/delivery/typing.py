"""Who types where: nothing durable, only deadlines. It ends by itself, on send and on disconnect."""

import asyncio
from collections.abc import Collection, Iterable
from typing import NamedTuple

import orjson

from gochat.contract.events import TYPING_CHANGED
from gochat.contract.ids import id_in, id_out
from gochat.contract.shapes import TypingChanged, TypingKind
from gochat.core.model import ConversationId, UserId
from gochat.events.cluster.seam import Doorbell
from gochat.events.delivery.topics import TYPING, Typed
from gochat.events.sockets import Sockets, conversation_room, screen_room

TTL_S = 6.0
"""How long one `typing:start` holds; apps repeat it every few seconds."""
MAX_LISTED = 20
"""Of more who type at once the others are not listed."""


class Typist(NamedTuple):
    """What someone does in a conversation, until when, by the loop's clock."""

    until: float
    kind: TypingKind


class Typing:
    """The typists of the conversations that are on screen here, from all processes."""

    def __init__(self, sockets: Sockets, doorbell: Doorbell) -> None:
        self._sockets = sockets
        self._doorbell = doorbell
        self._typists: dict[ConversationId, dict[UserId, Typist]] = {}
        self._timers: dict[ConversationId, asyncio.TimerHandle] = {}
        self._out: dict[tuple[ConversationId, UserId], asyncio.TimerHandle] = {}
        """Who lost the right to type of late: what was rung before may still come."""
        self._closed: dict[UserId, frozenset[ConversationId]] = {}
        """Of users here, the direct conversations in which they have blocked the other."""
        self._all_closed: frozenset[ConversationId] = frozenset()
        doorbell.hear(TYPING, self._set)

    def __contains__(self, conversation_id: ConversationId) -> bool:
        """Whether anybody types there, for those who look at it here."""
        return conversation_id in self._typists

    def start(self, conversation_id: ConversationId, user_id: UserId, kind: TypingKind) -> None:
        """A user of this process types; where one has blocked the other it is told nobody."""
        if conversation_id not in self._all_closed:
            self._say(Typed(conversation_id, user_id, kind))

    def stop(self, conversation_id: ConversationId, user_id: UserId) -> None:
        """A user of this process stopped."""
        self._say(Typed(conversation_id, user_id, None))

    def spoke(self, conversation_id: ConversationId, payload: bytes) -> None:
        """Messages came, as a delta: who wrote one does not type it any more, however it was sent."""
        messages = orjson.loads(payload).get("messages", ())
        new = [it for it in messages if it["edited_at"] is None and it["deleted_at"] is None]
        self._end(conversation_id, {id_in(message["sender_id"]) for message in new})

    def forbid(self, conversation_id: ConversationId, user_ids: Collection[UserId]) -> None:
        """They are no members any more: it ends here, and what comes late is not heard."""
        loop = asyncio.get_running_loop()
        for user_id in user_ids if self._sockets.members(screen_room(conversation_id)) else ():
            self._forget_out(conversation_id, user_id)
            self._out[conversation_id, user_id] = loop.call_later(
                TTL_S, self._out.pop, (conversation_id, user_id), None
            )
        if conversation_id in self._typists:
            self._end(conversation_id, user_ids)

    def allow(self, conversation_id: ConversationId, user_ids: Iterable[UserId]) -> None:
        """They are members again."""
        for user_id in user_ids if self._out else ():
            self._forget_out(conversation_id, user_id)

    def doubt_for(self, user_id: UserId, blocked: frozenset[ConversationId]) -> None:
        """One of the two has blocked the other in these: until it is read who, nobody is told of typing."""
        self.close_for(user_id, self._closed.get(user_id, frozenset()) | blocked)

    def close_for(self, user_id: UserId, closed: frozenset[ConversationId]) -> None:
        """A user here has blocked the others of these direct conversations, and no others."""
        if closed:
            self._closed[user_id] = closed
        elif self._closed.pop(user_id, None) is None:
            return
        self._all_closed = frozenset[ConversationId]().union(*self._closed.values())
        for conversation_id in closed & self._typists.keys():
            self._end(conversation_id, tuple(self._typists[conversation_id]))

    def close(self) -> None:
        """Stop the timers."""
        for timer in (*self._timers.values(), *self._out.values()):
            timer.cancel()

    def _forget_out(self, conversation_id: ConversationId, user_id: UserId) -> None:
        timer = self._out.pop((conversation_id, user_id), None)
        if timer is not None:
            timer.cancel()

    def _say(self, typed: Typed) -> None:
        self._set(typed)
        self._doorbell.ring(conversation_room(typed.conversation_id), TYPING, typed)

    def _set(self, typed: Typed) -> None:
        conversation_id, user_id, kind = typed
        if kind is None:
            self._end(conversation_id, (user_id,))
            return
        if not self._sockets.members(screen_room(conversation_id)) or (conversation_id, user_id) in self._out:
            return
        if conversation_id not in self._all_closed:
            until = asyncio.get_running_loop().time() + TTL_S
            self._typists.setdefault(conversation_id, {})[user_id] = Typist(until, kind)
            self._tell(conversation_id)

    def _end(self, conversation_id: ConversationId, user_ids: Iterable[UserId]) -> None:
        typists = self._typists.get(conversation_id, {})
        ended = [typists.pop(user_id) for user_id in user_ids if user_id in typists]
        if ended:
            self._tell(conversation_id)

    def _tell(self, conversation_id: ConversationId) -> None:
        """The whole list, to those who look at the conversation; and again when it ends by itself."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        typists = {user: it for user, it in self._typists.get(conversation_id, {}).items() if it.until > now}
        timer = self._timers.pop(conversation_id, None)
        if timer is not None:
            timer.cancel()
        untils = [it.until for it in typists.values()]
        if typists:
            self._typists[conversation_id] = typists
            self._timers[conversation_id] = loop.call_at(min(untils), self._tell, conversation_id)
        else:
            self._typists.pop(conversation_id, None)
        listed = list(typists.items())[:MAX_LISTED]
        shape: TypingChanged = {
            "conversation_id": id_out(conversation_id),
            "user_ids": [id_out(user) for user, _ in listed],
            "typists": [{"user_id": id_out(user), "kind": it.kind} for user, it in listed],
            "expires_in_ms": int((max(untils, default=now) - now) * 1000),
        }
        self._sockets.broadcast(TYPING_CHANGED.told(shape), screen_room(conversation_id))
