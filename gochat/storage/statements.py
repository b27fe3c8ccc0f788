"""The SQL of the conversation writer, as text for one dialect: MySQL (and MariaDB) or SQLite.

The SQL of MySQL is of what MySQL 8 and MariaDB 10.11 share. Rows and keys come as one JSON parameter, a
list of lists, which the statement reads as a table named `given`: one short statement for any number of
rows, parsed by the database in C. Tables are joined to it in that order and by the index named, since the
optimiser of neither server can tell how many rows are given.
"""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Mapping
from dataclasses import dataclass

from gochat.storage.rows import CONVERSATIONS, MEMBERS, MESSAGES, Table, Type, columns


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the databases say in different words."""

    marker: str
    begin: str | None
    """None: the driver has begun."""
    session: tuple[str, ...]
    """Run once on each new connection."""
    connection_id: str | None
    """None: a connection can't be lost."""
    select: str
    join: str
    clock: str
    """Milliseconds since the epoch."""
    for_update: str
    types: Mapping[Type, str] | None
    """Of JSON_TABLE; None: `json_each`, where values have their own."""

    def given(self, *names: str, types: Mapping[str, Type] | None = None) -> str:
        """The JSON parameter as a table; its columns are numbers unless `types` says otherwise."""
        if self.types is None:
            fields = (f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(names))
            return f"(SELECT {', '.join(fields)} FROM json_each({self.marker})) given"
        types = types or {}
        fields = (
            f"{name} {self.types[types.get(name, Type.NUMBER)]} PATH '$[{n}]' ERROR ON ERROR"
            for n, name in enumerate(names)
        )
        return f"JSON_TABLE({self.marker}, '$[*]' COLUMNS ({', '.join(fields)})) given"

    def by(self, index: str) -> str:
        """Makes the table before it be read by an index."""
        return f" FORCE INDEX ({index})" if self.types is not None else ""

    def insert(self, table: Table) -> str:
        """Insert the rows given."""
        given = self.given(*table.columns, types=table.columns)
        values = (
            f"UNHEX(given.{name})" if type_ is Type.HEX else f"given.{name}"
            for name, type_ in table.columns.items()
        )
        where = "" if self.types is not None else " WHERE true"
        names = ", ".join(table.columns)
        return f"INSERT INTO {table.name} ({names}) SELECT {', '.join(values)} FROM {given}{where}"

    def upsert(self, table: Table) -> str:
        """Insert the rows given, or overwrite those of the same primary key."""
        if self.types is None:
            sets = ", ".join(f"{name} = excluded.{name}" for name in table.values)
            return f"{self.insert(table)} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {sets}"
        sets = ", ".join(f"{name} = VALUES({name})" for name in table.values)
        return f"{self.insert(table)} ON DUPLICATE KEY UPDATE {sets}"

    def insert_missing(self, table: Table) -> str:
        """Insert those of the rows given whose keys are not there."""
        if self.types is None:
            return f"{self.insert(table)} ON CONFLICT DO NOTHING"
        key = table.key[0]
        return f"{self.insert(table)} ON DUPLICATE KEY UPDATE {key} = {table.name}.{key}"

    def skip(self, count: int) -> str:
        """One more to skip for each of `count` messages of one conversation, for those who had not read it.

        Parameters: the seqs, the conversation, and the highest seq.
        """
        at = self.marker
        more = " + ".join([f"(read_seq < {at})"] * count)
        return (
            f"UPDATE members{self.by('ix_members_conversation')} SET skipped = skipped + {more}"
            f" WHERE conversation_id = {at} AND active = 1 AND read_seq < {at}"
        )


MYSQL = Dialect(
    marker="%s",
    begin=None,
    # A process that hangs must not keep its locks: the server closes the connection after 3 s of silence.
    session=(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION wait_timeout = 3, innodb_lock_wait_timeout = 3,"
        " sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    ),
    connection_id="SELECT CONNECTION_ID()",
    select="SELECT STRAIGHT_JOIN",
    join="JOIN",
    clock="TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000",
    for_update=" FOR UPDATE",
    types={
        Type.NUMBER: "BIGINT",
        Type.TEXT: "MEDIUMTEXT CHARACTER SET utf8mb4",
        Type.KEY: "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin",
        Type.HEX: "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin",
    },
)
SQLITE = Dialect(
    marker="?",
    begin="BEGIN IMMEDIATE",
    session=("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA busy_timeout = 3000"),
    connection_id=None,
    select="SELECT",
    join="CROSS JOIN",
    clock="CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
    for_update="",
    types=None,
)


@dataclass(frozen=True, slots=True)
class Statements:
    """Each takes one JSON parameter: a list of rows, as named. Those with other parameters say so."""

    dialect: Dialect
    clock: str
    """No parameter."""
    lock_conversations: str
    """[id] -> conversations, and the clock as the last column."""
    find_keys: str
    """[unique_key] -> unique_key, id"""
    reserve: str
    """Conversations; those whose unique key is there stay as they are."""
    unreserve: str
    """[id]"""
    sent: str
    """[sender_id, client_message_id] -> messages"""
    members: str
    """[conversation_id, user_id] -> members"""
    messages: str
    """[conversation_id, seq] -> messages"""
    users: str
    """[id] -> id, number of active memberships"""
    lock_users: str
    """[id] -> id, me_revision"""
    successors: str
    """Two parameters, conversation_id and a limit -> members, highest standing and oldest first."""
    deleted: str
    """[conversation_id, user_id, seq, low, high] -> the first three, deleted messages above low up to high"""
    total_unread: str
    """[user_id] -> user_id, unread messages over all conversations"""
    insert_messages: str
    update_messages: str
    insert_conversations: str
    update_conversations: str
    write_members: str
    write_users: str
    """[id, me_revision]"""
    insert_batch: str
    """Four parameters: process_id, n, changes, created_at."""
    find_batch: str
    """Two parameters, process_id and n; waits for a transaction that inserted it and is not decided."""
    purge_batches: str
    """Two parameters: created before, and a limit."""


def statements(dialect: Dialect) -> Statements:
    """All statements, in the words of a dialect."""
    d = dialect
    keys = {"unique_key": Type.KEY, "client_message_id": Type.HEX}
    at = d.marker
    return Statements(
        dialect=d,
        clock=f"SELECT {d.clock}",
        lock_conversations=(
            f"{d.select} {columns(CONVERSATIONS, 'c')}, {d.clock} FROM {d.given('id')}"
            f" {d.join} conversations c{d.by('PRIMARY')} ON c.id = given.id{d.for_update}"
        ),
        find_keys=(
            f"{d.select} c.unique_key, c.id FROM {d.given('unique_key', types=keys)}"
            f" {d.join} conversations c{d.by('uq_conversations_unique_key')}"
            " ON c.unique_key = given.unique_key"
        ),
        reserve=d.insert_missing(CONVERSATIONS),
        unreserve=_unreserve(d),
        sent=(
            f"{d.select} {columns(MESSAGES, 'm')}"
            f" FROM {d.given('sender_id', 'client_message_id', types=keys)}"
            f" {d.join} messages m{d.by('uq_messages_retry')} ON m.sender_id = given.sender_id"
            " AND m.client_message_id = UNHEX(given.client_message_id)"
        ),
        members=(
            f"{d.select} {columns(MEMBERS, 'm')} FROM {d.given('conversation_id', 'user_id')}"
            f" {d.join} members m{d.by('PRIMARY')}"
            " ON m.user_id = given.user_id AND m.conversation_id = given.conversation_id"
        ),
        messages=(
            f"{d.select} {columns(MESSAGES, 'm')} FROM {d.given('conversation_id', 'seq')}"
            f" {d.join} messages m{d.by('PRIMARY')}"
            " ON m.conversation_id = given.conversation_id AND m.seq = given.seq"
        ),
        users=(
            f"{d.select} u.id, (SELECT COUNT(*) FROM members m{d.by('PRIMARY')}"
            f" WHERE m.user_id = u.id AND m.active = 1) FROM {d.given('id')}"
            f" {d.join} users u{d.by('PRIMARY')} ON u.id = given.id"
        ),
        lock_users=(
            f"{d.select} u.id, u.me_revision FROM {d.given('id')}"
            f" {d.join} users u{d.by('PRIMARY')} ON u.id = given.id{d.for_update}"
        ),
        successors=(
            f"SELECT {columns(MEMBERS, 'm')} FROM members m{d.by('ix_members_conversation')}"
            f" WHERE m.conversation_id = {at} AND m.active = 1"
            " ORDER BY CASE m.role WHEN 'owner' THEN 0 WHEN 'admin' THEN 1 ELSE 2 END,"
            f" m.joined_revision, m.user_id LIMIT {at}"
        ),
        deleted=(
            "SELECT given.conversation_id, given.user_id, given.seq,"
            f" (SELECT COUNT(*) FROM messages m{d.by('PRIMARY')}"
            " WHERE m.conversation_id = given.conversation_id AND m.seq > given.low AND m.seq <= given.high"
            " AND m.deleted_at IS NOT NULL)"
            f" FROM {d.given('conversation_id', 'user_id', 'seq', 'low', 'high')}"
        ),
        total_unread=(
            f"{d.select} m.user_id, SUM(CASE WHEN c.last_seq > m.read_seq + m.skipped"
            " THEN c.last_seq - m.read_seq - m.skipped ELSE 0 END)"
            f" FROM {d.given('user_id')}"
            f" {d.join} members m{d.by('PRIMARY')} ON m.user_id = given.user_id AND m.active = 1"
            f" {d.join} conversations c{d.by('PRIMARY')} ON c.id = m.conversation_id GROUP BY m.user_id"
        ),
        insert_messages=d.insert(MESSAGES),
        update_messages=d.upsert(MESSAGES),
        insert_conversations=d.insert(CONVERSATIONS),
        update_conversations=d.upsert(CONVERSATIONS),
        write_members=d.upsert(MEMBERS),
        write_users=_write_users(d),
        insert_batch=(
            f"INSERT INTO batches (process_id, n, changes, created_at) VALUES ({at}, {at}, {at}, {at})"
        ),
        find_batch=f"SELECT 1 FROM batches WHERE process_id = {at} AND n = {at}{d.for_update}",
        purge_batches=_purge_batches(d),
    )


def _unreserve(d: Dialect) -> str:
    if d.types is None:
        return (
            f"DELETE FROM conversations WHERE revision = 0 AND id IN (SELECT given.id FROM {d.given('id')})"
        )
    return (
        f"DELETE c FROM {d.given('id')} STRAIGHT_JOIN conversations c{d.by('PRIMARY')}"
        " ON c.id = given.id WHERE c.revision = 0"
    )


def _write_users(d: Dialect) -> str:
    given = d.given("id", "me_revision")
    if d.types is None:
        return f"UPDATE users SET me_revision = given.me_revision FROM {given} WHERE users.id = given.id"
    return (
        f"UPDATE {given} STRAIGHT_JOIN users u{d.by('PRIMARY')} ON u.id = given.id"
        " SET u.me_revision = given.me_revision"
    )


def _purge_batches(d: Dialect) -> str:
    if d.types is None:
        return (
            "DELETE FROM batches WHERE rowid IN"
            " (SELECT rowid FROM batches WHERE created_at < ? ORDER BY created_at LIMIT ?)"
        )
    return "DELETE FROM batches WHERE created_at < %s ORDER BY created_at LIMIT %s"
