"""Committed changes on their way to the sockets of this process, and to the doorbell for the others.

The database is the log. Whatever does not come through the gate in order within 100 ms is read from it.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import Any

import orjson
import structlog

from gochat.contract.encode import delta_out, me_delta_out
from gochat.contract.ids import id_out
from gochat.core.delta import Change, Committed, Why
from gochat.core.errors import ChatError, NotFound
from gochat.core.model import ConversationId, SessionId, UserId
from gochat.core.ports import Reader
from gochat.core.queries import Membership
from gochat.events.connection import Connection, Roster
from gochat.events.doorbell import MAX_PAYLOAD, Doorbell, Ring
from gochat.events.gate import Gate, Notice
from gochat.events.sockets import Sockets, conversation_room, screen_room, user_room

log = structlog.get_logger(__name__)

PATIENCE_S = 0.1
"""How long a delta waits for one before it that may still be on its way."""
RETRY_S = 1.0
"""When a repair that failed is tried again."""
NEWER_THAN_ALL = 1 << 62
"""A seq that no message has."""


class Fanout:
    """`core.ports.Publisher` for the sockets here."""

    def __init__(self, sockets: Sockets, roster: Roster, reader: Reader, doorbell: Doorbell) -> None:
        self._sockets = sockets
        self._roster = roster
        self._reader = reader
        self._doorbell = doorbell
        self._gates: dict[ConversationId, Gate] = {}
        self._repairs: dict[ConversationId, asyncio.Task[None]] = {}
        self._hidden: dict[ConversationId, dict[str, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- from the writer of this process, and from the doorbell of the others

    def publish(self, committed: Committed) -> None:
        """Hand on what this process committed, and ring for the others."""
        for change in committed.changes:
            notice = _notice(change)
            self.receive(notice)
            self._doorbell.ring(_ring(notice))
        for me in committed.me:
            payload = orjson.dumps(me_delta_out(me))
            self._sockets.broadcast("me:changed", payload, user_room(me.user_id))
            self._doorbell.ring(Ring("me", {"user": me.user_id}, payload))

    def revoked(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        """A session was ended here: its sockets are told and dismissed, everywhere."""
        self._dismiss(user_id, session_id, code)
        self._doorbell.ring(Ring("revoked", {"user": user_id, "session": session_id, "code": code}))

    def heard(self, ring: Ring) -> None:
        """What another process rang; other topics are not for here."""
        header = ring.header
        match ring.topic:
            case "delta":
                self.receive(_heard(ring))
            case "me":
                self._sockets.broadcast("me:changed", ring.payload, user_room(header["user"]))
            case "revoked":
                self._dismiss(header["user"], header["session"], header["code"])

    def receive(self, notice: Notice) -> None:
        """A notice of any process: through the gate, if anyone here is concerned."""
        cid = notice.conversation_id
        gate = self._gates.get(cid)
        if gate is None:
            if not self._roster.of(notice.joined):
                return
            gate = self._gates[cid] = Gate(notice.since)
        for passed in gate.offer(notice):
            self._hand_on(passed)
        if gate.missing:
            self._start_repair(cid)

    def _dismiss(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        for connection in self._roster.of((user_id,)):
            if connection.identity.session_id == session_id:
                self._sockets.broadcast("session:revoked", orjson.dumps({"code": code}), connection.sid)
                self._sockets.dismiss(connection.sid)

    # ---- sockets that come and go

    async def attach(self, connection: Connection) -> None:
        """Enter a socket into the rooms of its user's conversations; then it is ready.

        Revisions are read after the rooms were entered, so nothing falls between.
        """
        self._sockets.enter(connection.sid, user_room(connection.user_id))
        memberships = await self._reader.memberships(connection.user_id)
        opened = self._enter(connection, memberships)
        if opened:
            for membership in await self._reader.memberships(connection.user_id):
                gate = self._gates.get(membership.conversation_id)
                if gate is not None and membership.conversation_id in opened:
                    gate.revision = max(gate.revision, membership.revision)
        connection.ready.set()

    def detach(self, connection: Connection, rooms: Iterable[ConversationId]) -> None:
        """A socket went: forget the conversations that nobody here hears any more."""
        for cid in rooms:
            self._show_from(cid, connection.sid, 1)
            self._forget_if_empty(cid)

    def close(self) -> None:
        """Stop the repairs that are under way."""
        for task in (*self._tasks, *self._repairs.values()):
            task.cancel()

    # ---- inside

    def _enter(self, connection: Connection, memberships: Iterable[Membership]) -> set[ConversationId]:
        """The conversations whose gate was opened by it."""
        opened = set()
        for membership in memberships:
            cid = membership.conversation_id
            self._sockets.enter(connection.sid, conversation_room(cid))
            self._show_from(cid, connection.sid, membership.visible_from_seq)
            if cid not in self._gates:
                self._gates[cid] = Gate(membership.revision)
                opened.add(cid)
        return opened

    def _hand_on(self, notice: Notice) -> None:
        assert notice.payload is not None  # the gate passes no other
        skip = self._without_old_messages(notice)
        if notice.joined:
            skip += self._welcome(notice)
        if notice.left:
            self._farewell(notice)
        room = conversation_room(notice.conversation_id)
        self._sockets.broadcast(notice.event, notice.payload, room, skip)
        if notice.left:
            self._forget_if_empty(notice.conversation_id)

    def _welcome(self, notice: Notice) -> list[str]:
        """Who joined enters. If the conversation was there before him he gets it whole, not this delta."""
        cid = notice.conversation_id
        told: list[str] = []
        for connection in self._roster.of(notice.joined):
            self._sockets.enter(connection.sid, conversation_room(cid))
            if notice.since > 0:
                told.append(connection.sid)
                self._show_from(cid, connection.sid, NEWER_THAN_ALL)
                self._spawn(self._tell_whole(connection, notice))
        return told

    async def _tell_whole(self, connection: Connection, notice: Notice) -> None:
        """The conversation from 0, as a newcomer may see it; `gap`, for what his phone kept from before.

        He is in the room already: a delta that overtakes it makes the phone ask again, and none is missed.
        """
        cid = notice.conversation_id
        while self._roster.get(connection.sid) is connection:
            try:
                delta = await self._reader.changes(connection.user_id, cid, None)
            except NotFound:
                return
            except ChatError as error:
                log.warning("welcome_failed", conversation=cid, code=error.code)
                await asyncio.sleep(RETRY_S)
                continue
            assert delta.me is not None  # an answer for one user has it
            self._show_from(cid, connection.sid, delta.me.visible_from_seq)
            whole = orjson.dumps(delta_out(replace(delta, gap=True)))
            self._sockets.broadcast(notice.event, whole, connection.sid)
            return

    def _farewell(self, notice: Notice) -> None:
        cid = notice.conversation_id
        payload = orjson.dumps(
            {
                "conversation_id": id_out(cid),
                "since": notice.since,
                "revision": notice.revision,
                "removed": True,
            }
        )
        for connection in self._roster.of(notice.left):
            self._sockets.leave(connection.sid, conversation_room(cid))
            self._sockets.leave(connection.sid, screen_room(cid))
            connection.screens.discard(cid)
            self._show_from(cid, connection.sid, 1)
            self._sockets.broadcast(notice.event, payload, connection.sid)

    def _show_from(self, cid: ConversationId, sid: str, seq: int) -> None:
        """Remember from which message on a socket may see a conversation."""
        if seq > 1:
            self._hidden.setdefault(cid, {})[sid] = seq
        elif cid in self._hidden:
            self._hidden[cid].pop(sid, None)

    def _without_old_messages(self, notice: Notice) -> list[str]:
        """Send a delta without the messages from before a socket's time to those it concerns."""
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

    def _start_repair(self, cid: ConversationId) -> None:
        if cid not in self._repairs:
            task = asyncio.create_task(self._repair(cid))
            self._repairs[cid] = task
            task.add_done_callback(lambda _: self._repairs.pop(cid, None))

    async def _repair(self, cid: ConversationId) -> None:
        """Wait a moment for what is missing; then read it and hand it on as one delta."""
        delay = PATIENCE_S
        while True:
            await asyncio.sleep(delay)
            gate = self._gates.get(cid)
            if gate is None or not gate.missing:
                return
            delay = PATIENCE_S
            try:
                delta = await self._reader.repair(cid, gate.revision)
            except ChatError as error:
                log.warning("repair_failed", conversation=cid, code=error.code)
                delay = RETRY_S
                continue
            log.info("repaired", conversation=cid, since=delta.since, revision=delta.revision)
            joined = tuple(m.user_id for m in delta.members if m.active and m.joined_revision > delta.since)
            left = tuple(m.user_id for m in delta.members if not m.active)
            payload = orjson.dumps(delta_out(delta))
            notice = Notice(Why.CHANGES, cid, delta.since, delta.revision, payload, joined, left)
            for passed in gate.offer(notice):
                self._hand_on(passed)

    def _forget_if_empty(self, cid: ConversationId) -> None:
        if not self._sockets.members(conversation_room(cid)):
            self._gates.pop(cid, None)
            self._hidden.pop(cid, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _notice(change: Change) -> Notice:
    delta = change.delta
    payload = orjson.dumps(delta_out(delta))
    return Notice(
        change.why, delta.conversation_id, delta.since, delta.revision, payload, change.joined, change.left
    )


def _ring(notice: Notice) -> Ring:
    """A notice for the other processes; of a large one only the numbers."""
    header = {
        "event": notice.event,
        "conversation": notice.conversation_id,
        "since": notice.since,
        "revision": notice.revision,
        "joined": notice.joined,
        "left": notice.left,
    }
    payload = notice.payload or b""
    return Ring("delta", header, payload if len(payload) <= MAX_PAYLOAD else b"")


def _heard(ring: Ring) -> Notice:
    header = ring.header
    return Notice(
        header["event"],
        header["conversation"],
        header["since"],
        header["revision"],
        ring.payload or None,
        tuple(header["joined"]),
        tuple(header["left"]),
    )
