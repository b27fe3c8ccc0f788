"""The code of an earlier release goes on while this one's schema is there, and this one on what it wrote.

`released/0002.json` is what a MariaDB was asked while the code of revision 0002 ran: registrations, logins,
groups and direct conversations, messages sent, edited and deleted, receipts, roles, blocks, sync and history;
all that it wrote, and each kind of read once, in order, as the server's general log had them.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import pymysql
import pytest

from gochat.core.limits import Limits
from gochat.storage import migrate
from gochat.storage.accounts import StoredAccounts
from gochat.storage.database import Database
from gochat.storage.engines import write_engine
from gochat.storage.reader import ConversationReader
from tests.reading.world import asking
from tests.writing.stored import check, read
from tests.writing.world import add_users, group, send, writing

RELEASED = Path(__file__).parent / "released"
FIRST = 20
"""Statements before the schema changes."""
INSERT_SESSION_0001 = """
INSERT INTO sessions (id, user_id, refresh_hash, rotated_at, created_at, last_seen_at, expires_at)
VALUES (1, 1, X'{}', 7, 7, 7, 7)
""".format("00" * 32)


@contextmanager
def load(url: str) -> Iterator[None]:
    """This release's code writes meanwhile."""
    anna, ben = add_users(url, 2)
    enough, began = Event(), Event()

    async def scenario() -> None:
        async with writing(url) as it:
            cid = await it.create(group(anna, ben))
            while not enough.is_set():
                await asyncio.gather(*(it.send(send(cid, anna)) for _ in range(20)))
                began.set()

    thread = Thread(target=asyncio.run, args=(scenario(),))
    thread.start()
    try:
        assert began.wait(30)
        yield
    finally:
        enough.set()
        thread.join(30)


def replay(url: str, statements: Sequence[str]) -> None:
    """Run statements, some of which are scripts of several, and read all that they find."""
    engine = write_engine(url)
    with engine.connect() as connection, closing(connection.connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
            while cursor.nextset():
                pass
    engine.dispose()


def released(revision: str) -> list[str]:
    statements: list[str] = json.loads((RELEASED / f"{revision}.json").read_text())
    return statements


def test_the_release_before_runs_on_this_schema_under_load(mariadb_url: str) -> None:
    migrate.upgrade(mariadb_url)
    with load(mariadb_url):
        replay(mariadb_url, released("0002"))
    check(read(mariadb_url))
    asyncio.run(read_all(mariadb_url))


def test_the_release_before_goes_on_while_the_schema_changes_under_it(mariadb_url: str) -> None:
    migrate.upgrade(mariadb_url, "0002")
    statements = released("0002")
    replay(mariadb_url, statements[:FIRST])
    with ThreadPoolExecutor(1) as threads:
        changed = threads.submit(migrate.upgrade, mariadb_url)
        replay(mariadb_url, statements[FIRST:])
        assert changed.result(60).fits
    check(read(mariadb_url))
    asyncio.run(read_all(mariadb_url))


async def read_all(url: str) -> None:
    """What the release before wrote is there for this one."""
    database = Database(url, pool_size=1)
    try:
        reader, accounts = ConversationReader(database, Limits()), StoredAccounts(database)
        ann, ben = await accounts.by_username("ann"), await accounts.by_username("ben")
        assert ann is not None
        assert ben is not None
        assert ann.user.display_name == "Ann 👍"
        page = await reader.sync(ben.user.id, asking())
        deltas = {delta.conversation.title: delta for delta in page.conversations if delta.conversation}
        assert set(deltas) == {"Another", None}
        bodies = [message.body for message in deltas["Another"].messages]
        assert bodies[:5] == ["edited", "message 1 🎉", "message 2 🎉", None, "message 4 🎉"]
        assert bodies[8:] == [f"of a batch {n}" for n in range(9)]
        assert len(deltas[None].messages) == 12
    finally:
        await database.close()


def test_the_first_release_can_still_log_in(sql_server_url: str) -> None:
    """It fills a column that nobody reads any more."""
    migrate.upgrade(sql_server_url)
    replay(sql_server_url, [INSERT_SESSION_0001])


def test_a_schema_that_took_something_away_is_found(mariadb_url: str) -> None:
    migrate.upgrade(mariadb_url)
    replay(mariadb_url, ["ALTER TABLE users RENAME COLUMN me_revision TO own_revision"])
    with pytest.raises(pymysql.err.OperationalError, match="me_revision"):
        replay(mariadb_url, released("0002"))
