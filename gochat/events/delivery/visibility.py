"""Who may not hear all of a conversation: members to whom older messages are not shown, and newcomers, as
long as it is being read what they may see.
"""

from collections.abc import Collection
from typing import Any

import orjson

from gochat.core.model import ConversationId
from gochat.events.delivery.gate import Notice
from gochat.events.sockets import Sockets

MAX_HELD = 256
"""Notices kept for one newcomer; of more his phone finds a hole, and asks."""


class Visibility:
    """From which message on a socket sees a conversation, where that is not the first."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._hidden: dict[ConversationId, dict[str, int]] = {}
        self._held: dict[ConversationId, dict[str, list[Notice]]] = {}
        self._told: dict[ConversationId, dict[str, int]] = {}
        """Up to which revision a socket was told already; until more comes."""

    def show_from(self, cid: ConversationId, sid: str, seq: int) -> None:
        """Remember it, and hold nothing any more."""
        self._held.get(cid, {}).pop(sid, None)
        self._told.get(cid, {}).pop(sid, None)
        if seq > 1:
            self._hidden.setdefault(cid, {})[sid] = seq
        elif cid in self._hidden:
            self._hidden[cid].pop(sid, None)

    def hold(self, cid: ConversationId, sid: str) -> list[Notice]:
        """Keep what comes until the socket was told the conversation whole, and it is known what it sees.

        Returns:
            What is kept; `holds` tells whether it still is.
        """
        held = self._held.setdefault(cid, {})[sid] = []
        return held

    def holds(self, cid: ConversationId, sid: str, held: list[Notice]) -> bool:
        """Whether that is still kept for it: it was neither told nor removed, nor did it come again."""
        return self._held.get(cid, {}).get(sid) is held

    def release(self, cid: ConversationId, sid: str, seq: int, revision: int) -> None:
        """It was told all up to that revision: send what came after, without messages from before `seq`."""
        held = self._held.get(cid, {}).pop(sid, [])
        self.show_from(cid, sid, seq)
        news = [notice for notice in held if notice.revision > revision]
        for notice in news:
            self._send(notice, orjson.loads(notice.payload or b"{}"), sid, seq)
        if not news:  # the database may have been ahead of what is heard here
            self._told.setdefault(cid, {})[sid] = revision

    def forget(self, cid: ConversationId) -> None:
        """Nobody here hears the conversation any more."""
        self._hidden.pop(cid, None)
        self._held.pop(cid, None)
        self._told.pop(cid, None)

    def clear(self) -> None:
        """Forget all."""
        self._hidden.clear()
        self._held.clear()
        self._told.clear()

    def tell_apart(self, notice: Notice) -> list[str]:
        """Hold a delta, or send it without the messages from before a socket's time, for those it concerns.

        Who was told it already does not get it again.

        Returns:
            Their sids.
        """
        cid = notice.conversation_id
        held, told, hidden = self._held.get(cid), self._told.get(cid), self._hidden.get(cid)
        apart = self._keep(notice, held) if held else []
        if told:
            apart += self._skip(notice, told)
        if hidden:
            apart += self._filter(notice, hidden, apart)
        return apart

    def _keep(self, notice: Notice, held: dict[str, list[Notice]]) -> list[str]:
        for waiting in held.values():
            if len(waiting) < MAX_HELD:
                waiting.append(notice)
        return list(held)

    def _skip(self, notice: Notice, told: dict[str, int]) -> list[str]:
        """Those who know it; who does not needs no more remembering."""
        knowing = [sid for sid, revision in told.items() if revision >= notice.revision]
        self._told[notice.conversation_id] = {sid: told[sid] for sid in knowing}
        return knowing

    def _filter(self, notice: Notice, hidden: dict[str, int], apart: Collection[str]) -> list[str]:
        payload = orjson.loads(notice.payload or b"{}")
        seqs = [message["seq"] for message in payload.get("messages", ())]
        if not seqs:
            return []
        concerned = [sid for sid, seq in hidden.items() if min(seqs) < seq and sid not in apart]
        for sid in concerned:
            self._send(notice, payload, sid, hidden[sid])
        return concerned

    def _send(self, notice: Notice, payload: dict[str, Any], sid: str, seq: int) -> None:
        if "messages" in payload:
            seen = [message for message in payload["messages"] if message["seq"] >= seq]
            payload = {**payload, "messages": seen}
        self._sockets.broadcast(notice.event, orjson.dumps(payload), sid)
