"""Whether the writer's own statements work, with nothing left of them.

That the database answers says little: a server may not know a statement, the user may have lost a right, or
the schema be another's.
"""

import random

from sqlalchemy import Connection

from gochat.storage.dialects import MySQL, SQLite
from gochat.storage.faults import DATABASE_ERRORS
from gochat.storage.load import Transaction
from gochat.storage.rows import FENCE
from gochat.storage.statements import Statements, statements

_SQL: dict[bool, Statements] = {True: statements(SQLite()), False: statements(MySQL())}
_NOBODY = 0
"""No process has this id, no user and no conversation."""


def probe(connection: Connection) -> None:
    """Run the reads that lock, and a write; then roll back. On a server nobody else waits for any of it.

    Raises:
        DATABASE_ERRORS: one of them does not work. The connection is closed then.
    """
    sql = _SQL[connection.dialect.name == "sqlite"]
    if sql.dialect.begin is None:
        # Else what is not found is locked as well: the gap where it would be.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    connection.exec_driver_sql(sql.dialect.begin or "BEGIN")
    transaction = Transaction(connection.connection.driver_connection, sql)
    try:
        for keys in ([[_NOBODY]], [[_NOBODY], [_NOBODY]]):  # a statement may be another one for one key
            transaction.find(sql.lock_conversations, keys)
            transaction.find(sql.lock_users, keys)
        transaction.write((sql.insert_batch, [(_NOBODY, random.getrandbits(62), FENCE, 0)]))
        transaction.rows(sql.clock)  # what is to be written goes before it
        transaction.rollback()
    except DATABASE_ERRORS:
        connection.invalidate()
        raise
