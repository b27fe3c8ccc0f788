"""Who types where: nothing durable, only deadlines. It ends by itself, on send and on disconnect."""

import asyncio

import orjson

from gochat.contract.ids import id_out
from gochat.contract.shapes import TypingChanged
from gochat.core.model import ConversationId, UserId
from gochat.events.cluster.seam import Doorbell
from gochat.events.delivery.topics import TYPING, Typist
from gochat.events.sockets import Sockets, conversation_room, screen_room

TTL_S = 6.0
"""How long one `typing:start` holds; apps repeat it every few seconds."""
MAX_LISTED = 20
"""Of more who type at once the others are not listed."""


class Typing:
    """The typists of the conversations that are on screen here, from all processes."""

    def __init__(self, sockets: Sockets, doorbell: Doorbell) -> None:
        self._sockets = sockets
        self._doorbell = doorbell
        self._until: dict[ConversationId, dict[UserId, float]] = {}
        self._timers: dict[ConversationId, asyncio.TimerHandle] = {}
        doorbell.hear(TYPING, self._set)

    def start(self, cid: ConversationId, user_id: UserId) -> None:
        """A user of this process types."""
        self._say(Typist(cid, user_id, True))

    def stop(self, cid: ConversationId, user_id: UserId) -> None:
        """A user of this process stopped."""
        self._say(Typist(cid, user_id, False))

    def close(self) -> None:
        """Stop the timers."""
        for timer in self._timers.values():
            timer.cancel()

    def _say(self, typist: Typist) -> None:
        self._set(typist)
        self._doorbell.ring(conversation_room(typist.conversation_id), TYPING, typist)

    def _set(self, typist: Typist) -> None:
        cid, user_id, on = typist
        loop = asyncio.get_running_loop()
        typists = self._until.get(cid, {})
        if on:
            if not self._sockets.members(screen_room(cid)):
                return
            typists[user_id] = loop.time() + TTL_S
            self._until[cid] = typists
        elif typists.pop(user_id, None) is None:
            return
        self._tell(cid)

    def _tell(self, cid: ConversationId) -> None:
        """The whole list, to those who look at the conversation; and again when it ends by itself."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        typists = {user: until for user, until in self._until.get(cid, {}).items() if until > now}
        timer = self._timers.pop(cid, None)
        if timer is not None:
            timer.cancel()
        if typists:
            self._until[cid] = typists
            self._timers[cid] = loop.call_at(min(typists.values()), self._tell, cid)
        else:
            self._until.pop(cid, None)
        left = max(typists.values(), default=now) - now
        shape: TypingChanged = {
            "conversation_id": id_out(cid),
            "user_ids": [id_out(user) for user in list(typists)[:MAX_LISTED]],
            "expires_in_ms": int(left * 1000),
        }
        self._sockets.broadcast("typing:changed", orjson.dumps(shape), screen_room(cid))
