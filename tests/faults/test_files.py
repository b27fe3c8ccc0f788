"""What the files of a database server hold of accounts that were erased, and what takes it away."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest

from gochat.storage import erasure
from gochat.storage.database import Database
from tests.contract.test_erasure import CANARY, found
from tests.faults.test_erasure import live, log_in
from tests.services.mariadb import MariaDB
from tests.services.mysqld import PlainMySQL
from tests.services.sql_server import SQLServer, data_directory
from tests.writing.world import prepare, writing

GONE = 5
"""Accounts that are erased."""

pytestmark = pytest.mark.slow


class ScrubbingMariaDB(MariaDB):
    """One that overwrites what is deleted from its tables."""

    def _command(self) -> Sequence[str]:
        return [*super()._command(), "--innodb-immediate-scrub-data-uncompressed=ON"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("make", [MariaDB, ScrubbingMariaDB, PlainMySQL])
def test_the_files_hold_what_docs_privacy_says(
    make: type[SQLServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "SETTLE_MS", 0)
    with data_directory() as directory, make(directory) as server:
        url = server.create_database()
        users = prepare(url, GONE + 2)
        asyncio.run(leave_traces(url, users[:GONE], users[GONE:]))
        log_in(url, users[:GONE])
        settle(server)
        before = places(server)
        assert before["tables"]
        assert before["binlog"]

        asyncio.run(erase(url))
        assert found(url) == set()
        settle(server)
        after = places(server)
        assert after["binlog"] > before["binlog"], "the log tells it once more: what was there before"
        if make is ScrubbingMariaDB:
            assert not after["tables"]

        rebuild_and_purge(server, url.rpartition("/")[2])
        settle(server)
        left = places(server)
        assert not left["tables"]
        assert not left["binlog"]
        print(f"{make.__name__}: {dict(before)}, erased {dict(after)}, rebuilt and purged {dict(left)}")


async def leave_traces(url: str, leaving: Sequence[int], others: Sequence[int]) -> None:
    async with writing(url) as it:
        for user_id in leaving:
            await live(it, user_id, *others)


async def erase(url: str) -> None:
    database = Database(url, pool_size=2)
    async with writing(url) as it:
        await erasure.Erasure(database, it.writer, "erase").catch_up()
    await database.close()


def settle(server: SQLServer) -> None:
    """Let it finish what it does in the background, and write all to its files."""
    ask(server, "SET GLOBAL innodb_fast_shutdown = 0")
    server.stop(timeout=120)
    server.start()


def rebuild_and_purge(server: SQLServer, database: str) -> None:
    """What docs/privacy.md says an operator can do."""
    tables = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{database}'"
    for (name,) in ask(server, tables):
        ask(server, f"OPTIMIZE TABLE {database}.{name}")
    ask(server, "FLUSH BINARY LOGS")
    *_, (newest, *_) = ask(server, "SHOW BINARY LOGS")
    ask(server, f"PURGE BINARY LOGS TO '{newest}'")


def ask(server: SQLServer, statement: str) -> Sequence[Sequence[Any]]:
    with closing(server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def places(server: SQLServer) -> Counter[str]:
    """How often the canary is in its files, by what they are for."""
    counted: Counter[str] = Counter()
    for path in server.data.rglob("*"):
        if path.is_file() and (times := path.read_bytes().lower().count(CANARY.encode())):
            counted[kind(path.name)] += times
    return counted


def kind(name: str) -> str:
    if name.startswith("binlog"):
        return "binlog"
    if name.startswith(("undo", "ibdata")):
        return "undo"
    if name.startswith(("ib_logfile", "#ib_redo")):
        return "redo"
    return "doublewrite" if name.endswith(".dblwr") else "tables"
