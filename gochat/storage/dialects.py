"""What MySQL and SQLite say in different words. The SQL of MySQL is of what MySQL 8 and MariaDB 10.11 share.

To look up, keys come as one JSON parameter, a list of lists, which the statement reads as a table named
`given`: one short statement for any number of keys, parsed by the database in C. Tables are joined to it in
that order and by the index named, since no optimiser can tell how many keys are given. For MySQL, to which
such a table costs more than a row, a single key stands in the statement itself.
"""
# ruff: noqa: S608, D102 (SQL is put together of this package's constants; `Dialect` has the docstrings)

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from sqlalchemy import Connection

from gochat.core.values import value
from gochat.storage.answers import ask
from gochat.storage.faults import PacketTooLargeError
from gochat.storage.rows import COLUMNS, Table, columns
from gochat.storage.tables import Type

LOCK_SECONDS = 0.25
"""How long a batch waits for rows that somebody else has locked: far longer than a commit takes."""
FEW = 4
"""Rows that are cheaper for MySQL as VALUES than out of JSON."""

Row = Sequence[object]
Driver: TypeAlias = Any
"""A connection of the driver (PEP 249)."""


@value(frozen=True, slots=True)
class Insert:
    """A statement that inserts rows, rendered in either of two ways."""

    text: str
    """From one JSON parameter: for many rows."""
    head: str
    types: tuple[Type, ...]
    tail: str
    """`head`, then the rows as VALUES with columns of these types, then `tail`: for few."""

    def values(self, given: Sequence[Row]) -> str:
        """The statement with these rows in it."""
        rows = (f"({', '.join(_literals(row, self.types))})" for row in given)
        return f"{self.head}{', '.join(rows)}{self.tail}"


@value(frozen=True, slots=True)
class Update:
    """A statement that overwrites rows, found by their keys, rendered in either of two ways."""

    text: str
    """From one JSON parameter: for many rows."""
    one: str
    types: tuple[Type, ...]
    """`one` has the place of each column by its number: for few rows, each by a statement of its own."""

    def each(self, given: Sequence[Row]) -> str:
        """The statements with these rows in them."""
        return ";".join([self.one.format(*_literals(row, self.types)) for row in given])


@value(frozen=True, slots=True)
class KeyLast:
    """A statement of SQLite's that is given a row's key behind its other columns."""

    text: str
    key: int
    """How many columns that are: in a row they stand first."""


@value(frozen=True, slots=True)
class Find:
    """A statement that finds rows by keys of some columns, rendered in either of two ways."""

    text: str
    """By one JSON parameter: for many."""
    one: str
    types: tuple[Type, ...]
    """`one` has a place for each column's value: for one key, whose row is found before all is planned."""

    def by(self, key: Row) -> str:
        """The statement with that key in it."""
        return self.one % tuple(map(_literal, key, self.types))


Statement: TypeAlias = str | Insert | Update | Find | KeyLast
Asked = tuple[Statement, Sequence[Row]]
"""A statement and its keys, or its rows."""


class Dialect(ABC):
    """The words of one dialect."""

    marker: str
    begin: str | None
    """None: a transaction is always under way."""
    take_name: str | None
    """Takes a user-level lock, whose name is then the connection's; None: a connection can't be lost."""
    named: str | None
    """Finds the number of the connection that has a name, or null."""
    select: str
    join: str
    for_update: str
    clock: str
    """Milliseconds since the epoch."""
    heads: str
    """The last batch of each process, found from process to process by the primary key."""
    spans: str
    """The same with the first one before it."""
    delete_batches: str
    """The oldest rows of `batches`; two `?`: created before, and how many."""

    @property
    @abstractmethod
    def unreserve(self) -> str:
        """Delete conversations by id that were not created."""

    @abstractmethod
    def prepare(self, connection: Connection) -> None:
        """Make a new connection fit for the writer."""

    @abstractmethod
    def given(self, *names: str) -> str:
        """The JSON parameter as a table with these columns; those of bytes are hexadecimal digits in it."""

    @staticmethod
    @abstractmethod
    def by(index: str) -> str:
        """Makes the table before it be read by an index."""

    @abstractmethod
    def look_up(self, what: str, table: str, *key: str, index: str = "PRIMARY") -> Statement:
        """Select `what` of a table's rows, found by these columns with that index.

        The table has one letter for an alias, as in `messages m`.
        """

    @abstractmethod
    def lock(self, what: str, table: str, *key: str) -> Statement:
        """The same, and lock what is found; fails if that takes longer than `LOCK_SECONDS`."""

    @abstractmethod
    def try_lock(self, what: str, table: str, *key: str) -> Statement:
        """The same of what nobody else has locked."""

    @abstractmethod
    def insert(self, table: Table) -> Statement:
        """Insert rows, as written by `write`."""

    @abstractmethod
    def upsert(self, table: Table) -> Statement:
        """Insert rows, or overwrite those of the same primary key."""

    @staticmethod
    @abstractmethod
    def overwriting(table: Table) -> str:
        """The end of an INSERT that overwrites rows of the same primary key."""

    @abstractmethod
    def update(self, table: Table) -> Statement:
        """Overwrite rows, found by their primary key, where they are there."""

    @abstractmethod
    def delete(self, table: Table) -> str:
        """Delete rows by their primary key, its columns in the table's order."""

    @abstractmethod
    def insert_missing(self, table: Table) -> Statement:
        """Insert the rows of which no key is there."""

    @abstractmethod
    def packed(self, table: Table, alias: str, *more: str) -> str:
        """The columns of a table, and more, for a SELECT list whose rows `unpack` reads."""

    @abstractmethod
    def gathered(self, table: Table, alias: str) -> str:
        """The same with all rows as one: for short ones, since MariaDB puts others into a file on the way."""

    @abstractmethod
    def unpack(self, found: Sequence[Any], table: Table) -> Sequence[Any]:
        """The rows of a statement with `packed` or `gathered`."""

    @abstractmethod
    def find(self, connection: Driver, asked: Sequence[Asked]) -> list[Sequence[Any]]:
        """Run statements that read the rows of some keys, one after the other; the rows of each."""

    @abstractmethod
    def write(self, connection: Driver, writes: Sequence[Asked]) -> None:
        """Run statements that write rows, one after the other."""

    @abstractmethod
    def commit(self, connection: Driver, writes: Sequence[Asked]) -> None:
        """The same, and then commit."""

    @abstractmethod
    def look(self, connection: Driver) -> None:
        """Ask the server itself for something, and nobody on the way to it; no transaction is left open."""


class MySQL(Dialect):
    """MySQL and MariaDB. Rows to write come as one JSON parameter too, but a few as VALUES.

    What is given stands in the statement as hexadecimal literals: nothing in it has to be escaped, which
    would cost more than all else that is done with it here.
    """

    marker = "%s"
    begin = None
    take_name = "SELECT GET_LOCK(%s, 0)"
    named = "SELECT IS_USED_LOCK(%s)"
    select = "SELECT STRAIGHT_JOIN"
    join = "JOIN"
    for_update = " FOR UPDATE"
    clock = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000"
    heads = "SELECT process_id, MAX(n) AS n FROM batches GROUP BY process_id"
    spans = "SELECT process_id, MIN(n), MAX(n) FROM batches GROUP BY process_id"
    delete_batches = "DELETE FROM batches WHERE created_at < ? ORDER BY created_at LIMIT ?"

    # A process that hangs must not keep its locks: the server closes its connection after 3 s of silence.
    _SESSION = (
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION wait_timeout = 3, innodb_lock_wait_timeout = 1, autocommit = 0,"
        " group_concat_max_len = 67108864",
    )
    _TYPES: Mapping[Type, str] = {
        Type.NUMBER: "BIGINT",
        Type.TEXT: "MEDIUMTEXT CHARACTER SET utf8mb4",
        Type.KEY: "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin",
        Type.HEX: "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin",
    }

    def __init__(self) -> None:
        self._packet = 1 << 24
        """Bytes that the server takes at once (`max_allowed_packet`), as the connection began with it."""

    @property
    def unreserve(self) -> str:
        return (
            f"DELETE c FROM {self.given('id')} STRAIGHT_JOIN conversations c FORCE INDEX (PRIMARY)"
            " ON c.id = given.id WHERE c.revision = 0"
        )

    def prepare(self, connection: Connection) -> None:
        for statement in self._SESSION:
            connection.exec_driver_sql(statement)
        self._packet = connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one()

    def given(self, *names: str) -> str:
        return self._given(_types(names))

    @staticmethod
    def by(index: str) -> str:
        return f" FORCE INDEX ({index})"

    def look_up(self, what: str, table: str, *key: str, index: str = "PRIMARY") -> Find:
        return self._find(f"{self.select} {what}", table, index, key, self.given(*key))

    def lock(self, what: str, table: str, *key: str) -> Find:
        # One half is MariaDB's, and a comment to MySQL; of the other it is the other way round.
        select = (
            f"/*M! SET STATEMENT max_statement_time = {LOCK_SECONDS} FOR */"
            f" SELECT /*+ MAX_EXECUTION_TIME({LOCK_SECONDS * 1000:.0f}) */ STRAIGHT_JOIN {what}"
        )
        return self._find(select, table, "PRIMARY", key, self._given_to_lock(key), " FOR UPDATE")

    def try_lock(self, what: str, table: str, *key: str) -> Find:
        select, end = f"{self.select} {what}", " FOR UPDATE SKIP LOCKED"
        return self._find(select, table, "PRIMARY", key, self._given_to_lock(key), end)

    @staticmethod
    def _find(select: str, table: str, index: str, key: Sequence[str], given: str, end: str = "") -> Find:
        place = f"{table}{MySQL.by(index)}"
        there = " AND ".join(f"{table[-1]}.{name} = %s" for name in key)
        return Find(
            f"{select} FROM {given} JOIN {place} ON {_is_given(table, key)}{end}",
            f"{select} FROM {place} WHERE {there}{end}",
            tuple(_types(key).values()),
        )

    def _given_to_lock(self, key: Sequence[str]) -> str:
        """MySQL locks no JSON_TABLE (error 3569), but does not ask what a derived table is made of."""
        return f"(SELECT * FROM {self.given(*key)}) given"

    def insert(self, table: Table) -> Insert:
        return self._insert(table, "")

    def upsert(self, table: Table) -> Insert:
        return self._insert(table, self.overwriting(table))

    @staticmethod
    def overwriting(table: Table) -> str:
        sets = ", ".join(f"{name} = VALUES({name})" for name in table.values)
        return f" ON DUPLICATE KEY UPDATE {sets}"

    def update(self, table: Table) -> Update:
        sets = ", ".join(f"t.{name} = {_given_value(name, table.columns[name])}" for name in table.values)
        places = {name: f"{name} = {{{n}}}" for n, name in enumerate(table.columns)}
        values = ", ".join(places[name] for name in table.values)
        key = " AND ".join(places[name] for name in table.key)
        return Update(
            f"UPDATE {self._given(table.columns)} STRAIGHT_JOIN {_by_key(table)} SET {sets}",
            f"UPDATE {table.name}{self.by('PRIMARY')} SET {values} WHERE {key}",
            tuple(table.columns.values()),
        )

    def delete(self, table: Table) -> str:
        key = {name: table.columns[name] for name in table.key}
        return f"DELETE t FROM {self._given(key)} STRAIGHT_JOIN {_by_key(table)}"

    def insert_missing(self, table: Table) -> Insert:
        key = table.key[0]
        return self._insert(table, f" ON DUPLICATE KEY UPDATE {key} = {table.name}.{key}")

    def _insert(self, table: Table, otherwise: str) -> Insert:
        values = (_given_value(name, type_) for name, type_ in table.columns.items())
        into = f"INSERT INTO {table.name} ({', '.join(table.columns)})"
        statement = f"{into} SELECT {', '.join(values)} FROM {self._given(table.columns)}{otherwise}"
        return Insert(statement, f"{into} VALUES ", tuple(table.columns.values()), otherwise)

    def packed(self, table: Table, alias: str, *more: str) -> str:
        values = (
            f"HEX({alias}.{name})" if type_ is Type.HEX else f"{alias}.{name}"
            for name, type_ in table.columns.items()
        )
        return f"JSON_ARRAY({', '.join((*values, *more))})"

    def gathered(self, table: Table, alias: str) -> str:
        return f"GROUP_CONCAT({self.packed(table, alias)})"

    def unpack(self, found: Sequence[Any], table: Table) -> Sequence[Any]:
        if not found:
            return ()
        packed = ",".join([value for (value,) in found if value is not None])
        unpacked: list[list[Any]] = orjson.loads(f"[{packed}]")
        for n in (n for n, type_ in enumerate(table.columns.values()) if type_ is Type.HEX):
            for row in unpacked:
                row[n] = bytes.fromhex(row[n])
        return unpacked

    def find(self, connection: Driver, asked: Sequence[Asked]) -> list[Sequence[Any]]:
        return self._run(connection, asked)

    def write(self, connection: Driver, writes: Sequence[Asked]) -> None:
        self._run(connection, writes)

    def commit(self, connection: Driver, writes: Sequence[Asked]) -> None:
        self._run(connection, writes, "COMMIT")

    def look(self, connection: Driver) -> None:
        self._run(connection, (), f"SELECT {self.clock}", "ROLLBACK")

    def _run(self, connection: Driver, asked: Sequence[Asked], *others: str) -> list[Sequence[Any]]:
        """All in one round trip. A statement that fails ends it: those after it are not run."""
        script = ";".join([*(self._with(statement, given) for statement, given in asked), *others])
        if len(script) >= self._packet:  # it is ASCII
            raise PacketTooLargeError
        return ask(connection, script)

    def _with(self, statement: Statement, given: Sequence[Row]) -> str:
        if isinstance(statement, Insert) and len(given) <= FEW:
            return statement.values(given)
        if isinstance(statement, Update) and len(given) <= FEW:
            return statement.each(given)
        if isinstance(statement, Find) and len(given) == 1:
            return statement.by(given[0])
        text = statement if isinstance(statement, str) else statement.text
        return text % f"_utf8mb4 X'{orjson.dumps(given).hex()}'"

    def _given(self, columns: Mapping[str, Type]) -> str:
        fields = (
            f"{name} {self._TYPES[type_]} PATH '$[{n}]' ERROR ON ERROR"
            for n, (name, type_) in enumerate(columns.items())
        )
        return f"JSON_TABLE(%s, '$[*]' COLUMNS ({', '.join(fields)})) given"


def _types(names: Sequence[str]) -> dict[str, Type]:
    return {name: COLUMNS.get(name, Type.NUMBER) for name in names}


def _is_given(table: str, key: Sequence[str]) -> str:
    """That a row of a table, as `look_up` names it, has a key that is in `given`."""
    return " AND ".join(f"{table[-1]}.{name} = {_given_value(name, it)}" for name, it in _types(key).items())


def _given_value(name: str, type_: Type) -> str:
    return f"UNHEX(given.{name})" if type_ is Type.HEX else f"given.{name}"


def _by_key(table: Table) -> str:
    """The rows of `given` in a table, as `t`; what is given of the key are no bytes."""
    conditions = " AND ".join(f"t.{name} = given.{name}" for name in table.key)
    return f"{table.name} t FORCE INDEX (PRIMARY) ON {conditions}"


def _literals(row: Row, types: Sequence[Type]) -> list[str]:
    values = zip(row, types, strict=True)
    return [str(it) if type(it) is int else _literal(it, type_) for it, type_ in values]


def _literal(value: Any, type_: Type) -> str:
    if value is None:
        return "NULL"
    if type_ is Type.NUMBER:
        return str(int(value))
    return f"X'{value}'" if type_ is Type.HEX else f"_utf8mb4 X'{value.encode().hex()}'"


class SQLite(Dialect):
    """SQLite 3.35 or newer. Rows to write are bound one by one: its JSON ends a text at U+0000."""

    marker = "?"
    begin = "BEGIN IMMEDIATE"
    take_name = named = None
    select = "SELECT"
    join = "CROSS JOIN"
    for_update = ""
    clock = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
    # To group them SQLite would look at every row.
    _PROCESSES = (
        "WITH RECURSIVE processes (id) AS (SELECT MIN(process_id) FROM batches UNION ALL"
        " SELECT (SELECT MIN(b.process_id) FROM batches b WHERE b.process_id > processes.id)"
        " FROM processes WHERE processes.id IS NOT NULL)"
    )
    _FIRST = "(SELECT MIN(b.n) FROM batches b WHERE b.process_id = processes.id)"
    _LAST = "(SELECT MAX(b.n) FROM batches b WHERE b.process_id = processes.id)"
    heads = f"{_PROCESSES} SELECT id AS process_id, {_LAST} AS n FROM processes WHERE id IS NOT NULL"
    spans = f"{_PROCESSES} SELECT id, {_FIRST}, {_LAST} FROM processes WHERE id IS NOT NULL"
    delete_batches = (
        "DELETE FROM batches WHERE rowid IN"
        " (SELECT rowid FROM batches WHERE created_at < ? ORDER BY created_at LIMIT ?)"
    )

    @property
    def unreserve(self) -> str:
        return "DELETE FROM conversations WHERE id = ? AND revision = 0"

    def prepare(self, connection: Connection) -> None:
        """UNHEX is there only from 3.41."""
        driver: Any = connection.connection.driver_connection
        driver.create_function("UNHEX", 1, bytes.fromhex, deterministic=True)

    def given(self, *names: str) -> str:
        fields = (f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(names))
        return f"(SELECT {', '.join(fields)} FROM json_each(?)) given"

    @staticmethod
    def by(index: str) -> str:
        return ""

    def look_up(self, what: str, table: str, *key: str, index: str = "PRIMARY") -> str:
        return f"{self.select} {what} FROM {self.given(*key)} {self.join} {table} ON {_is_given(table, key)}"

    def lock(self, what: str, table: str, *key: str) -> str:
        return self.look_up(what, table, *key)

    def try_lock(self, what: str, table: str, *key: str) -> str:
        return self.look_up(what, table, *key)

    def insert(self, table: Table) -> str:
        values = map(_place, table.columns.values())
        return f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({', '.join(values)})"

    def upsert(self, table: Table) -> str:
        return f"{self.insert(table)}{self.overwriting(table)}"

    @staticmethod
    def overwriting(table: Table) -> str:
        sets = ", ".join(f"{name} = excluded.{name}" for name in table.values)
        return f" ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {sets}"

    def update(self, table: Table) -> KeyLast:
        names = list(table.columns)
        key = names[: len(table.key)]
        assert set(key) == set(table.key)
        places = {name: f"{name} = {_place(type_)}" for name, type_ in table.columns.items()}
        values = ", ".join(places[name] for name in table.values)
        there = " AND ".join(places[name] for name in key)
        return KeyLast(f"UPDATE {table.name} SET {values} WHERE {there}", len(key))

    def delete(self, table: Table) -> str:
        return f"DELETE FROM {table.name} WHERE {' AND '.join(f'{name} = ?' for name in table.key)}"

    def insert_missing(self, table: Table) -> str:
        return f"{self.insert(table)} ON CONFLICT DO NOTHING"

    def packed(self, table: Table, alias: str, *more: str) -> str:
        return ", ".join((columns(table, alias), *more))

    def gathered(self, table: Table, alias: str) -> str:
        return self.packed(table, alias)

    def unpack(self, found: Sequence[Any], table: Table) -> Sequence[Any]:
        return found

    def find(self, connection: Driver, asked: Sequence[Asked]) -> list[Sequence[Any]]:
        return [
            connection.execute(statement, (orjson.dumps(keys).decode(),)).fetchall()
            for statement, keys in asked
        ]

    def write(self, connection: Driver, writes: Sequence[Asked]) -> None:
        for statement, values in writes:
            if isinstance(statement, KeyLast):
                behind = statement.key
                connection.executemany(statement.text, [(*it[behind:], *it[:behind]) for it in values])
            else:
                connection.executemany(statement, values)

    def commit(self, connection: Driver, writes: Sequence[Asked]) -> None:
        self.write(connection, writes)
        connection.commit()

    def look(self, connection: Driver) -> None:
        connection.execute(f"SELECT {self.clock}")
        connection.rollback()


def _place(type_: Type) -> str:
    """Where a column's value is bound."""
    return "UNHEX(?)" if type_ is Type.HEX else "?"
