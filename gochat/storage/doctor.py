"""Whether a database keeps what it acknowledges, and can hold what we write."""

from collections.abc import Iterator

from sqlalchemy import Connection, Engine

from gochat.core.values import value
from gochat.storage import migrate
from gochat.storage.engines import write_engine
from gochat.storage.faults import DATABASE_ERRORS, summary
from gochat.storage.fetch import fetch
from gochat.storage.probe import probe

MIN_PACKET = 16 << 20
"""Bytes of `max_allowed_packet`: a batch, escaped, with room."""


@value(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice`: what to do, if it is not well."""

    what: str
    well: bool
    advice: str = ""


def examine(url: str) -> Iterator[Finding]:
    """Look at a database.

    Raises:
        sqlalchemy.exc.DBAPIError: it does not answer.
    """
    engine = write_engine(url)
    with engine.connect() as connection:
        standing = migrate.standing(connection)
        yield Finding(
            f"the schema is at {standing.version or 'nothing'}", standing.fits, "run `gochat migrate`"
        )
        if standing.fits:
            yield _probe(engine)
        if connection.dialect.name == "sqlite":
            yield Finding("SQLite in WAL mode with synchronous=FULL: for one process", True)
        else:
            yield from _mysql(connection)


def _probe(engine: Engine) -> Finding:
    try:
        with engine.connect() as connection:
            probe(connection)
    except DATABASE_ERRORS as error:
        advice = f"{summary(error)}: look at the user's rights, and that the server is a supported one"
        return Finding("the statements of the writer", False, advice)
    return Finding("the statements of the writer work", True)


def _session(connection: Connection) -> Iterator[Finding]:
    """What a connection asked for at its start, as the server has it."""
    names = ("transaction_isolation", "tx_isolation", "sql_mode", "character_set_connection")
    marks = ", ".join("?" * len(names))
    found = fetch(connection, f"SHOW SESSION VARIABLES WHERE Variable_name IN ({marks})", *names)
    values = {name: value.upper() for name, value in found}
    isolation = values.get("transaction_isolation") or values["tx_isolation"]
    told = ((isolation, isolation == "READ-COMMITTED"), (values["sql_mode"], "STRICT" in values["sql_mode"]))
    charset = values["character_set_connection"]
    for what, well in (*told, (charset, charset == "UTF8MB4")):
        advice = "what stands between drops the session's settings: connect straight to the server"
        yield Finding(f"a session has {what or 'no sql_mode'}", well, advice)


def _tables(connection: Connection) -> Finding:
    rows = fetch(
        connection,
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
        " AND TABLE_TYPE = 'BASE TABLE' AND TABLE_COLLATION NOT LIKE ? ORDER BY TABLE_NAME",
        "utf8mb4%",
    )
    others = ", ".join(name for (name,) in rows)
    what = f"the character set of {others} is not utf8mb4" if others else "all tables are in utf8mb4"
    return Finding(what, not others, "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4: else not all text fits")


def _mysql(connection: Connection) -> Iterator[Finding]:
    """The settings without which an acknowledged message can be lost."""
    names = (
        "version",
        "innodb_flush_log_at_trx_commit",
        "log_bin",
        "sync_binlog",
        "binlog_format",
        "max_allowed_packet",
        "innodb_doublewrite",
    )
    marks = ", ".join("?" * len(names))
    found = fetch(connection, f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({marks})", *names)
    values = {name: value.upper() for name, value in found}
    yield Finding(f"the server is {values['version']}", True)
    ((_, cipher),) = fetch(connection, "SHOW STATUS LIKE 'Ssl_cipher'")
    yield Finding(f"the connection to it is encrypted by {cipher or 'nothing'}", True)
    yield from _session(connection)
    yield _tables(connection)
    yield Finding(
        f"innodb_flush_log_at_trx_commit = {values['innodb_flush_log_at_trx_commit']}",
        values["innodb_flush_log_at_trx_commit"] == "1",
        "set it to 1: else a crash of the machine loses acknowledged messages",
    )
    if values["log_bin"] in {"ON", "1"}:
        yield Finding(
            f"sync_binlog = {values['sync_binlog']}",
            values["sync_binlog"] == "1",
            "set it to 1: else a crash of the machine loses acknowledged messages",
        )
        yield Finding(
            f"binlog_format = {values['binlog_format']}",
            values["binlog_format"] != "STATEMENT",
            "set it to ROW: transactions at READ COMMITTED can't be written as statements",
        )
    else:
        yield Finding("the binlog is off", False, "turn it on: without it there is no lossless failover")
    yield Finding(
        f"innodb_doublewrite = {values['innodb_doublewrite']}",
        values["innodb_doublewrite"] not in {"OFF", "0"},
        "turn it on: else a torn page loses what stood on it",
    )
    yield Finding(
        f"max_allowed_packet = {values['max_allowed_packet']}",
        int(values["max_allowed_packet"]) >= MIN_PACKET,
        f"set it to {MIN_PACKET} or more, so that a full batch fits",
    )
