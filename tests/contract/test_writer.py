"""The conversation writer on every database: one writer, no faults."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from typing import Any

import pytest
from structlog.testing import capture_logs

from gochat.core.command import AnyCommand
from gochat.core.conversations import UpdateConversation
from gochat.core.delta import Committed, Why
from gochat.core.errors import (
    ChatError,
    Forbidden,
    IdempotencyConflict,
    InvalidPayload,
    NotFound,
    Overloaded,
    Unavailable,
)
from gochat.core.limits import Limits
from gochat.core.measures import Measures
from gochat.core.members import AddMembers, RemoveMember, SetRole
from gochat.core.messages import DeleteMessage, EditMessage, SendMessage, Sent
from gochat.core.model import Attachment, Conversation, Message, Role
from gochat.core.receipts import AdvanceReceipts, Position, Receipt
from gochat.storage.committer import NotStoredError
from gochat.storage.dialects import FEW
from gochat.storage.faults import Fault
from gochat.storage.load import Transaction
from tests.services.sql_server import SQLServer
from tests.writing.stored import check, read
from tests.writing.world import direct, group, new_id, new_key, prepare, send, writing


def test_an_answer_comes_after_what_is_published_and_before_that_is_sent(database_url: str) -> None:
    """What is published is sent at the end of the loop's turn: so both go out together."""
    anna, ben = prepare(database_url, 2)
    seen: list[str] = []

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            publish = it.recorder.publish

            def published(committed: Committed) -> None:
                publish(committed)
                seen.append("published")
                asyncio.get_running_loop().call_soon(seen.append, "sent")

            it.recorder.publish = published  # type: ignore[method-assign]
            sending = it.writer.submit(send(cid, anna))
            sending.add_done_callback(lambda _: seen.append("answered"))
            await sending
            await asyncio.sleep(0)

    asyncio.run(scenario())
    assert seen == ["published", "answered", "sent"]


def test_a_message_is_stored_published_and_answered(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)
    picture = Attachment("https://example.org/1.png", "image/png", 9, 1, 2, 'näme "1"')
    body = 'He said: "naïve\\%s\0" \U0001f44d \U0001f1e9\U0001f1ea \u2028\t\n end '

    async def scenario() -> Message:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            sent = await it.send(SendMessage(cid, anna, new_key(), body, attachments=(picture,)))
            assert not sent.duplicate
            assert [change.why for committed in it.recorder.published for change in committed.changes] == [
                Why.CONVERSATION_CREATED,
                Why.MESSAGE_CREATED,
            ]
            assert it.recorder.published[-1].changes[0].delta.messages == (sent.message,)
            return sent.message

    message = asyncio.run(scenario())
    stored = read(database_url)
    check(stored)
    assert stored.messages[(message.conversation_id, 1)] == message
    assert message.body == body
    assert message.attachments == (picture,)
    assert abs(message.created_at - stored.conversations[message.conversation_id].created_at) < 60_000


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 30])
def test_any_text_is_stored_as_it_was_said_in_a_batch_of_any_size(database_url: str, count: int) -> None:
    (anna,) = prepare(database_url, 1)
    bodies = [
        "'",
        '"\\',
        "%s%",
        "a\0b",
        " a ",
        "\U0001f44d",
        "a\u2028",
        "x" * 5000,
        "null",
        "); --",
        "\\u0041",
    ]

    async def scenario() -> list[Message]:
        async with writing(database_url, batch_rows=count) as it:
            cid = await it.create(group(anna))
            sends = [it.send(send(cid, anna, body)) for _ in range(4) for body in bodies]
            return [sent.message for sent in await asyncio.gather(*sends)]

    messages = asyncio.run(scenario())
    stored = read(database_url)
    check(stored)
    assert sorted(stored.messages.values(), key=lambda it: it.seq) == messages


def test_one_batch_keeps_the_order_of_submission(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(group(anna, ben))
            commands = [send(cid, anna if n % 3 else ben, f"{n}") for n in range(600)]
            answers = await it.submit_all(commands)
            sent = [answer.message for answer in answers if isinstance(answer, Sent)]
            assert sorted(it.seq for it in sent) == [*range(1, 601)]
            for user_id in (anna, ben):
                seqs = [it.seq for it in sent if it.sender_id == user_id]
                assert seqs == sorted(seqs)
            assert len(it.recorder.published) < 60

    asyncio.run(scenario())
    check(read(database_url))


def test_a_retry_is_answered_with_the_first_result(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            other = await it.create(group(anna, ben))
            command = send(cid, anna)
            first, second = await it.submit_all([command, command])
            assert isinstance(first, Sent)
            assert isinstance(second, Sent)
            assert second == Sent(first.message, duplicate=True)
            assert await it.send(command) == second
            refused = await it.submit_all(
                [
                    send(cid, anna, "other", command.client_message_id),
                    send(other, anna, key=command.client_message_id),
                ]
            )
            assert all(isinstance(answer, IdempotencyConflict) for answer in refused)
            edited = await it.writer.submit(EditMessage(cid, anna, 1, "edited"))
            assert (await it.send(command)).message == edited
            await it.writer.submit(DeleteMessage(cid, anna, 1))
            again = await it.send(command)
            assert again.duplicate
            assert again.message.body is None
            assert again.message.deleted_at is not None

    asyncio.run(scenario())
    stored = read(database_url)
    check(stored)
    assert len(stored.messages) == 1


def test_a_refused_command_changes_nothing_and_spoils_no_other(database_url: str) -> None:
    anna, ben, eve = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            published = len(it.recorder.published)
            answers = await it.submit_all([send(cid, eve), send(new_id(), eve), send(cid, anna, " ")])
            assert [type(answer) for answer in answers] == [NotFound, NotFound, InvalidPayload]
            assert len(it.recorder.published) == published
            answers = await it.submit_all(
                [send(cid, eve), send(cid, anna), send(cid, ben, " "), send(cid, ben)]
            )
            assert [answer.message.seq for answer in answers if isinstance(answer, Sent)] == [1, 2]

    asyncio.run(scenario())
    stored = read(database_url)
    check(stored)
    assert len(stored.batches) == 2


def test_a_text_that_is_no_unicode_is_refused_alone(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(group(anna, ben))
            await it.send(send(cid, anna))
            commands: list[AnyCommand] = [send(cid, anna, f"{n}") for n in range(20)]
            commands.insert(3, send(cid, ben, "\ud800"))
            commands.insert(5, EditMessage(cid, anna, 1, "\ud800"))
            answers = await it.submit_all(commands)
            assert isinstance(answers.pop(5), InvalidPayload)
            assert isinstance(answers.pop(3), InvalidPayload)
            assert [answer.message.seq for answer in answers if isinstance(answer, Sent)] == [*range(2, 22)]
            assert it.seqs_published() == [*range(1, 22)]

    asyncio.run(scenario())
    check(read(database_url))


def test_a_text_that_no_column_holds_is_refused_alone(sql_server_url: str) -> None:
    anna, ben = prepare(sql_server_url, 2)

    async def scenario() -> None:
        async with writing(sql_server_url, Limits(title=1 << 20), batch_rows=8) as it:
            cid = await it.create(group(anna, ben))
            commands: list[AnyCommand] = [send(cid, anna, f"{n}") for n in range(40)]
            commands.insert(15, UpdateConversation(cid, anna, {"title": "x" * 201}))
            answers = await it.submit_all(commands)
            assert isinstance(answers.pop(15), InvalidPayload)
            assert [answer.message.seq for answer in answers if isinstance(answer, Sent)] == [*range(1, 41)]
            assert it.seqs_published() == [*range(1, 41)]

    asyncio.run(scenario())
    check(read(sql_server_url))


def test_a_batch_that_is_too_large_for_the_server_is_split(
    sql_server: SQLServer, sql_server_url: str
) -> None:
    anna, ben = prepare(sql_server_url, 2)
    bodies = ["x" * 300_000, "1", "y" * 300_000, "z" * 300_000, "v" * 1_200_000, "2"]

    async def scenario() -> None:
        async with writing(sql_server_url, Limits(body=1 << 30), batch_bytes=1 << 30) as it:
            cid = await it.create(group(anna, ben))
            answers = await it.submit_all([send(cid, anna, body) for body in bodies])
            assert isinstance(answers.pop(4), ChatError)
            assert [answer.message.seq for answer in answers if isinstance(answer, Sent)] == [*range(1, 6)]

    with closing(sql_server.admin()) as admin, admin.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.max_allowed_packet")
        (usual,) = cursor.fetchall()[0]
        cursor.execute("SET GLOBAL max_allowed_packet = 1048576")
        try:
            asyncio.run(scenario())
        finally:
            cursor.execute(f"SET GLOBAL max_allowed_packet = {usual}")
    check(read(sql_server_url))


def test_a_direct_conversation_is_created_once(database_url: str) -> None:
    anna, ben, eve = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it:
            ids = await asyncio.gather(
                it.create(direct(anna, ben)),
                it.create(direct(ben, anna)),
                it.create(direct(anna, eve)),
            )
            assert ids[0] == ids[1] != ids[2]
            assert await it.create(direct(ben, anna)) == ids[0]
            with pytest.raises(NotFound):
                await it.writer.submit(direct(anna, 999_999))
            assert len(read(database_url).conversations) == 2

    asyncio.run(scenario())
    check(read(database_url))


def test_a_refused_creation_leaves_no_reservation(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            key = new_key()
            created = [it.writer.submit(group(anna, 999_999, key=key)), it.writer.submit(direct(anna, ben))]
            refused, _ = await asyncio.gather(*created, return_exceptions=True)
            assert isinstance(refused, NotFound)
            assert len(read(database_url).conversations) == 1
            cid = await it.create(group(anna, ben, key=key))
            assert await it.create(group(anna, ben, key=key)) == cid
            with pytest.raises(IdempotencyConflict):
                await it.create(group(anna, key=key))

    asyncio.run(scenario())
    check(read(database_url))


def test_an_id_that_is_taken_overwrites_nothing(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            command = group(anna, ben)
            await it.create(command)
            await it.send(send(command.new_id, anna))
            with pytest.raises(ChatError):
                await it.create(command)

    asyncio.run(scenario())
    check(read(database_url))


def test_members_come_go_and_inherit(database_url: str) -> None:
    anna, ben, eve, dan = prepare(database_url, 4)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(group(anna, ben))
            submit = it.writer.submit
            added = submit(AddMembers(cid, anna, (eve, dan, ben)))
            renamed = submit(UpdateConversation(cid, anna, {"title": "Ünïcode 👍"}))
            role = submit(SetRole(cid, anna, eve, Role.ADMIN))
            quits = submit(RemoveMember(cid, anna, anna))
            again = submit(RemoveMember(cid, anna, anna))
            answers = await asyncio.gather(added, renamed, role, quits, again, return_exceptions=True)
            assert [type(answer) for answer in answers] == [Conversation] * 4 + [NotFound]
            stored = read(database_url)
            check(stored)
            assert stored.members[(cid, eve)].role is Role.OWNER
            assert stored.conversations[cid].title == "Ünïcode 👍"
            assert stored.conversations[cid].member_count == 3
            with pytest.raises(Forbidden):
                await submit(RemoveMember(cid, ben, eve))
            await asyncio.gather(
                *(submit(RemoveMember(cid, user_id, user_id)) for user_id in (eve, ben, dan))
            )

    asyncio.run(scenario())
    stored = read(database_url)
    check(stored)
    assert not any(member.active for member in stored.members.values())


def test_receipts_and_unread(database_url: str) -> None:
    anna, ben, eve = prepare(database_url, 3)

    async def scenario() -> None:
        async with writing(database_url) as it:
            submit = it.writer.submit
            cid = await it.create(group(anna, ben, eve))
            other = await it.create(direct(anna, ben))
            await it.submit_all([send(cid, anna) for _ in range(10)] + [send(other, anna) for _ in range(3)])
            deleted = [submit(DeleteMessage(cid, anna, seq)) for seq in (2, 3, 9)]
            await asyncio.gather(*deleted)
            check(read(database_url))
            read_to = AdvanceReceipts(
                cid, {ben: Position(read_seq=2), eve: Position(delivered_seq=10), 999_999: Position()}
            )
            answer = await submit(read_to)
            assert isinstance(answer, dict)
            assert answer[ben] == Receipt(2, 2, unread=6, total_unread=9)
            assert answer[eve] == Receipt(10, 0, unread=7, total_unread=7)
            assert isinstance(answer[999_999], NotFound)
            (change,) = it.recorder.published[-1].changes
            assert change.why is Why.RECEIPT_ADVANCED
            own = {me.user_id: me for me in it.recorder.published[-1].me}
            assert own.keys() == {ben, eve}
            assert (own[ben].since, own[ben].revision, own[ben].total_unread) == (0, 1, 9)
            assert [(it.member.read_seq, it.unread) for it in own[ben].conversations] == [(2, 6)]
            check(read(database_url))
            # Deleted within the batch, before and after the receipt.
            answers = await asyncio.gather(
                submit(DeleteMessage(cid, anna, 8)),
                submit(AdvanceReceipts(cid, {ben: Position(read_seq=5)})),
                submit(DeleteMessage(cid, anna, 10)),
            )
            assert answers[1] == {ben: Receipt(5, 5, unread=3, total_unread=5)}
            check(read(database_url))
            answer = await submit(AdvanceReceipts(cid, {ben: Position(read_seq=4)}))
            assert answer == {ben: Receipt(5, 5, unread=2, total_unread=5)}

    asyncio.run(scenario())
    stored = read(database_url)
    check(stored)
    assert stored.me_revisions == {anna: 0, ben: 2, eve: 1}


def test_a_plain_send_is_written_with_its_commit(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read after what it writes: that would take one more round trip."""
    anna, ben = prepare(database_url, 2)
    steps: list[str] = []

    def noted(name: str) -> None:
        step = getattr(Transaction, name)

        def note(transaction: Transaction, *given: Any) -> Any:
            steps.append(name)
            return step(transaction, *given)

        monkeypatch.setattr(Transaction, name, note)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            for name in ("find_each", "write", "commit"):
                noted(name)
            await it.send(send(cid, anna))
            assert steps[steps.index("write") :] == ["write", "commit"]

    asyncio.run(scenario())


def test_a_slow_batch_is_told_with_its_own_times(database_url: str) -> None:
    """While it is published the next one runs, and its times are of no matter."""
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        measures = Measures(slow_s=0.0)
        async with writing(database_url, batch_rows=1, measures=measures) as it:
            cid = await it.create(direct(anna, ben))
            publish, ends = it.recorder.publish, []

            def late(committed: Committed) -> None:
                ends.append(time.monotonic())
                time.sleep(0.03)
                publish(committed)

            it.recorder.publish = late  # type: ignore[method-assign]
            began = time.monotonic()
            with capture_logs() as logs:
                await it.submit_all(send(cid, anna) for _ in range(4))
            told = [line for line in logs if line["event"] == "slow_batch"]
            assert len(told) == 4
            for line, published in zip(told, ends, strict=True):
                parts = [line[f"{part}_ms"] for part in ("queue", "run", "commit", "deliver")]
                assert min(parts) >= 0
                rounded = 2
                assert abs(line["ms"] - sum(parts)) <= rounded
                committed_ms = line["ms"] - line["deliver_ms"]
                assert committed_ms <= (published - began) * 1_000 + rounded, "before it was published"

    asyncio.run(scenario())


def test_a_full_queue_refuses_at_once(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url, queue_max=10) as it:
            cid = await it.create(direct(anna, ben))
            accepted: list[Awaitable[Sent]] = []

            def flood() -> None:
                for _ in range(10_000):
                    accepted.append(it.writer.submit(send(cid, anna)))

            with pytest.raises(Overloaded) as refused:
                flood()
            assert refused.value.retry_after_ms
            sent = await asyncio.gather(*accepted)
            assert len(sent) == len(accepted)

    asyncio.run(scenario())
    check(read(database_url))


def test_what_was_submitted_is_published_though_nobody_waits(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            waiting = it.writer.submit(send(cid, anna))
            waiting.cancel()
            second = await it.send(send(cid, anna))
            assert second.message.seq == 2
            assert [m.seq for c in it.recorder.published for d in c.changes for m in d.delta.messages] == [
                1,
                2,
            ]

    asyncio.run(scenario())
    check(read(database_url))


def test_stopping_finishes_what_was_accepted(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            accepted = [it.writer.submit(send(cid, anna)) for _ in range(500)]
            stopping = asyncio.create_task(it.writer.stop())
            await asyncio.sleep(0)
            with pytest.raises(Unavailable):
                it.writer.submit(send(cid, anna))
            await stopping
            assert len(await asyncio.gather(*accepted)) == 500

    asyncio.run(scenario())
    stored = read(database_url)
    check(stored)
    assert len(stored.messages) == 500


def test_a_batch_is_bounded_in_bytes(database_url: str) -> None:
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url, batch_bytes=40_000) as it:
            cid = await it.create(direct(anna, ben))
            await it.submit_all([send(cid, anna, "x" * 4_000) for _ in range(20)])
            largest = max(len(d.delta.messages) for c in it.recorder.published for d in c.changes)
            assert largest * 8_000 <= 40_000  # as hexadecimal digits

    asyncio.run(scenario())
    check(read(database_url))


def test_receipts_of_many_let_others_have_their_turn(database_url: str) -> None:
    users = prepare(database_url, 41)

    async def scenario() -> None:
        async with writing(database_url, batch_rows=4) as it:
            cid, other = await it.create(group(*users)), await it.create(direct(*users[:2]))
            await it.send(send(cid, users[0]))
            receipts = it.writer.submit(AdvanceReceipts(cid, dict.fromkeys(users[1:], Position(1, 1))))
            await asyncio.sleep(0)
            await it.send(send(other, users[0]))
            assert not receipts.done()
            answers = await receipts
            assert list(answers) == list(users[1:])
            assert all(isinstance(answer, Receipt) for answer in answers.values())

    asyncio.run(scenario())
    check(read(database_url))


def test_a_batch_of_which_all_were_answered_meanwhile_may_fail(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is left who could be told, and the next are written as ever."""
    anna, ben = prepare(database_url, 2)

    async def scenario() -> None:
        async with writing(database_url) as it:
            cid = await it.create(direct(anna, ben))
            answered, tried = threading.Event(), threading.Event()

            def commit(batch: Callable[[], Sequence[object]], *_: object, **__: object) -> None:
                answered.wait(30)
                assert not batch()
                tried.set()
                raise NotStoredError(Fault.DATA)

            with monkeypatch.context() as patch:
                patch.setattr(it.writer._committer, "commit", commit)
                first = it.writer.submit(send(cid, anna))
                first.set_exception(Unavailable())
                answered.set()
                with pytest.raises(Unavailable):
                    await first
                assert await asyncio.to_thread(tried.wait, 30)
            sent = await asyncio.wait_for(it.send(send(cid, anna)), 30)
            assert sent.message.seq == 1

    asyncio.run(scenario())
