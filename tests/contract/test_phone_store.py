"""After anything that users do and networks lose, a phone's store equals a fresh fetch."""

import secrets
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from gochat.contract.encode import message_out
from gochat.contract.ids import id_out
from gochat.core.command import AnyCommand
from gochat.core.conversations import CreateConversation, UpdateConversation
from gochat.core.limits import Limits
from gochat.core.members import AddMembers, RemoveMember, SetRole
from gochat.core.messages import DeleteMessage, EditMessage, PinMessage, SendMessage, Sent
from gochat.core.model import Conversation, ConversationId, Extras, History, Kind, Role, UserId, Who
from gochat.core.reactions import React
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.ids import new_id
from tests.phone.compare import differences
from tests.phone.store import Store
from tests.phone.world import Line, World, arrive

USERS = 3
LIMITS = (Limits(), Limits(shown_members=2))
"""With the second a conversation of all users is one too many to show its members."""
who = st.integers(0, USERS - 1)
which = st.integers(0, 100)


class Chatting(RuleBasedStateMachine):
    """Users act, networks lose, repeat and reorder; at the end every phone syncs once."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.lines = self.world.people(USERS)
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
    @rule(senders=st.lists(who, min_size=1, max_size=8), which=which, read=st.none() | st.integers(0, 9))
    def send(self, senders: list[int], which: int, read: int | None = None) -> None:
        """`read`: how far those had read who write every other message."""
        cid = self._conversation(which)
        commands = [
            SendMessage(
                cid,
                self.lines[it].user_id,
                secrets.token_bytes(16),
                f"message {n}",
                extras=None if read is None or n % 2 else Extras(read_up_to=read),
            )
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
    @rule(which=which, who=who, how=st.sampled_from(["edit", "delete", "edit and delete", "pin"]))
    def change(self, which: int, who: int, how: str) -> None:
        cid, sender_id, seq = self.messages[which % len(self.messages)]
        user_id = self.lines[who].user_id if who % 2 else sender_id
        commands: list[AnyCommand] = []
        if how == "pin":
            commands.append(PinMessage(cid, user_id, seq, which % 3 > 0))
        if how.startswith("edit"):
            commands.append(EditMessage(cid, sender_id, seq, f"edited {secrets.token_hex(2)}"))
        if how.endswith("delete"):
            commands.append(DeleteMessage(cid, user_id, seq))
        self.world.submit(*commands)

    @precondition(lambda self: self.messages)
    @rule(
        which=which,
        wanted=st.dictionaries(st.tuples(who, st.sampled_from("👍😂")), st.booleans(), min_size=1),
    )
    def react(self, which: int, wanted: dict[tuple[int, str], bool]) -> None:
        cid, _, seq = self.messages[which % len(self.messages)]
        given = {(self.lines[it].user_id, emoji): on for (it, emoji), on in wanted.items()}
        self.world.submit(React(cid, seq, given))

    @precondition(lambda self: self.messages)
    @rule(which=which, readers=st.sets(who, min_size=1), read=st.booleans())
    def receipt(self, which: int, readers: set[int], read: bool) -> None:
        cid, _, seq = self.messages[which % len(self.messages)]
        position = Position(seq, seq if read else 0)
        self.world.submit(AdvanceReceipts(cid, {self.lines[it].user_id: position for it in readers}))

    @precondition(lambda self: self.conversations)
    @rule(
        which=which,
        who=who,
        whom=who,
        how=st.sampled_from(["add", "remove", "quit", "rename", "role", "set up"]),
    )
    def manage(self, which: int, who: int, whom: int, how: str) -> None:
        cid, user, other = self._conversation(which), self.lines[who].user_id, self.lines[whom].user_id
        commands: dict[str, AnyCommand] = {
            "add": AddMembers(cid, user, (other,)),
            "remove": RemoveMember(cid, user, other),
            "quit": RemoveMember(cid, user, user),
            "rename": UpdateConversation(cid, user, {"title": secrets.token_hex(2)}),
            "set up": UpdateConversation(
                cid, user, {"who_adds": list(Who)[who % 2], "data": f'{{"n":{which}}}'}
            ),
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


def check(url: str, limits: Limits, examples: int, steps: int) -> None:
    world = World(url, limits)
    try:
        run_state_machine_as_test(
            type("Here", (Chatting,), {"world": world}),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        world.close()


@pytest.mark.parametrize("is_away", [False, True])
def test_a_list_that_was_hidden_is_told_when_it_is_shown_again(database_url: str, is_away: bool) -> None:
    """Ben stays; Ann left while it was hidden, Dora came. `is_away`: Ben hears of it all only afterwards."""
    world = World(database_url, LIMITS[1])
    try:
        ann, ben, cat, dora = world.people(4)
        cid = new_id()
        world.submit(CreateConversation(cid, ann.user_id, Kind.GROUP, (ben.user_id,)))
        world.sync_all(ben, 200)
        changes = (
            AddMembers(cid, ann.user_id, (cat.user_id, dora.user_id)),
            RemoveMember(cid, ann.user_id, ann.user_id),
            RemoveMember(cid, ben.user_id, cat.user_id),
        )
        for change in changes:
            world.submit(change)
            if not is_away:
                arrive(ben)
                while ben.behind:
                    world.join(ben, ben.behind.pop())
                    arrive(ben)
        world.sync_all(ben, 200)
        held = ben.store.conversations[id_out(cid)]
        assert {user_id: row["role"] for user_id, row in held.members.items()} == {
            id_out(ben.user_id): "owner",
            id_out(dora.user_id): "member",
        }
    finally:
        world.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("limits", LIMITS, ids=["members shown", "or hidden"])
def test_on_sqlite(tmp_path: Path, limits: Limits) -> None:
    check(f"sqlite:///{tmp_path / 'gochat.db'}", limits, examples=40, steps=50)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("limits", LIMITS, ids=["members shown", "or hidden"])
def test_on_a_server(sql_server_url: str, limits: Limits) -> None:
    check(sql_server_url, limits, examples=10, steps=50)
