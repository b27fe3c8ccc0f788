"""Who may not hear all of a conversation: members to whom older messages are not shown, and those who are
told by themselves: newcomers, as long as it is being read what they may see, and who reads too slowly.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import orjson

from gochat.contract.events import DELTA_EVENTS
from gochat.contract.shapes import Delta
from gochat.core.model import ConversationId
from gochat.events.delivery.gate import Notice
from gochat.events.sockets import Sockets

MAX_HELD = 256
MAX_HELD_BYTES = 64 * 1024
"""Notices kept for a socket that is told by itself; more are read for it."""


@dataclass(slots=True, eq=False)
class Telling:
    """A socket that is told by itself, of what its user may see, while what comes meanwhile is held."""

    since: int | None
    """What it is told: what came after that revision; None: the conversation whole."""
    as_of: int
    """A revision that was there when it began: what is read for it has at least that."""
    held: list[Notice] = field(default_factory=list)
    """What came meanwhile, without a hole."""
    size: int = 0
    """Bytes of `held`."""
    more: bool = False
    """More came than is held: nothing is, and it is to be read."""

    def keep(self, notice: Notice) -> None:
        """Hold what came, if that is not too much."""
        if self.more:
            return
        self.held.append(notice)
        self.size += len(notice.payload or b"")
        if len(self.held) > MAX_HELD or self.size > MAX_HELD_BYTES:
            self.more = True
            self.held.clear()

    def go_on(self, revision: int) -> None:
        """It was told up to a revision; what came after it is going to be read, as far as it is not held."""
        self.since = revision
        if self.more:
            self.more, self.size = False, 0


class Visibility:
    """From which message on a socket sees a conversation, where that is not the first."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._hidden: dict[ConversationId, dict[str, int]] = {}
        self._telling: dict[ConversationId, dict[str, Telling]] = {}
        self._told: dict[ConversationId, dict[str, int]] = {}
        """Up to which revision a socket was told already; until more comes."""

    def show_from(self, conversation_id: ConversationId, sid: str, seq: int) -> None:
        """Remember it, and hold nothing any more."""
        self._telling.get(conversation_id, {}).pop(sid, None)
        self._told.get(conversation_id, {}).pop(sid, None)
        if seq > 1:
            self._hidden.setdefault(conversation_id, {})[sid] = seq
        elif conversation_id in self._hidden:
            self._hidden[conversation_id].pop(sid, None)

    def hold(self, conversation_id: ConversationId, sid: str, since: int | None, as_of: int) -> Telling:
        """Keep what comes until the socket was told by itself, and it is known what it sees.

        What it was being told before it is told by this one, too.
        """
        before = self._telling.get(conversation_id, {}).get(sid)
        if before is not None and since is not None:
            since = None if before.since is None else min(before.since, since)
        telling = self._telling.setdefault(conversation_id, {})[sid] = Telling(since, as_of)
        return telling

    def holds(self, conversation_id: ConversationId, sid: str, telling: Telling) -> bool:
        """Whether that still goes on: it was neither told nor removed, nor begun again."""
        return self._telling.get(conversation_id, {}).get(sid) is telling

    def telling(self, conversation_id: ConversationId) -> Collection[str]:
        """The sockets that are being told it by themselves; who is told late is in its room only after."""
        return self._telling.get(conversation_id, {}).keys()

    def knows(self, conversation_id: ConversationId, sid: str, revision: int) -> bool:
        """Whether a socket was told by itself all up to a revision, or is going to be."""
        telling = self._telling.get(conversation_id, {}).get(sid)
        if telling is not None:
            return telling.as_of >= revision
        return self._told.get(conversation_id, {}).get(sid, 0) >= revision

    def told(self, conversation_id: ConversationId, sid: str, revision: int) -> None:
        """A socket knows all up to a revision that is still to be heard here."""
        self._told.setdefault(conversation_id, {})[sid] = revision

    def release(self, conversation_id: ConversationId, sid: str, seq: int, revision: int) -> None:
        """It was told all up to that revision: send what came after, without messages from before `seq`."""
        telling = self._telling.get(conversation_id, {}).pop(sid, None)
        self.show_from(conversation_id, sid, seq)
        news = [] if telling is None else [it for it in telling.held if it.revision > revision]
        for notice in news:
            self._send(notice, orjson.loads(notice.payload or b"{}"), sid, seq)
        if not news:  # the database may have been ahead of what is heard here
            self.told(conversation_id, sid, revision)

    def forget(self, conversation_id: ConversationId) -> None:
        """Nobody here hears the conversation any more."""
        self._hidden.pop(conversation_id, None)
        self._telling.pop(conversation_id, None)
        self._told.pop(conversation_id, None)

    def clear(self) -> None:
        """Forget all."""
        self._hidden.clear()
        self._telling.clear()
        self._told.clear()

    def tell_apart(self, notice: Notice, skip: Collection[str]) -> list[str]:
        """Hold a delta, or send it without the messages from before a socket's time, for those it concerns.

        Who was told it already does not get it again.

        Args:
            notice: the delta. Who has left by it is in the room no more.
            skip: sids that are told by themselves already, this delta too.

        Returns:
            Their sids, those to skip too.
        """
        conversation_id = notice.conversation_id
        telling, told, hidden = (
            self._telling.get(conversation_id),
            self._told.get(conversation_id),
            self._hidden.get(conversation_id),
        )
        apart = list(skip)
        if telling:
            apart += self._keep(notice, telling, skip)
        if told:
            apart += self._skip(notice, told)
        if hidden:
            apart += self._filter(notice, hidden, apart)
        return apart

    def _keep(self, notice: Notice, telling: dict[str, Telling], skip: Collection[str]) -> list[str]:
        for sid, it in telling.items():
            if sid not in skip:
                it.keep(notice)
        return list(telling)

    def _skip(self, notice: Notice, told: dict[str, int]) -> list[str]:
        """Those who know it; who does not needs no more remembering."""
        knowing = [sid for sid, revision in told.items() if revision >= notice.revision]
        self._told[notice.conversation_id] = {sid: told[sid] for sid in knowing}
        return knowing

    def _filter(self, notice: Notice, hidden: dict[str, int], apart: Collection[str]) -> list[str]:
        first = notice.first_seq
        concerned = [sid for sid, seq in hidden.items() if 0 < first < seq and sid not in apart]
        if not concerned:
            return []
        payload: Delta = orjson.loads(notice.payload or b"{}")
        for sid in concerned:
            self._send(notice, payload, sid, hidden[sid])
        return concerned

    def _send(self, notice: Notice, payload: Delta, sid: str, seq: int) -> None:
        if "messages" in payload:
            seen = [message for message in payload["messages"] if message["seq"] >= seq]
            payload = {**payload, "messages": seen}
        self._sockets.broadcast(DELTA_EVENTS[notice.event].told(payload), sid)
