"""Who may not see all of a conversation: sockets of members to whom older messages are not shown."""

import orjson

from gochat.core.model import ConversationId
from gochat.events.gate import Notice
from gochat.events.sockets import Sockets

NEWER_THAN_ALL = 1 << 62
"""A seq that no message has."""


class Visibility:
    """From which message on a socket sees a conversation, where that is not the first."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._hidden: dict[ConversationId, dict[str, int]] = {}

    def show_from(self, cid: ConversationId, sid: str, seq: int) -> None:
        """Remember it."""
        if seq > 1:
            self._hidden.setdefault(cid, {})[sid] = seq
        elif cid in self._hidden:
            self._hidden[cid].pop(sid, None)

    def forget(self, cid: ConversationId) -> None:
        """Nobody here hears the conversation any more."""
        self._hidden.pop(cid, None)

    def clear(self) -> None:
        """Forget all."""
        self._hidden.clear()

    def without_old_messages(self, notice: Notice) -> list[str]:
        """Send a delta without the messages from before a socket's time to those it concerns: their sids."""
        hidden = self._hidden.get(notice.conversation_id)
        if not hidden:
            return []
        payload = orjson.loads(notice.payload or b"{}")
        messages = payload.get("messages", ())
        oldest = min((message["seq"] for message in messages), default=NEWER_THAN_ALL)
        skip = [sid for sid, visible_from in hidden.items() if oldest < visible_from]
        for sid in skip:
            payload["messages"] = [message for message in messages if message["seq"] >= hidden[sid]]
            self._sockets.broadcast(notice.event, orjson.dumps(payload), sid)
        return skip
