"""Migrates a database, and is killed at one statement after the other that changes it.

    python dies_while_migrating.py URL

Prints in its last line how many statements there were. Every database that it makes on the server is brought
up by a second try after the first one was killed; it fails if that does not end at the schema of the code.
"""

import os
import signal
import sys
from collections.abc import Callable

import alembic.command  # noqa: F401  once, not in each child
from sqlalchemy import Engine, event

from gochat.storage import migrate
from tests.services import mysql

READS = ("SELECT", "SHOW", "DESCRIBE", "SET", "PRAGMA")


def in_a_child(work: Callable[[], object]) -> int:
    """The exit status of a child that does some work; negative for a signal."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def migrate_until(url: str, last: int) -> None:
    """Migrate, and be killed before the statement after the `last` one that changes something."""
    done = 0

    @event.listens_for(Engine, "before_cursor_execute")
    def count(connection: object, cursor: object, statement: str, *others: object) -> None:
        nonlocal done
        if not statement.lstrip().upper().startswith(READS):
            if done == last:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1

    migrate.upgrade(url)


def bring_up(url: str) -> None:
    migrate.upgrade(url)
    migrate.check(url)


def main(server_url: str) -> None:
    statements = 0
    while True:
        url = mysql.create_database(server_url)
        status = in_a_child(lambda: migrate_until(url, statements))  # noqa: B023
        if status == 0:
            print(statements)
            return
        assert status == -signal.SIGKILL, status
        assert in_a_child(lambda: bring_up(url)) == 0, statements  # noqa: B023
        mysql.drop_database(url)
        statements += 1


if __name__ == "__main__":
    main(sys.argv[1])
