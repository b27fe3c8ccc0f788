"""Committed changes on their way to the sockets of this process, and to the doorbell for the others.

The database is the log. What the doorbell does not bring, `poll` finds, and the gates read it back.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import replace

import orjson
import structlog

from gochat.contract.encode import delta_out, me_delta_out
from gochat.contract.events import DELTA_EVENTS, ME_CHANGED, SESSION_REVOKED
from gochat.contract.ids import id_out
from gochat.core.delta import Committed, Delta, Why
from gochat.core.errors import ChatError, NotFound, SessionRevoked
from gochat.core.measures import Measures
from gochat.core.model import ConversationId, SessionId, UserId
from gochat.core.ports.reading import ChangeLog, Reader
from gochat.core.queries import Batch, Membership
from gochat.core.sync import is_partial, parts
from gochat.events.cluster.seam import MAX_PAYLOAD, Doorbell
from gochat.events.connection import Connection, Roster, State
from gochat.events.delivery.gate import MeNotice, Notice
from gochat.events.delivery.gates import LOG_PATIENCE_S, RETRY_S, Gates
from gochat.events.delivery.people import People
from gochat.events.delivery.rights import Rights
from gochat.events.delivery.ringing import MARGIN, Ringing, me_notice, notice_of, notices
from gochat.events.delivery.slow import Slow
from gochat.events.delivery.topics import DELTA, ME, PROFILE, REVOKED, SAID
from gochat.events.delivery.typing import Typing
from gochat.events.delivery.visibility import Telling, Visibility
from gochat.events.sockets import Sockets, conversation_room, user_room
from gochat.events.tasks import Tasks
from gochat.seldom import Seldom

log = structlog.get_logger(__name__)

TELLING = 8
"""Sockets for which it is read at the same time what each is told by itself."""
LOOK_BACK_MS = 3_600_000
"""So long before it found out that the log did not tell all, what is said of users is looked through."""
MAX_PUT_OFF = 256
"""Notices that wait for one socket."""
_SAYING = (Why.MESSAGE_CREATED, Why.CHANGES)
"""What may bring new messages."""


class Fanout:
    """`core.ports.writing.Publisher` for the sockets here.

    Args:
        rights: told who may what no more, or again, by whatever is committed at whichever process.
        typing: told what was said, which ends the typing of who said it.
        people: told of whom others see something else than before.
    """

    def __init__(
        self,
        sockets: Sockets,
        roster: Roster,
        reader: Reader,
        changes: ChangeLog,
        doorbell: Doorbell,
        rights: Rights,
        typing: Typing,
        people: People,
        measures: Measures | None = None,
    ) -> None:
        self._sockets = sockets
        self._roster = roster
        self._reader = reader
        self._changes = changes
        self._doorbell = doorbell
        self._ringing = Ringing(doorbell)
        self._rights = rights
        self._typing = typing
        self._people = people
        self._conversations = Gates("conversation", self._hand_on, self._read_conversation, measures)
        self._me = Gates("user", self._hand_on_me, self._read_me, measures)
        self._visibility = Visibility(sockets)
        self._slow = Slow(sockets)
        self._telling = asyncio.Semaphore(TELLING)
        self._until_ready: dict[str, list[Notice]] = {}
        """By socket: who joined what, as the log told while its conversations were read."""
        self._seldom = Seldom()
        self._tasks = Tasks()
        doorbell.hear(DELTA, self._receive)
        doorbell.hear(ME, self._receive_me)
        doorbell.hear(PROFILE, rights.decided)
        doorbell.hear(SAID, lambda said: people.changed(*said))
        doorbell.hear(REVOKED, lambda ended: self._dismiss(*ended))

    # ---- from the writer of this process, from the doorbell of the others, from the log of all

    def publish(self, committed: Committed) -> None:
        """Hand on what this process committed, and ring for the others."""
        for change in committed.changes:
            for notice in notices(change):
                self._receive(notice)
                self._ringing.tell(notice)
        for me in committed.me:
            own = me_notice(me)
            self._receive_me(own)
            self._ringing.tell_own(own)
            if me.profile:
                self._rights.decided(me.user_id)
                self._ringing.tell_decided(me.user_id)
            if me.said:
                self._people.changed(me.user_id, me.said)
                self._ringing.tell_said(me.user_id, me.said)

    def revoked(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        """A session was ended here: its sockets are told and dismissed, everywhere."""
        self._dismiss(user_id, session_id, code)
        self._ringing.revoked(user_id, session_id, code)

    def learn(self, batches: Iterable[Batch]) -> None:
        """What was committed by whichever process, as its log says; most of it was handed on already."""
        own: dict[UserId, tuple[int, int]] = {}
        for batch in batches:
            for conversation_id, (since, revision) in batch.conversations.items():
                joined = batch.joined.get(conversation_id, ())
                if joined or not self._conversations.is_past(conversation_id, revision):
                    notice = Notice(Why.CHANGES, conversation_id, since, revision, None, joined)
                    self._receive(notice, LOG_PATIENCE_S)
            for user_id in batch.profiles:
                self._rights.decided(user_id)
            for user_id, revision in batch.said.items():
                self._people.changed(user_id, revision)
            for user_id, (since, revision) in batch.users.items():
                first, last = own.get(user_id, (since, revision))
                own[user_id] = min(first, since), max(last, revision)
        for user_id, (since, revision) in own.items():
            self._receive_me(MeNotice(user_id, since, revision, None))

    def learn_revoked(self, sessions: Iterable[tuple[SessionId, UserId]]) -> None:
        """Sessions that were ended of late, by whichever process."""
        for session_id, user_id in sessions:
            self._dismiss(user_id, session_id, SessionRevoked.code)

    async def compare(self, *, memberships: bool) -> bool:
        """Find out what was missed, whenever that was; False if the database has less than was handed on.

        Args:
            memberships: whether users may have become members of what is not heard here yet, or decided
                something about themselves.

        Raises:
            ChatError: the database does not answer.
        """
        conversations, own = self._conversations.revisions(), self._me.revisions()
        revisions = await self._changes.revisions(conversations)
        me_revisions = await self._changes.me_revisions(own)
        if any(
            revisions.get(conversation_id, 0) < revision
            for conversation_id, revision in conversations.items()
        ):
            return False
        if any(me_revisions.get(user_id, 0) < revision for user_id, revision in own.items()):
            return False
        for conversation_id, revision in revisions.items():
            self._conversations.learn(conversation_id, revision)
        for user_id, revision in me_revisions.items():
            self._me.learn(user_id, revision)
        if memberships:
            for user_id, revision in (await self._changes.said(LOOK_BACK_MS)).items():
                self._people.changed(user_id, revision)
        for user_id in own if memberships else ():
            self._rights.decided(user_id)
            for membership in (await self._reader.memberships(user_id)).conversations:
                self._receive(_joined(membership, user_id))
        return True

    # ---- sockets that come and go

    async def attach(self, connection: Connection) -> None:
        """Enter a socket into the rooms of its user's conversations; then it is ready.

        What is new in a conversation by the time that the doorbell is heard for it is told as a repair, so
        nothing falls between.
        """
        user_id = connection.user_id
        if self._roster.get(connection.sid) is not connection:
            return
        self._sockets.enter(connection.sid, user_room(user_id))
        self._doorbell.listen(user_room(user_id))
        await self._doorbell.confirmed()
        memberships = await self._reader.memberships(user_id)
        if self._roster.get(connection.sid) is not connection:
            return
        if user_id not in self._me:
            self._me.open(user_id, memberships.me_revision)
        self._rights.came(user_id, memberships.conversations)
        if memberships.standing != connection.identity.standing:  # decided after their login was read
            self._rights.decided(user_id)
        opened = self._enter(connection, memberships.conversations)
        if opened:
            await self._catch_up(opened)
        connection.become_ready()
        for notice in self._until_ready.pop(connection.sid, ()):
            self._receive(notice, LOG_PATIENCE_S)

    def detach(self, connection: Connection, conversations: Iterable[ConversationId]) -> None:
        """A socket went: forget what nobody here hears any more."""
        self._until_ready.pop(connection.sid, None)
        for conversation_id in conversations:
            self._forget(conversation_id, connection)
        if not self._roster.of((connection.user_id,)):
            self._rights.went(connection.user_id)
            self._me.close(connection.user_id)
            self._doorbell.unlisten(user_room(connection.user_id))

    def start_anew(self) -> None:
        """Forget how far everything was handed on: the sockets that are here will not stay."""
        for conversation_id in self._conversations.revisions():
            self._doorbell.unlisten(conversation_room(conversation_id))
        self._conversations.close_all()
        self._me.close_all()
        self._people.forget()
        self._visibility.clear()
        self._until_ready.clear()

    def close(self) -> None:
        """Stop what is under way."""
        self.start_anew()
        self._people.close()
        self._tasks.cancel()

    # ---- conversations

    def _receive(self, notice: Notice, patience: float | None = None) -> None:
        """A notice of any process: through the gate, if anyone here is concerned.

        Who joined by one that was handed on may be out again: it lets nobody in a second time.
        """
        conversation_id = notice.conversation_id
        if notice.joined and self._conversations.handed_on(conversation_id, notice):
            return
        if conversation_id not in self._conversations:
            here = self._admitted(notice.joined)
            if not here or self._put_off(notice, here):
                return
            self._open(conversation_id, notice.since)
            self._tasks.spawn(self._catch_up([conversation_id]))
        if notice.joined and self._conversations.revision(conversation_id) > notice.since:
            self._welcome_late(notice)
        self._conversations.offer(conversation_id, notice, patience=patience)

    def _put_off(self, notice: Notice, here: Collection[Connection]) -> bool:
        """Let what the log alone tells wait for sockets whose conversations are being read; whether it waits.

        They most likely come with that reading. If the gate were opened now, before it, what happens next
        would be told as a repair.
        """
        if notice.payload is not None or any(it.state is State.READY for it in here):
            return False
        waiting = [self._until_ready.setdefault(it.sid, []) for it in here]
        if any(len(it) >= MAX_PUT_OFF for it in waiting):
            return False
        for it in waiting:
            it.append(notice)
        return True

    def _open(self, conversation_id: ConversationId, revision: int) -> None:
        self._conversations.open(conversation_id, revision)
        self._doorbell.listen(conversation_room(conversation_id))

    async def _catch_up(self, conversations: Collection[ConversationId]) -> None:
        """Find out what was committed before the doorbell was heard for them."""
        await self._doorbell.confirmed()
        try:
            revisions = await self._changes.revisions(conversations)
        except ChatError as error:
            if self._seldom.lets(f"catch up {error.code}"):
                log.warning("catch_up_failed", code=error.code)
            return
        for conversation_id, revision in revisions.items():
            self._conversations.learn(conversation_id, revision)

    def _enter(self, connection: Connection, memberships: Iterable[Membership]) -> list[ConversationId]:
        """The conversations that were not heard here before it."""
        opened = []
        for membership in memberships:
            conversation_id = membership.conversation_id
            if conversation_id in connection.left or connection.sid in self._sockets.members(
                conversation_room(conversation_id)
            ):
                continue  # they left, or came again, meanwhile
            self._sockets.enter(connection.sid, conversation_room(conversation_id))
            self._visibility.show_from(conversation_id, connection.sid, membership.visible_from_seq)
            if conversation_id not in self._conversations:
                self._open(conversation_id, membership.revision)
                opened.append(conversation_id)
            elif self._conversations.revision(conversation_id) < membership.revision:
                # What is still to be heard here came before its rights: its phone reads that.
                self._visibility.told(conversation_id, connection.sid, membership.revision)
        return opened

    def _hand_on(self, notice: Notice) -> None:
        """To those who may hear it as of this notice: so who comes and goes by it is seen to first."""
        assert notice.payload is not None  # the gate passes no other
        skip: list[str] = []
        if notice.left:
            self._farewell(notice)
        if notice.joined:
            skip += self._welcome(notice)
        if notice.theirs:
            skip += self._tell_theirs(notice, skip)
        skip = self._visibility.tell_apart(notice, skip)
        room = conversation_room(notice.conversation_id)
        if behind := self._sockets.behind(room, len(notice.payload)):
            skip += self._tell_later(notice, behind, skip)
        self._sockets.broadcast(DELTA_EVENTS[notice.event].passed_on(notice.payload), room, skip)
        if notice.conversation_id in self._typing and notice.event in _SAYING:
            self._typing.spoke(notice.conversation_id, notice.payload)
        if notice.joined or notice.left or notice.apart:
            # Not yet: who left may come back by a notice that passes the gate together with this one.
            asyncio.get_running_loop().call_soon(self._forget_if_empty, notice.conversation_id)

    def _welcome(self, notice: Notice) -> list[str]:
        """Who joined enters. If the conversation was there before them they get it whole, not this delta."""
        conversation_id = notice.conversation_id
        told: list[str] = []
        self._rights.joined(conversation_id, notice.joined)
        for connection in self._admitted(notice.joined):
            if notice.since == 0 and not notice.apart:
                self._sockets.enter(connection.sid, conversation_room(conversation_id))
                continue
            told.append(connection.sid)
            if not self._visibility.knows(conversation_id, connection.sid, notice.members_as_of):
                self._let_in(connection, notice)
        return told

    def _welcome_late(self, notice: Notice) -> None:
        """Another member came, so the conversation is heard here, from after this: who joined is told it now.

        They may be gone again, told or not: they enter when it has been read that they are members. Whose
        conversations are being read most likely comes with that.
        """
        conversation_id = notice.conversation_id
        members = self._sockets.members(conversation_room(conversation_id))
        for connection in self._admitted(notice.joined):
            sid = connection.sid
            if sid in members or self._visibility.knows(conversation_id, sid, notice.members_as_of):
                continue
            if not self._put_off(notice, (connection,)):
                self._tell_apart(connection, notice, None)

    def _let_in(self, connection: Connection, notice: Notice) -> None:
        """A newcomer enters, and is told the conversation whole."""
        self._sockets.enter(connection.sid, conversation_room(notice.conversation_id))
        self._tell_apart(connection, notice, None)

    def _tell_theirs(self, notice: Notice, told: Collection[str]) -> list[str]:
        """Those whose own row is shown to no other, but to those who are told by themselves already."""
        conversation_id = notice.conversation_id
        heard = {
            *self._sockets.members(conversation_room(conversation_id)),
            *self._visibility.telling(conversation_id),
        } - {*told}
        here = [it for it in self._admitted(notice.theirs) if it.sid in heard]
        for connection in here:
            self._tell_apart(connection, notice, notice.since)
        return [connection.sid for connection in here]

    def _tell_later(self, notice: Notice, behind: Collection[str], told: Collection[str]) -> list[str]:
        """Those who are told what they lack when they have read what was sent to them before."""
        sids = [sid for sid in behind if sid not in told]
        for connection in filter(None, map(self._roster.get, sids)):
            self._tell_apart(connection, replace(notice, event=Why.CHANGES), notice.since)
        return sids

    def _tell_apart(self, connection: Connection, notice: Notice, since: int | None) -> None:
        """One socket by itself, of what its user may see; what comes meanwhile is held for it."""
        conversation_id = notice.conversation_id
        telling = self._visibility.hold(conversation_id, connection.sid, since, notice.members_as_of)
        self._tasks.spawn(self._tell(connection, conversation_id, notice.event, telling))

    async def _tell(
        self, connection: Connection, conversation_id: ConversationId, event: str, telling: Telling
    ) -> None:
        """What it is to be told, as soon as it has read what was sent to it before."""
        try:
            told = False
            while not told:
                await self._slow.caught_up(connection.sid)
                delta = await self._read_for(connection, conversation_id, telling.since)
                if not self._visibility.holds(conversation_id, connection.sid, telling):
                    return
                if self._roster.get(connection.sid) is not connection:
                    break
                told = self._told(connection, conversation_id, event, delta, telling)
            else:
                return
        except Exception:
            log.exception("telling_failed", conversation=conversation_id)
            self._sockets.evict(connection.sid, "delta not read")  # it comes back, and asks
        self._forget(conversation_id, connection)

    def _told(
        self,
        connection: Connection,
        conversation_id: ConversationId,
        event: str,
        delta: Delta | None,
        telling: Telling,
    ) -> bool:
        """Send what was read for a socket, and what came meanwhile; False: there is more to read.

        The whole comes with `gap`, for what the phone kept from before. Who is out by now has left.
        """
        sid = connection.sid
        if delta is None:
            for gone in self._rights.left(conversation_id, (connection.user_id,)):
                self._forget(conversation_id, gone)
            return True
        assert delta.me is not None  # an answer for one user has it
        if sid not in self._sockets.members(conversation_room(conversation_id)):
            self._sockets.enter(sid, conversation_room(conversation_id))
            self._rights.joined(conversation_id, (connection.user_id,))
        whole = replace(delta, gap=delta.gap or telling.since is None)
        if telling.since is None or whole.gap or whole.revision > telling.since:
            for part in parts(whole, MAX_PAYLOAD - MARGIN):
                self._sockets.broadcast(DELTA_EVENTS[event].told(delta_out(part)), sid)
        if telling.more or is_partial(delta):
            telling.go_on(delta.revision)
            return False
        self._visibility.release(conversation_id, sid, delta.me.visible_from_seq, delta.revision)
        return True

    async def _read_for(
        self, connection: Connection, conversation_id: ConversationId, since: int | None
    ) -> Delta | None:
        """What its user may see, after `since`, or whole; None: they are no member, or the socket went."""
        while self._roster.get(connection.sid) is connection:
            try:
                async with self._telling:
                    return await self._reader.changes(
                        connection.user_id, conversation_id, since, in_parts=True
                    )
            except NotFound:
                return None
            except ChatError as error:
                if self._seldom.lets(f"tell {error.code}"):
                    log.warning("telling_failed", conversation=conversation_id, code=error.code)
                await asyncio.sleep(RETRY_S)
        return None

    def _farewell(self, notice: Notice) -> None:
        conversation_id = notice.conversation_id
        told = DELTA_EVENTS[notice.event].told(
            {
                "conversation_id": id_out(conversation_id),
                "since": notice.since,
                "revision": notice.members_as_of,
                "removed": True,
            }
        )
        for connection in self._rights.left(conversation_id, notice.left):
            self._visibility.show_from(conversation_id, connection.sid, 1)
            self._sockets.broadcast(told, connection.sid)

    async def _read_conversation(self, conversation_id: ConversationId, since: int) -> Notice:
        """What was missed of a conversation, as one notice; who joined meanwhile is told apart."""
        return replace(notice_of(await self._reader.repair(conversation_id, since)), apart=True)

    def _forget(self, conversation_id: ConversationId, connection: Connection) -> None:
        """A socket hears it no more."""
        self._visibility.show_from(conversation_id, connection.sid, 1)
        self._forget_if_empty(conversation_id)

    def _forget_if_empty(self, conversation_id: ConversationId) -> None:
        if self._sockets.members(conversation_room(conversation_id)) or self._visibility.telling(
            conversation_id
        ):
            return
        if self._conversations.close(conversation_id):
            self._visibility.forget(conversation_id)
            self._doorbell.unlisten(conversation_room(conversation_id))

    # ---- what concerns one user alone

    def _receive_me(self, notice: MeNotice) -> None:
        user_id = notice.user_id
        if user_id not in self._me:
            if not self._admitted((user_id,)):
                return
            self._me.open(user_id, notice.since)
        self._me.offer(user_id, notice)

    def _hand_on_me(self, notice: MeNotice) -> None:
        assert notice.payload is not None  # the gate passes no other
        self._sockets.broadcast(ME_CHANGED.passed_on(notice.payload), user_room(notice.user_id))

    async def _read_me(self, user_id: UserId, since: int) -> MeNotice:
        me = await self._reader.me(user_id, since)
        return MeNotice(user_id, me.since, me.revision, orjson.dumps(me_delta_out(me)))

    def _admitted(self, user_ids: Iterable[UserId]) -> list[Connection]:
        return [connection for connection in self._roster.of(user_ids) if connection.is_admitted]

    def _dismiss(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        for connection in self._roster.of((user_id,)):
            if connection.identity.session_id == session_id:
                self._sockets.broadcast(SESSION_REVOKED.told({"code": code}), connection.sid)
                self._sockets.dismiss(connection.sid)


def _joined(membership: Membership, user_id: UserId) -> Notice:
    """As if they had just joined: numbers alone, so that all is read."""
    revision = membership.revision
    return Notice(Why.CHANGES, membership.conversation_id, 0, revision, None, (user_id,))
