"""The conversation writer among others, and under faults: nothing acked is lost, doubled or out of order."""

import asyncio
import itertools
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from gochat.core.model import ConversationId, UserId
from tests.services.mysql import connect, kill_connection
from tests.services.process import Process
from tests.services.sql_server import SQLServer
from tests.writing.process import Orders, Report, report, start
from tests.writing.stored import Stored, check, read
from tests.writing.world import group, prepare, send, writing

Conversations = list[tuple[ConversationId, Sequence[UserId]]]

USERS = 8


def _groups(url: str, count: int) -> Conversations:
    """A database with groups of all users."""
    users = prepare(url, USERS)

    async def create() -> Conversations:
        async with writing(url) as it:
            return [(await it.create(group(*users)), users) for _ in range(count)]

    return asyncio.run(create())


@contextmanager
def _processes(orders: Sequence[Orders], directory: Path) -> Iterator[list[Process]]:
    """Writing processes, killed at the end if they are still there."""
    running: list[Process] = []
    try:
        for n, order in enumerate(orders):
            running.append(start(order, directory / f"process-{n}.log"))
        yield running
    finally:
        for process in running:
            process.kill()


def _finish(processes: Sequence[Process]) -> list[Report]:
    """Let them stop by themselves."""
    for process in processes:
        assert process.stop(60) == 0, process.log[-4000:]
    return [report(process) for process in processes]


def _wait(processes: Sequence[Process], condition: Callable[[], bool], timeout: float = 90) -> None:
    """Wait for a condition while they all run."""
    processes[0].wait_until(lambda: all(it.returncode is None for it in processes) and condition(), timeout)


def _answers(processes: Sequence[Process]) -> int:
    return sum(process.log.count('["sent"') for process in processes)


def _check(url: str, reports: Sequence[Report]) -> Stored:
    """Every ack as stored; every revision published once, in order, by the process that wrote it."""
    stored = read(url)
    check(stored)
    by_key = {message.client_message_id: message for message in stored.messages.values()}
    for it in reports:
        for key, (cid, seq, created_at) in it.sent.items():
            message = by_key[key]
            assert (message.conversation_id, message.seq, message.created_at) == (cid, seq, created_at)
        assert set(it.refused) <= {"message_deleted", "idempotency_conflict"}
        for cid in stored.conversations:
            spans = [span for of, *span in it.published if of == cid]
            assert spans == sorted(spans)
    for cid, conversation in stored.conversations.items():
        spans = sorted(span for it in reports for of, *span in it.published if of == cid)
        assert [since for since, _ in spans] == [1, *(until for _, until in spans[:-1])]
        assert spans[-1][1] == conversation.revision
    return stored


def test_processes_share_conversations_and_retry_keys(database_url: str, tmp_path: Path) -> None:
    conversations = _groups(database_url, 4)
    orders = [Orders(database_url, seed, 24, 300, conversations) for seed in (1, 2)]
    with _processes(orders, tmp_path) as processes:
        _wait(processes, lambda: _answers(processes) > 1_500)
        reports = _finish(processes)
    stored = _check(database_url, reports)
    assert reports[0].sent.keys() & reports[1].sent.keys()
    assert any("idempotency_conflict" in it.refused for it in reports)
    assert len(stored.messages) == len(reports[0].sent | reports[1].sent)


def test_processes_change_the_same_messages(database_url: str, tmp_path: Path) -> None:
    """No unique key would stop one of them from writing over what the other wrote: only the lock does."""
    conversations = _groups(database_url, 2)

    async def send_first() -> None:
        async with writing(database_url) as it:
            await it.submit_all([send(cid, users[0]) for cid, users in conversations])

    asyncio.run(send_first())
    orders = [Orders(database_url, seed, 8, conversations=conversations, edits=True) for seed in (1, 2)]
    with _processes(orders, tmp_path) as processes:
        _wait(processes, lambda: all(it.log.count('["edited"') > 200 for it in processes))
        reports = _finish(processes)
    stored = read(database_url)
    check(stored)
    edits = sum(revision - since for it in reports for _, since, revision in it.published)
    assert edits == sum(it.revision - 2 for it in stored.conversations.values())


def test_both_create_the_same_direct_conversations_at_once(database_url: str, tmp_path: Path) -> None:
    users = prepare(database_url, 16)
    pairs = list(itertools.permutations(users, 2))
    orders = [Orders(database_url, seed, pairs=pairs) for seed in (1, 2)]
    with _processes(orders, tmp_path) as processes:
        _wait(processes, lambda: all(it.log.count('["pair"') == len(pairs) for it in processes))
        reports = _finish(processes)
    stored = read(database_url)
    check(stored)
    assert reports[0].pairs == reports[1].pairs
    assert len(stored.conversations) == len(pairs) / 2
    assert all(reports[0].pairs[(one, other)] == reports[0].pairs[(other, one)] for one, other in pairs)


def test_connections_killed_in_commit_lose_and_double_nothing(
    sql_server: SQLServer, sql_server_url: str, tmp_path: Path
) -> None:
    conversations = _groups(sql_server_url, 4)
    orders = [Orders(sql_server_url, seed, 24, 300, conversations) for seed in (1, 2)]
    with _processes(orders, tmp_path) as processes:

        def enough() -> bool:
            _kill_commits(sql_server)
            return sum(it.log.count("An undecided batch is") for it in processes) >= 20

        _wait(processes, enough)
        reports = _finish(processes)
    _check(sql_server_url, reports)


def _kill_commits(sql_server: SQLServer) -> None:
    """Look a few times, and kill what is committing at the moment."""
    with closing(sql_server.admin()) as connection, connection.cursor() as cursor:
        for _ in range(100):
            cursor.execute("SHOW PROCESSLIST")
            for number in [row[0] for row in cursor.fetchall() if row[7] == "COMMIT"]:
                kill_connection(cursor, number)


def test_all_connections_killed_again_and_again(
    sql_server: SQLServer, sql_server_url: str, tmp_path: Path
) -> None:
    conversations = _groups(sql_server_url, 4)
    orders = [Orders(sql_server_url, seed, 24, 300, conversations) for seed in (1, 2)]
    with _processes(orders, tmp_path) as processes:
        for _ in range(20):
            before = _answers(processes)
            _wait(processes, lambda before=before: _answers(processes) > before + 20)  # type: ignore[misc]
            sql_server.kill_connections()
        reports = _finish(processes)
    _check(sql_server_url, reports)


def test_the_server_killed_and_started_again(
    sql_server: SQLServer, sql_server_url: str, tmp_path: Path
) -> None:
    conversations = _groups(sql_server_url, 4)
    orders = [Orders(sql_server_url, seed, 24, 300, conversations) for seed in (1, 2)]
    with _processes(orders, tmp_path) as processes:
        for _ in range(3):
            before = _answers(processes)
            _wait(processes, lambda before=before: _answers(processes) > before + 300)  # type: ignore[misc]
            sql_server.kill()
            sql_server.start()
        reports = _finish(processes)
    _check(sql_server_url, reports)


def test_a_killed_process_leaves_whole_batches(database_url: str, tmp_path: Path) -> None:
    conversations = _groups(database_url, 4)
    orders = [Orders(database_url, seed, 24, 300, conversations) for seed in (1, 2)]
    with _processes(orders, tmp_path) as processes:
        _wait(processes, lambda: _answers(processes) > 500)
        processes[0].kill()
        after = _answers(processes)
        _wait(processes[1:], lambda: _answers(processes) > after + 500)
        reports = [report(processes[0]), *_finish(processes[1:])]
    stored = read(database_url)
    check(stored)
    by_key = {message.client_message_id: message for message in stored.messages.values()}
    for it in reports:
        assert all(by_key[key].seq == seq for key, (_, seq, _) in it.sent.items())


def test_a_frozen_process_holds_up_no_other(
    sql_server: SQLServer, sql_server_url: str, tmp_path: Path
) -> None:
    """It is frozen in a transaction, with the lock of a conversation; thawed, it finishes what it began."""
    ((cid, users),) = _groups(sql_server_url, 1)

    async def send_on() -> list[int]:
        async with writing(sql_server_url) as it:
            return [(await it.send(send(cid, users[0]))).message.seq for _ in range(3)]

    asyncio.run(send_on())
    orders = Orders(sql_server_url, receipts=[(cid, users[1], 1), (cid, users[1], 2), (cid, users[1], 5)])
    with closing(connect(sql_server_url)) as blocker, blocker.cursor() as cursor:
        blocker.begin()
        cursor.execute("SELECT id FROM users WHERE id = %s FOR UPDATE", (users[1],))
        with _processes([orders], tmp_path) as (process,):
            _wait([process], lambda: _waits_for_users(sql_server))
            process.signal(signal.SIGSTOP)
            blocker.rollback()
            assert asyncio.run(asyncio.wait_for(send_on(), 60)) == [4, 5, 6]
            process.signal(signal.SIGCONT)
            _wait([process], lambda: process.log.count('["receipt"') == 3)
            (it,) = _finish([process])
    stored = read(sql_server_url)
    check(stored)
    assert it.receipts == [1, 2, 5]
    assert stored.members[(cid, users[1])].read_seq == 5
    assert stored.me_revisions[users[1]] == 3


def _waits_for_users(sql_server: SQLServer) -> bool:
    """Whether a transaction waits for a row: here only that of the user can be locked.

    Not asked of `innodb_trx`: it tells the same again for as long as it is asked every 100 ms.
    """
    with closing(sql_server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")
        return int(cursor.fetchone()[1]) > 0
