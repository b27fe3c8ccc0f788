"""What a phone lacks, and what a process missed, read on every database."""

import asyncio
import itertools
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import orjson
import pytest
from sqlalchemy import Engine, event

from gochat.contract.cursor import Cursors
from gochat.contract.encode import delta_out, sync_out
from gochat.core.command import AnyCommand
from gochat.core.conversations import UpdateConversation
from gochat.core.delta import Delta
from gochat.core.errors import NotFound
from gochat.core.limits import Limits
from gochat.core.members import AddMembers, RemoveMember, SetRole
from gochat.core.messages import DeleteMessage, EditMessage
from gochat.core.model import Role
from gochat.core.queries import SyncPosition
from gochat.core.receipts import AdvanceReceipts, Position
from gochat.core.sync import MAX_BYTES, MAX_CHANGES, NEWEST
from gochat.storage.engines import write_engine
from tests.reading.phone import Phone
from tests.reading.world import NOBODY, UNKNOWN, asking, newcomers_group, reading, send_many
from tests.writing.world import LIMITS, direct, group, prepare, send, writing

SMALL = Limits(shown_members=2)
ONE_MORE = 1_000
"""Bytes around an answer."""


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that run meanwhile."""
    seen: list[str] = []

    def note(*arguments: object) -> None:
        seen.append(str(arguments[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def set_epoch(url: str, epoch: str) -> None:
    engine = write_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"UPDATE epochs SET epoch = '{epoch}'")
    engine.dispose()


def size(deltas: Iterable[Delta]) -> int:
    """Bytes on the wire."""
    return len(orjson.dumps([delta_out(delta) for delta in deltas]))


def seqs(delta: Delta) -> list[int]:
    return [message.seq for message in delta.messages]


class TestChanges:
    """`changes`: the answer to a join."""

    def test_whole_to_whom_knows_nothing(self, database_url: str) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cid = await it.create(group(anna, ben))
                await send_many(it, cid, anna, NEWEST + 5)
                for nothing in (None, 0):
                    delta = await reader.changes(ben, cid, nothing)
                    assert (delta.since, delta.revision) == (0, NEWEST + 6)
                    assert not delta.gap
                    assert seqs(delta) == list(range(6, NEWEST + 6))
                    assert sorted(member.user_id for member in delta.members) == [anna, ben]
                    view = await reader.conversation(ben, cid)
                    assert (delta.conversation, delta.me) == (view.conversation, view.me)
                    assert delta.last_message == view.last_message == delta.messages[-1]

        asyncio.run(scenario())

    def test_what_changed_after_a_revision(self, database_url: str) -> None:
        anna, ben, carl = prepare(database_url, 3)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cid = await it.create(group(anna, ben))
                await send_many(it, cid, anna, 5)
                now = (await reader.changes(ben, cid, None)).revision
                same = await reader.changes(ben, cid, now)
                assert (same.since, same.revision, same.messages, same.members) == (now, now, (), ())
                assert same.conversation is not None
                assert same.me is not None
                edited = await it.writer.submit(EditMessage(cid, anna, 2, "better"))
                deleted = await it.writer.submit(DeleteMessage(cid, anna, 4))
                await it.writer.submit(AddMembers(cid, anna, (carl,)))
                await it.writer.submit(SetRole(cid, anna, ben, Role.ADMIN))
                await it.writer.submit(RemoveMember(cid, anna, carl))
                await it.writer.submit(UpdateConversation(cid, anna, {"title": "New"}))
                delta = await reader.changes(ben, cid, now)
                assert (delta.since, delta.revision, delta.gap) == (now, now + 6, False)
                assert delta.messages == (edited, deleted)
                assert {it.user_id: it.active for it in delta.members} == {ben: True, carl: False}
                assert delta.conversation is not None
                assert delta.conversation.title == "New"
                half = await reader.changes(ben, cid, now + 1)
                assert half.messages == (deleted,)

        asyncio.run(scenario())

    def test_too_much_or_an_unknown_revision_is_a_gap(self, database_url: str) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cid = await it.create(direct(anna, ben))
                await send_many(it, cid, anna, MAX_CHANGES + 1)
                enough = await reader.changes(ben, cid, 2)
                assert (enough.since, enough.gap, len(enough.messages)) == (2, False, MAX_CHANGES)
                for since in (1, -1, -(2**63), MAX_CHANGES + 3, 2**53):
                    delta = await reader.changes(ben, cid, since)
                    assert (delta.since, delta.revision, delta.gap) == (0, MAX_CHANGES + 2, True)
                    assert len(delta.messages) == NEWEST
                for _ in range(5):
                    await it.writer.submit(EditMessage(cid, anna, 7, str(random.random())))
                many_revisions_of_few = await reader.changes(ben, cid, 3)
                assert many_revisions_of_few.gap is False
                assert len(many_revisions_of_few.messages) == MAX_CHANGES - 1

        asyncio.run(scenario())

    def test_who_joined_again_is_told_whole(self, database_url: str) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cid = await it.create(newcomers_group(anna, ben))
                await send_many(it, cid, anna, 3)
                known = (await reader.changes(ben, cid, None)).revision
                await it.writer.submit(RemoveMember(cid, anna, ben))
                with pytest.raises(NotFound):
                    await reader.changes(ben, cid, known)
                await send_many(it, cid, anna, 3)
                await it.writer.submit(AddMembers(cid, anna, (ben,)))
                await send_many(it, cid, anna, 2)
                delta = await reader.changes(ben, cid, known)
                assert (delta.since, delta.gap, seqs(delta)) == (0, True, [7, 8])

        asyncio.run(scenario())

    def test_what_is_older_than_a_member_is_kept_from_him(self, database_url: str) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cid = await it.create(newcomers_group(anna))
                await send_many(it, cid, anna, 3)
                await it.writer.submit(AddMembers(cid, anna, (ben,)))
                whole = await reader.changes(ben, cid, None)
                assert (whole.messages, whole.last_message) == ((), None)
                await it.writer.submit(EditMessage(cid, anna, 2, "secret"))
                await send_many(it, cid, anna, 1)
                delta = await reader.changes(ben, cid, whole.revision)
                assert (delta.since, delta.revision) == (whole.revision, whole.revision + 2)
                assert seqs(delta) == [4]
                assert seqs(await reader.changes(anna, cid, whole.revision)) == [2, 4]

        asyncio.run(scenario())

    def test_a_large_group_tells_a_member_only_his_own_row(self, database_url: str) -> None:
        anna, ben, carl = prepare(database_url, 3)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url, SMALL) as reader:
                cid = await it.create(group(anna, ben, carl))
                whole = await reader.changes(ben, cid, None)
                assert [member.user_id for member in whole.members] == [ben]
                await it.writer.submit(SetRole(cid, anna, carl, Role.ADMIN))
                assert (await reader.changes(ben, cid, 1)).members == ()
                await it.writer.submit(SetRole(cid, anna, ben, Role.ADMIN))
                assert [it.user_id for it in (await reader.changes(ben, cid, 1)).members] == [ben]
                await it.writer.submit(RemoveMember(cid, anna, carl))
                delta = await reader.changes(ben, cid, 1)
                assert sorted(it.user_id for it in delta.members) == [ben, carl]

        asyncio.run(scenario())

    def test_a_stranger_is_told_nothing(self, database_url: str) -> None:
        anna, ben, eve = prepare(database_url, 3)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cid = await it.create(direct(anna, ben))
                for user_id, conversation_id in ((eve, cid), *((anna, it) for it in UNKNOWN)):
                    with pytest.raises(NotFound):
                        await reader.changes(user_id, conversation_id, 1)

        asyncio.run(scenario())


class TestRepair:
    """`repair`: for a process that missed a delta."""

    def test_it_tells_what_all_members_see(self, database_url: str) -> None:
        anna, ben, carl = prepare(database_url, 3)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url, SMALL) as reader:
                cid = await it.create(newcomers_group(anna, ben))
                await send_many(it, cid, anna, 3)
                await it.writer.submit(AddMembers(cid, anna, (carl,)))
                change = await reader.repair(cid, 2)
                delta = change.delta
                assert (delta.since, delta.revision, delta.gap) == (2, 5, False)
                assert seqs(delta) == [2, 3]
                assert (change.joined, change.left, change.theirs) == ((carl,), (), ())
                assert delta.conversation is not None
                assert (delta.conversation.member_count, delta.members) == (3, ())
                assert (delta.me, delta.last_message) == (None, None)
                whole = await reader.repair(cid, 6)
                assert (whole.delta.since, whole.delta.revision, whole.delta.gap) == (0, 5, True)
                assert seqs(whole.delta) == [1, 2, 3]
                assert (sorted(whole.joined), whole.left) == ([anna, ben, carl], ())
                await it.writer.submit(RemoveMember(cid, anna, carl))
                change = await reader.repair(cid, 5)
                assert (change.left, [it.user_id for it in change.delta.members]) == ((carl,), [carl])
                with pytest.raises(NotFound):
                    await reader.repair(NOBODY, 1)

        asyncio.run(scenario())

    def test_in_parts_many_changes_are_told_one_by_one(self, database_url: str) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cid = await it.create(direct(anna, ben))
                await send_many(it, cid, anna, 2 * MAX_CHANGES + 5)
                told: list[int] = []
                since = 1
                for count in (MAX_CHANGES, MAX_CHANGES, 5):
                    delta = await reader.changes(ben, cid, since, in_parts=True)
                    assert (delta.since, delta.revision, delta.gap) == (since, since + count, False)
                    told += seqs(delta)
                    since = delta.revision
                assert told == list(range(1, 2 * MAX_CHANGES + 6))

        asyncio.run(scenario())

    @pytest.mark.parametrize("limits", [LIMITS, SMALL])
    def test_its_first_part_knows_who_comes_and_goes_in_all_of_it(
        self, database_url: str, limits: Limits
    ) -> None:
        """Of many messages, and of few that are long: the rest may be for others."""
        anna, ben, carl, dora = prepare(database_url, 4)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url, limits) as reader:
                for said in (["1"] * (MAX_CHANGES + 1), ["👍" * 7_990] * 12):
                    cid = await it.create(newcomers_group(anna, ben, carl))
                    await it.submit_all([send(cid, anna, body) for body in said])
                    await it.writer.submit(RemoveMember(cid, anna, ben))
                    await it.writer.submit(RemoveMember(cid, anna, carl))
                    await it.writer.submit(AddMembers(cid, anna, (carl, dora)))
                    change = await reader.repair(cid, 1)
                    assert change.delta.revision < change.as_of == len(said) + 4
                    assert (sorted(change.joined), change.left) == ([carl, dora], (ben,))

        asyncio.run(scenario())

    def test_the_whole_tells_who_left_before_it_was_read(self, database_url: str) -> None:
        anna, ben, carl = prepare(database_url, 3)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cid = await it.create(group(anna, ben, carl))
                await it.writer.submit(RemoveMember(cid, anna, carl))
                change = await reader.repair(cid, 0)
                assert (change.delta.since, change.delta.revision) == (0, 2)
                assert (sorted(change.joined), change.left) == ([anna, ben], (carl,))

        asyncio.run(scenario())


class TestSync:
    """`sync`: everything that a phone lacks."""

    def test_a_new_phone_is_told_everything_newest_first(self, database_url: str) -> None:
        anna, ben, carl = prepare(database_url, 3)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                quiet = await it.create(direct(anna, ben))
                await asyncio.sleep(0.003)  # what is of one millisecond is ordered by id
                busy = await it.create(group(anna, ben, carl))
                await send_many(it, busy, anna, 2)
                page = await reader.sync(ben, asking())
                assert [delta.conversation_id for delta in page.conversations] == [busy, quiet]
                for delta in page.conversations:
                    assert delta == await reader.changes(ben, delta.conversation_id, None)
                assert page.position is None
                assert page.me is not None
                assert (page.me.since, page.me.revision, page.me.gap) == (0, 0, False)
                assert [(own.member.conversation_id, own.unread) for own in page.me.conversations] == [
                    (busy, 2)
                ]
                assert page.me.total_unread == 2
                assert page.epoch
                view = await reader.conversation(ben, busy)
                assert abs(page.server_time - view.conversation.last_message_at) < 60_000

        asyncio.run(scenario())

    def test_nothing_new_costs_one_statement(self, database_url: str) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cid = await it.create(direct(anna, ben))
                await send_many(it, cid, anna, 2)
                first = await reader.sync(ben, asking())
                assert first.me is not None
                with statements() as seen:
                    page = await reader.sync(ben, asking({cid: 3}, me=first.me.revision, epoch=first.epoch))
                assert len(seen) == 1
                assert (page.conversations, page.me, page.position) == ((), None, None)
                assert page.epoch == first.epoch

        asyncio.run(scenario())

    def test_who_is_nowhere_a_member_is_told_nothing(self, database_url: str) -> None:
        (anna,) = prepare(database_url, 1)

        async def scenario() -> None:
            async with reading(database_url) as reader:
                for user_id in (anna, NOBODY):
                    page = await reader.sync(user_id, asking(me=0))
                    assert (page.conversations, page.me, page.position) == ((), None, None)

        asyncio.run(scenario())

    def test_his_own_log(self, database_url: str) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                one, other = await it.create(group(anna, ben)), await it.create(group(anna, ben))
                await send_many(it, one, anna, 3)
                await send_many(it, other, anna, 4)
                await it.writer.submit(AdvanceReceipts(one, {ben: Position(0, 2)}))
                await it.writer.submit(AdvanceReceipts(other, {ben: Position(4, 1)}))
                page = await reader.sync(ben, asking(me=1))
                assert page.me is not None
                assert (page.me.since, page.me.revision, page.me.gap) == (1, 2, False)
                (own,) = page.me.conversations
                assert (own.member.conversation_id, own.member.read_seq, own.unread) == (other, 1, 3)
                assert page.me.total_unread == 4
                for unknown in (3, -1, 2**53):
                    me = (await reader.sync(ben, asking(me=unknown))).me
                    assert me is not None
                    assert (me.since, me.revision, me.gap, len(me.conversations)) == (0, 2, True, 2)
                await it.writer.submit(RemoveMember(other, ben, ben))
                me = (await reader.sync(ben, asking(me=0))).me
                assert me is not None
                assert [it.member.conversation_id for it in me.conversations] == [one]
                assert me.total_unread == 1

        asyncio.run(scenario())

    def test_what_he_left_is_removed_and_a_foreign_one_says_nothing(self, database_url: str) -> None:
        anna, ben, eve = prepare(database_url, 3)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                left, foreign = await it.create(group(anna, ben)), await it.create(group(anna, eve))
                await send_many(it, left, anna, 3)
                await send_many(it, foreign, anna, 3)
                await it.writer.submit(RemoveMember(left, anna, ben))
                await send_many(it, left, anna, 3)
                page = await reader.sync(ben, asking({left: 4, foreign: 2, NOBODY: 2, -1: -7}))
                assert set(page.conversations) == {
                    Delta(left, since=4, revision=5, removed=True),
                    Delta(foreign, since=2, revision=3, removed=True),
                    Delta(NOBODY, since=2, revision=3, removed=True),
                    Delta(-1, since=-7, revision=0, removed=True),
                }
                assert (await reader.sync(ben, asking())).conversations == ()

        asyncio.run(scenario())

    def test_a_forged_position_does_no_harm(self, database_url: str) -> None:
        anna, ben, eve = prepare(database_url, 3)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                mine, foreign = await it.create(group(anna, ben)), await it.create(group(anna, eve))
                await send_many(it, mine, anna, 3)
                epoch = (await reader.sync(ben, asking())).epoch
                for cid, at, revision in itertools.product((mine, foreign), (0, 2**80), (0, 2, -1, 2**80)):
                    for moved in (False, True):
                        position = SyncPosition(at, moved, at, cid, revision, epoch, gap=False)
                        page = await reader.sync(ben, asking({mine: 1}, position=position))
                        assert {delta.conversation_id for delta in page.conversations} <= {mine}
                        assert page.position is None

        asyncio.run(scenario())

    def test_with_another_epoch_all_is_a_gap(self, database_url: str) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cids = [await it.create(group(anna, ben)) for _ in range(3)]
                for cid in cids:
                    await send_many(it, cid, anna, 2)
                known = dict.fromkeys(cids[:2], 3)
                page = await reader.sync(ben, asking(known, me=0, epoch="another"))
                assert {it.conversation_id: it.gap for it in page.conversations} == {
                    cids[0]: True,
                    cids[1]: True,
                    cids[2]: False,
                }
                assert page.me is not None
                assert page.me.gap
                assert (await reader.sync(ben, asking(known, epoch=page.epoch))).conversations == tuple(
                    [it for it in page.conversations if not it.gap]
                )

        asyncio.run(scenario())

    def test_an_epoch_that_changes_between_pages_begins_anew(self, database_url: str) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cids = [await it.create(group(anna, ben)) for _ in range(3)]
                for cid in cids:
                    await send_many(it, cid, anna, 2)
                first = await reader.sync(ben, asking(limit=2))
                assert first.position is not None
                set_epoch(database_url, "fresh")
                told: dict[int, bool] = {}
                known = {it.conversation_id: it.revision for it in first.conversations}
                asked = asking(known, epoch=first.epoch, position=first.position, limit=2)
                while True:
                    page = await reader.sync(ben, asked)
                    told = {it.conversation_id: it.gap for it in page.conversations} | told
                    if page.position is None:
                        break
                    asked = asking(known, epoch=page.epoch, position=page.position, limit=2)
                assert told == {cid: cid in known for cid in cids}

        asyncio.run(scenario())

    @pytest.mark.parametrize("forgetful", [False, True])
    def test_pages_are_bounded_and_together_tell_all(self, database_url: str, forgetful: bool) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cids = [await it.create(group(anna, ben)) for _ in range(5)]
                for count, cid in enumerate(cids):
                    await send_many(it, cid, anna, 7 * count)
                phone = Phone(ben, forgetful)
                assert await phone.sync(reader, limit=20) > 1
                await phone.check(reader)
                for cid in cids[1:]:
                    for seq in range(1, 7):
                        await it.writer.submit(EditMessage(cid, anna, seq, "edited"))
                page = await reader.sync(ben, asking(phone.known, limit=10))
                assert sum(len(delta.messages) for delta in page.conversations) == 10
                partial = page.conversations[-1]
                assert partial.revision == partial.messages[-1].revision
                assert page.position is not None
                assert page.position.revision == partial.revision
                assert await phone.sync(reader, limit=10) > 2
                await phone.check(reader)
                assert await phone.sync(reader) == 1

        asyncio.run(scenario())

    @pytest.mark.parametrize("forgetful", [False, True])
    @pytest.mark.parametrize("body", ["\N{THUMBS UP SIGN}" * 7_990, "\x01" * 7_990], ids=["long", "escaped"])
    def test_pages_of_long_messages_are_bounded_too(
        self, database_url: str, body: str, forgetful: bool
    ) -> None:
        anna, ben = prepare(database_url, 2)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cids = [await it.create(group(anna, ben)) for _ in range(3)]
                for cid in cids:
                    await it.submit_all([send(cid, anna, f"{n}{body}") for n in range(10, 30)])
                phone = Phone(ben, forgetful)
                whole = await reader.sync(ben, asking())
                assert 0 < size(whole.conversations) < MAX_BYTES + ONE_MORE
                assert await phone.sync(reader) > len(cids) - 1
                await phone.check(reader)
                for cid in cids:
                    for seq in range(1, 21):
                        await it.writer.submit(EditMessage(cid, anna, seq, body + "!"))
                page = await reader.sync(ben, asking(phone.known))
                assert 0 < size(page.conversations) < MAX_BYTES + ONE_MORE
                assert page.position is not None
                assert page.conversations[0].since == 21
                joined = await reader.changes(ben, cids[0], 21)
                assert (joined.since, joined.revision, joined.gap) == (0, 41, True)
                assert 0 < size([joined]) < MAX_BYTES + ONE_MORE
                assert seqs(joined) == list(range(21 - len(joined.messages), 21))
                repaired = (await reader.repair(cids[0], 21)).delta
                assert (repaired.since, seqs(repaired)) == (21, list(range(1, repaired.revision - 20)))
                assert 0 < size([repaired]) < MAX_BYTES + ONE_MORE
                assert await phone.sync(reader) > len(cids)
                await phone.check(reader)

        asyncio.run(scenario())

    @pytest.mark.parametrize("forgetful", [False, True])
    def test_phones_catch_up_while_the_conversations_go_on(self, database_url: str, forgetful: bool) -> None:
        anna, ben, carl, dora = users = prepare(database_url, 4)
        chance = random.Random(20261122)

        async def scenario() -> None:
            async with writing(database_url) as it, reading(database_url) as reader:
                cids = [await it.create(group(anna, ben, carl)) for _ in range(4)]
                cids += [await it.create(newcomers_group(anna, ben, carl)) for _ in range(4)]
                phones = [Phone(user_id, forgetful) for user_id in users]

                async def talk() -> None:
                    for _ in range(60):
                        cid, user_id = chance.choice(cids), chance.choice(users)
                        seq, body = chance.randint(1, 9), str(chance.random())
                        commands: list[AnyCommand] = [
                            send(cid, user_id, body),
                            send(cid, user_id, body),
                            EditMessage(cid, user_id, seq, body),
                            DeleteMessage(cid, user_id, seq),
                            AdvanceReceipts(cid, {user_id: Position(seq, seq)}),
                            AddMembers(cid, anna, (dora,)),
                            RemoveMember(cid, anna, dora),
                            UpdateConversation(cid, anna, {"title": body}),
                        ]
                        await it.submit_all(chance.choices(commands, k=5))

                async def follow(phone: Phone, until: asyncio.Task[None]) -> None:
                    while not until.done():
                        await phone.sync(reader, limit=chance.randint(1, 30))
                    await phone.sync(reader)
                    await phone.check(reader)

                talking = asyncio.create_task(talk())
                await asyncio.gather(talking, *(follow(phone, talking) for phone in phones))

        asyncio.run(scenario())


def test_the_first_page_of_a_new_phone_is_its_first_screen(database_url: str) -> None:
    """The 20 newest conversations in 64 KiB; then the rest, and older messages by history."""
    anna, *others = prepare(database_url, 26)

    async def scenario() -> None:
        async with writing(database_url) as it, reading(database_url) as reader:
            cids = [await it.create(direct(anna, other)) for other in others]
            for cid in cids:
                await it.submit_all(send(cid, anna, f"{n} " + "x" * 300) for n in range(30))
                await asyncio.sleep(0.003)  # what is of one millisecond is ordered by id
            page = await reader.sync(anna, asking())
            assert [delta.conversation_id for delta in page.conversations] == cids[:4:-1]
            shape = sync_out(page, anna, Cursors([b"k" * 32]))
            assert len(orjson.dumps(shape)) <= 64 * 1024
            for delta in page.conversations:
                assert delta.since == 0
                seqs = [message.seq for message in delta.messages]
                assert seqs == list(range(31 - len(seqs), 31))
                assert delta.last_message is not None  # what a list of conversations shows
            rest = await reader.sync(anna, replace(asking(), position=page.position))
            assert set(cids[:5]) <= {delta.conversation_id for delta in rest.conversations}

    asyncio.run(scenario())
