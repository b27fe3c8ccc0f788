"""After anything that users do and networks lose, a phone's store equals a fresh fetch."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from gochat.contract import shapes
from gochat.contract.cursor import Cursors
from gochat.contract.encode import delta_out, me_delta_out, message_out
from gochat.contract.ids import id_in, id_out
from gochat.contract.requests import Sync
from gochat.contract.sync import sync_in, sync_out
from gochat.core.commands import (
    AddMembers,
    AdvanceReceipts,
    Command,
    CreateConversation,
    DeleteMessage,
    EditMessage,
    Position,
    RemoveMember,
    SendMessage,
    SetRole,
    UpdateConversation,
)
from gochat.core.delta import Change, Committed
from gochat.core.errors import ChatError, NotFound
from gochat.core.limits import Limits
from gochat.core.model import Conversation, ConversationId, History, Kind, Role, SessionId, User, UserId
from gochat.core.ports import Account
from gochat.core.state import Result, Sent
from gochat.ids import new_id
from gochat.storage.accounts import StoredAccounts
from gochat.storage.database import Database
from gochat.storage.engines import write_engine
from gochat.storage.epoch import EpochGuard
from gochat.storage.migrate import upgrade
from gochat.storage.reader import ConversationReader
from gochat.storage.writer import ConversationWriter
from tests.phone.compare import differences
from tests.phone.store import Store

USERS = 3
CURSORS = Cursors([b"k" * 32])


@dataclass
class Line:
    """A user's phone, and what is on its way to it: each is applied when it arrives."""

    user_id: UserId
    store: Store
    arriving: list[Callable[[], None]] = field(default_factory=list)
    behind: set[str] = field(default_factory=set)
    cursor: str | None = None

    def hear(self, delta: shapes.Delta) -> None:
        if not self.store.apply(delta):
            self.behind.add(delta["conversation_id"])

    def hear_me(self, delta: shapes.MeDelta) -> None:
        self.store.apply_me(delta)
        self.behind |= self.store.uncounted


class World:
    """Real storage under phones. It publishes as the events face does, without any guarantee."""

    def __init__(self, url: str) -> None:
        upgrade(url)
        limits = Limits()
        self._runner = asyncio.Runner()
        self._database = Database(url, pool_size=2)
        self._accounts = StoredAccounts(self._database)
        self._writer = ConversationWriter(write_engine(url), self, limits, EpochGuard())
        self.reader = ConversationReader(self._database, limits)
        self._online: dict[UserId, Line] = {}
        self._members: dict[ConversationId, dict[UserId, int]] = {}
        self._runner.run(self._start())

    async def _start(self) -> None:
        self._writer.start()

    def close(self) -> None:
        self._runner.run(self._writer.stop())
        self._runner.run(self._database.close())
        self._runner.close()

    def run(self, work: Awaitable[Any]) -> Any:
        async def running() -> Any:
            return await work

        return self._runner.run(running())

    def people(self) -> list[Line]:
        """New users, each with a phone."""
        self._online, self._members = {}, {}
        for _ in range(USERS):
            user_id = new_id()
            account = Account(User(user_id, f"u{user_id:x}", "A user"), "no hash")
            self.run(self._accounts.create(account, 0))
            self._online[user_id] = Line(user_id, Store(id_out(user_id)))
        return list(self._online.values())

    def submit(self, *commands: Command) -> list[Result | ChatError]:
        """Together, so that they may share a batch."""

        async def submitting() -> list[Any]:
            return await asyncio.gather(*map(self._writer.submit, commands), return_exceptions=True)

        answers: list[Result | ChatError] = self.run(submitting())
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, ChatError):
                raise answer
        return answers

    def publish(self, committed: Committed) -> None:
        for change in committed.changes:
            self._spread(change)
        for me in committed.me:
            line = self._online[me.user_id]
            told = me_delta_out(me)
            line.arriving.append(partial(line.hear_me, told))

    def revoked(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        raise AssertionError("no session is ended here")

    def _spread(self, change: Change) -> None:
        """A broadcast to the members, without what they may not see; to who left, that he did."""
        cid = change.delta.conversation_id
        members = self._members.setdefault(cid, {})
        members |= {
            it.user_id: it.visible_from_seq for it in change.delta.members if it.user_id in change.joined
        }
        for user_id in change.left:
            del members[user_id]
            self._tell(user_id, {**_bare(change), "removed": True})
        for user_id, visible_from in members.items():
            told = delta_out(change.delta)
            if "messages" in told:
                told["messages"] = [it for it in told["messages"] if it["seq"] >= visible_from]
            self._tell(user_id, told)

    def _tell(self, user_id: UserId, delta: shapes.Delta) -> None:
        line = self._online[user_id]
        line.arriving.append(partial(line.hear, delta))

    def sync(self, line: Line, limit: int, cursor: str | None) -> shapes.SyncAnswer:
        request = Sync.model_validate(
            {
                "known": line.store.known,
                "me": line.store.me,
                "epoch": line.store.epoch,
                "cursor": cursor,
                "limit": limit,
            }
        )
        page = self.run(self.reader.sync(line.user_id, sync_in(request, line.user_id, CURSORS)))
        return sync_out(page, line.user_id, CURSORS)

    def join(self, line: Line, cid: str) -> None:
        """Ask for what is missing; the answer is on its way then, and may be overtaken."""
        mine = line.store.revision(cid)
        line.behind.discard(cid)
        try:
            delta = delta_out(self.run(self.reader.changes(line.user_id, id_in(cid), mine or None)))
        except NotFound:
            if line.store.revision(cid) == mine:
                line.store.drop(cid)
        else:
            line.arriving.append(partial(line.hear, delta))

    def sync_all(self, line: Line, limit: int) -> None:
        cursor = None
        while True:
            answer = self.sync(line, limit, cursor)
            line.behind |= line.store.apply_sync(answer)
            cursor = answer["cursor"]
            if not answer["more"]:
                break
        while line.behind:
            self.join(line, next(iter(line.behind)))
            arrive(line)

    def history(self, user_id: UserId, cid: str) -> list[shapes.Message]:
        messages: list[shapes.Message] = []
        more = True
        while more:
            after = messages[-1]["seq"] if messages else 0
            page = self.run(self.reader.history(user_id, id_in(cid), after_seq=after, limit=100))
            messages += map(message_out, page.messages)
            more = page.has_more_after
        return messages


def arrive(line: Line) -> None:
    """All that is on its way arrives."""
    while line.arriving:
        line.arriving.pop(0)()


def _bare(change: Change) -> shapes.Delta:
    delta = change.delta
    return {
        "conversation_id": id_out(delta.conversation_id),
        "since": delta.since,
        "revision": delta.revision,
    }


who = st.integers(0, USERS - 1)
which = st.integers(0, 100)


class Chatting(RuleBasedStateMachine):
    """Users act, networks lose, repeat and reorder; at the end every phone syncs once."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.lines = self.world.people()
        self.conversations: list[ConversationId] = []
        self.sent: list[SendMessage] = []
        self.messages: list[tuple[ConversationId, UserId, int]] = []

    # ---- users

    @rule(who=who, others=st.sets(who, min_size=1), direct=st.booleans(), history=st.sampled_from(History))
    def create(self, who: int, others: set[int], direct: bool, history: History) -> None:
        ids = tuple(self.lines[other].user_id for other in others if other != who)
        if direct:
            command = CreateConversation(new_id(), self.lines[who].user_id, Kind.DIRECT, ids[:1])
        else:
            command = CreateConversation(
                new_id(), self.lines[who].user_id, Kind.GROUP, ids, "A group", history=history
            )
        (answer,) = self.world.submit(command)
        if isinstance(answer, Conversation):
            self.conversations.append(answer.id)

    @precondition(lambda self: self.conversations)
    @rule(senders=st.lists(who, min_size=1, max_size=8), which=which)
    def send(self, senders: list[int], which: int) -> None:
        cid = self._conversation(which)
        commands = [
            SendMessage(cid, self.lines[it].user_id, secrets.token_bytes(16), f"message {n}")
            for n, it in enumerate(senders)
        ]
        for command, answer in zip(commands, self.world.submit(*commands), strict=True):
            if isinstance(answer, Sent):
                self.sent.append(command)
                self.messages.append((cid, command.sender_id, answer.message.seq))

    @precondition(lambda self: self.sent)
    @rule(which=which)
    def send_again(self, which: int) -> None:
        (answer,) = self.world.submit(self.sent[which % len(self.sent)])
        assert isinstance(answer, Sent)
        assert answer.duplicate
        for line in self.lines:
            if line.user_id == answer.message.sender_id:
                line.store.keep(message_out(answer.message))

    @precondition(lambda self: self.messages)
    @rule(which=which, who=who, how=st.sampled_from(["edit", "delete", "edit and delete"]))
    def change(self, which: int, who: int, how: str) -> None:
        cid, sender_id, seq = self.messages[which % len(self.messages)]
        user_id = self.lines[who].user_id if who % 2 else sender_id
        commands: list[Command] = []
        if how.startswith("edit"):
            commands.append(EditMessage(cid, sender_id, seq, f"edited {secrets.token_hex(2)}"))
        if how.endswith("delete"):
            commands.append(DeleteMessage(cid, user_id, seq))
        self.world.submit(*commands)

    @precondition(lambda self: self.messages)
    @rule(which=which, readers=st.sets(who, min_size=1), read=st.booleans())
    def receipt(self, which: int, readers: set[int], read: bool) -> None:
        cid, _, seq = self.messages[which % len(self.messages)]
        position = Position(seq, seq if read else 0)
        self.world.submit(AdvanceReceipts(cid, {self.lines[it].user_id: position for it in readers}))

    @precondition(lambda self: self.conversations)
    @rule(which=which, who=who, whom=who, how=st.sampled_from(["add", "remove", "quit", "rename", "role"]))
    def manage(self, which: int, who: int, whom: int, how: str) -> None:
        cid, user, other = self._conversation(which), self.lines[who].user_id, self.lines[whom].user_id
        commands: dict[str, Command] = {
            "add": AddMembers(cid, user, (other,)),
            "remove": RemoveMember(cid, user, other),
            "quit": RemoveMember(cid, user, user),
            "rename": UpdateConversation(cid, user, secrets.token_hex(2)),
            "role": SetRole(cid, user, other, list(Role)[which % 3]),
        }
        self.world.submit(commands[how])

    @precondition(lambda self: self.conversations)
    @rule(which=which, who=who, whom=who)
    def rejoin(self, which: int, who: int, whom: int) -> None:
        """Out and in again, and something in between."""
        cid, user, other = self._conversation(which), self.lines[who].user_id, self.lines[whom].user_id
        self.world.submit(RemoveMember(cid, user, other))
        self.send([who], which)
        self.world.submit(AddMembers(cid, user, (other,)))
        self.send([who, whom], which)

    # ---- networks

    @rule(who=who, count=st.integers(1, 10))
    def deliver(self, who: int, count: int) -> None:
        arriving = self.lines[who].arriving
        for event in arriving[:count]:
            event()
        del arriving[:count]

    @rule(who=who, which=which)
    def lose(self, who: int, which: int) -> None:
        arriving = self.lines[who].arriving
        if arriving:
            arriving.pop(which % len(arriving))

    @rule(who=who, which=which)
    def repeat(self, who: int, which: int) -> None:
        arriving = self.lines[who].arriving
        if arriving:
            arriving.append(arriving[which % len(arriving)])

    @rule(who=who, random=st.randoms(use_true_random=False))
    def reorder(self, who: int, random: Any) -> None:
        random.shuffle(self.lines[who].arriving)

    # ---- phones

    @rule(who=who)
    def ask(self, who: int) -> None:
        for cid in tuple(self.lines[who].behind):
            self.world.join(self.lines[who], cid)

    @rule(who=who, limit=st.integers(1, 6))
    def sync(self, who: int, limit: int) -> None:
        """One page, whose answer may be overtaken; the next time it goes on with the cursor."""
        line = self.lines[who]
        answer = self.world.sync(line, limit, line.cursor)
        line.cursor = answer["cursor"]
        line.arriving.append(lambda: line.behind.update(line.store.apply_sync(answer)))

    @rule(who=who)
    def reconnect(self, who: int) -> None:
        line = self.lines[who]
        line.arriving.clear()
        line.behind.clear()
        line.cursor = None
        self.world.sync_all(line, 200)

    def teardown(self) -> None:
        for n, line in enumerate(self.lines):
            if n % 2:
                line.arriving.clear()
            arrive(line)
            self.world.sync_all(line, 1 + n)
            fresh = Line(line.user_id, Store(id_out(line.user_id)))
            self.world.sync_all(fresh, 200)
            faults = differences(line.store, fresh.store, partial(self.world.history, line.user_id))
            assert list(faults) == []

    def _conversation(self, which: int) -> ConversationId:
        return self.conversations[which % len(self.conversations)]


def check(url: str, examples: int, steps: int) -> None:
    world = World(url)

    class InWorld(Chatting):
        pass

    InWorld.world = world
    try:
        run_state_machine_as_test(
            InWorld,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        world.close()


@pytest.mark.timeout(600)
def test_on_sqlite(tmp_path: Path) -> None:
    check(f"sqlite:///{tmp_path / 'gochat.db'}", examples=60, steps=50)


@pytest.mark.timeout(600)
def test_on_mariadb(mariadb_url: str) -> None:
    check(mariadb_url, examples=15, steps=50)
