"""Reads on a million messages: what a call costs the database, and how the database goes about it."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, event

from benchmarks import stage
from benchmarks.measure import clock
from benchmarks.report import Page, circumstances, mariadb_version
from gochat.core.limits import Limits
from gochat.core.queries import SyncRequest
from gochat.storage import conversations, history, sync
from gochat.storage.engines import read_engine
from tests.services import mysql
from tests.services.mariadb import MariaDB
from tests.writing.world import prepare

CONVERSATIONS = 2_000
MINE = 500
"""In so many of them is the user who reads."""
MEMBERS = 20
USERS = 2_000
ROUNDS, CALLS = 5, 100
FLUSH_PATIENCE_S = 120.0


def filling(each: int) -> tuple[str, ...]:
    """Statements that make the rows, by MariaDB's sequence engine; `each` messages in a conversation."""
    key = "UNHEX(LPAD(HEX(seq), 32, '0'))"
    nothing = "UNHEX(REPEAT('00', 16))"
    mine = f"k.seq = 0 AND c.seq MOD {CONVERSATIONS // MINE} = 0"
    at = 1_700_000_000_000
    return (
        "SET SESSION sql_log_bin = 0, unique_checks = 0",
        "INSERT INTO conversations (id, kind, title, history, revision, last_seq, last_message_at,"
        " member_count, created_at, created_by, unique_key, request_hash, blocked)"
        f" SELECT seq, 'group', CONCAT('Conversation ', seq), 'from_start',"
        f" {each} + 1, {each}, {at} + seq, {MEMBERS}, {at}, 1, NULL, {nothing}, 0"
        f" FROM seq_1_to_{CONVERSATIONS}",
        "INSERT INTO members (user_id, conversation_id, role, active, revision, joined_revision,"
        " visible_from_seq, delivered_seq, read_seq, skipped, shown_delivered_seq, shown_read_seq,"
        " me_revision)"
        f" SELECT IF({mine}, 1, 2 + (7 * c.seq + 13 * k.seq) MOD {USERS - 1}),"
        f" c.seq, IF(k.seq = 0, 'owner', 'member'), 1, 1, 1, 1, {each}, {each} - c.seq MOD 30, 0, 0, 0, 0"
        f" FROM seq_1_to_{CONVERSATIONS} c JOIN seq_0_to_{MEMBERS - 1} k",
        "INSERT INTO messages (conversation_id, seq, revision, sender_id, client_message_id, request_hash,"
        " body, attachments, created_at, edited_at, deleted_at, reply_to_seq)"
        f" SELECT 1 + (seq - 1) DIV {each}, 1 + (seq - 1) MOD {each},"
        f" 2 + (seq - 1) MOD {each}, 1 + seq MOD 7, {key}, {nothing}, '{stage.BODY}', NULL,"
        f" {at} + (seq - 1) MOD {each}, NULL, NULL, NULL FROM seq_1_to_{each * CONVERSATIONS}",
        "ANALYZE TABLE conversations, members, messages",
        "SET GLOBAL innodb_max_dirty_pages_pct = 0, GLOBAL innodb_max_dirty_pages_pct_lwm = 0",
    )


Call = Callable[[Connection], object]


def run(*, quick: bool) -> Page:
    """Measure, and tell."""
    page = Page("What it costs to read")
    with stage.mariadb() as server:
        url = server.create_database()
        prepare(url, USERS)
        each = 50 if quick else 500
        fill(server, url, each)
        page.say(circumstances(mariadb_version(server)))
        page.say(
            f"{each * CONVERSATIONS:,} messages in {CONVERSATIONS:,} conversations of {MEMBERS}; the user who"
            f" reads is in {MINE} of them. The buffer pool holds all (1 GiB). Processor time of the"
            f" database in ms for one call, median of {ROUNDS} rounds of {CALLS} calls, and its statements."
        )
        with read_engine(url, 1).connect() as connection:
            measure(page, server, connection, each)
    return page


def fill(server: MariaDB, url: str, each: int) -> None:
    """Write the rows, and wait until they are on the disk: writing must not be measured."""
    with closing(server.admin()) as admin, admin.cursor() as cursor:
        cursor.execute(f"SET GLOBAL innodb_buffer_pool_size = {1 << 30}")
    with closing(mysql.connect(url)) as connection, connection.cursor() as cursor:
        connection._read_timeout = FLUSH_PATIENCE_S
        for statement in filling(each):
            cursor.execute(statement)
        deadline = time.monotonic() + FLUSH_PATIENCE_S
        while time.monotonic() < deadline:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
            if int(cursor.fetchone()[1]) < 100:
                return
            time.sleep(0.2)
    raise TimeoutError("the database does not come to rest")


def calls(each: int) -> list[tuple[str, str, Call]]:
    """What is measured: its name, the aim, and the call."""
    chance = random.Random(1)
    limits = Limits()
    step = CONVERSATIONS // MINE
    mine = range(step, CONVERSATIONS + 1, step)
    known = dict.fromkeys(mine, each + 1)

    def page_of_history(connection: Connection) -> object:
        before = chance.randrange(51, each + 2)
        cid = chance.choice(mine)
        found = history.history(
            connection, 1, cid, before_seq=before, after_seq=None, around_seq=None, limit=50
        )
        assert len(found.messages) == 50
        return found

    def list_of_conversations(connection: Connection) -> object:
        return conversations.conversations(connection, 1, None, 50)

    def nothing_new(connection: Connection) -> object:
        found = sync.sync(connection, 1, SyncRequest(known, 0, None, None, 200), limits)
        assert found.conversations == ()
        assert found.me is None
        return found

    return [
        ("a page of 50 messages of history", "0.3", page_of_history),
        ("the first 50 of 500 conversations", "2", list_of_conversations),
        ("a sync of 500 conversations with nothing new", "2", nothing_new),
    ]


def measure(page: Page, server: MariaDB, connection: Connection, each: int) -> None:
    """Each call: what it costs, and what it asks."""
    rows, plans = [], []
    for name, aim, call in calls(each):
        call(connection)
        asked = statements(connection, call)
        rows.append((name, f"{cost(server, connection, call):.2f}", aim, len(asked)))
        print(rows[-1], flush=True)
        plans += [(name, explained(connection, *statement)) for statement in asked]
    page.table(("call", "ms", "aim", "statements"), rows)
    page.say("## How the database goes about it")
    for name, plan in plans:
        page.say(f"{name[0].upper()}{name[1:]}:")
        page.table(*plan, numbers=False)


def cost(server: MariaDB, connection: Connection, call: Call) -> float:
    """Milliseconds of the database's processor time."""
    read = clock(server.process.pid)
    rounds = []
    for _ in range(ROUNDS):
        before = read()
        for _ in range(CALLS):
            call(connection)
        rounds.append((read() - before) / CALLS * 1e3)
    return statistics.median(rounds)


def statements(connection: Connection, call: Call) -> list[tuple[str, Any]]:
    """What a call asks of the database, snapshots apart."""
    asked: list[tuple[str, Any]] = []

    def listen(_: object, __: object, statement: str, parameters: Any, *more: object) -> None:
        if statement.lstrip().startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", listen)
    call(connection)
    event.remove(connection, "before_cursor_execute", listen)
    return asked


def explained(
    connection: Connection, statement: str, parameters: Any
) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
    """The head and the rows of EXPLAIN."""
    found = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
    database = f"{connection.engine.url.database}."
    rows = [["" if it is None else str(it).replace(database, "") for it in row] for row in found]
    return list(found.keys()), rows
