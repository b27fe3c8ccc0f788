"""The schema's versions: Alembic owns them, this applies them.

The scripts stand in `alembic/` at the top of the tree; an installed wheel carries them within the package.
Alembic is imported only to change a schema: every start looks how it stands, and the import alone takes as
long as a quarter of the others.
"""

from __future__ import annotations

import ast
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from gochat.core.values import value
from gochat.storage.engines import migration_engine, transaction
from gochat.storage.fetch import fetch, run

if TYPE_CHECKING:
    from alembic.config import Config

LOCK_TIMEOUT = 60
"""Seconds to wait for another process that migrates the same database."""
STATEMENT_TIMEOUT = 3_600
"""Seconds for one statement, which may copy a large table."""
_LOOK_EVERY = 0.5


class MigrationError(Exception):
    """The schema can't be changed; the text says why, to whoever runs the server."""


class MigrationLockedError(MigrationError):
    """Another process has been migrating this database for `LOCK_TIMEOUT` seconds."""


class SchemaTooNewError(MigrationError):
    """The schema was made by newer code, and this code may not run on it."""


@value(frozen=True, slots=True)
class Revision:
    """One script of `alembic/versions`, by what it says of itself."""

    revision: str
    down_revision: str | None
    """The one before; None: it is the first."""
    oldest_code: str
    """The revision of the oldest code that may run on the schema that it makes."""


@value(frozen=True, slots=True)
class Standing:
    """How a database's schema stands to this code."""

    version: str | None
    """The revision of the schema; None: it has none yet."""
    fits: bool
    """Whether this code may run on it: it is the code's own, or a newer one that says so."""
    state: str
    """`ok`, or what is wrong, for people."""


def head() -> str:
    """The version that this code needs."""
    return _revisions()[-1].revision


def standing(connection: Connection) -> Standing:
    """How the schema of a connection's database stands to this code.

    A schema that this code has never heard of is newer. Its migration left a mark, the oldest revision whose
    code may run on it: code that knows this revision is not older.
    """
    version, known = _version(connection), [it.revision for it in _revisions()]
    if version in known or version is None:
        fits = version == known[-1]
        return Standing(
            version, fits, "ok" if fits else f"is at {version or 'nothing'}, must be at {known[-1]}"
        )
    oldest = _mark(connection)
    fits = oldest in known
    state = (
        "ok" if fits else f"is at {version}, which needs the code of {oldest} or newer; this is {known[-1]}"
    )
    return Standing(version, fits, state)


def current(url: str) -> Standing:
    """The same of a database."""
    with _connect(url) as connection:
        return standing(connection)


def wait(url: str, seconds: float) -> Standing:
    """Wait until the schema fits, or that long: another process migrates. The last that was seen.

    Raises:
        sqlalchemy.exc.DBAPIError: the database did not answer all the time.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            seen = current(url)
            if seen.fits or time.monotonic() > until:
                return seen
        except DBAPIError:
            if time.monotonic() > until:
                raise
        time.sleep(_LOOK_EVERY)


def upgrade(url: str, revision: str = "head") -> Standing:
    """Bring a database up to a version; nothing is done to one that is newer. How it stands then.

    May be run again after it was killed, and by several processes at once: one does it, the others wait.

    Raises:
        MigrationLockedError: another one takes too long.
        SchemaTooNewError: this code may not run on it.
    """
    with _connect(url) as connection, _alone(connection):
        before = standing(connection)
        known = [it.revision for it in _revisions()]
        if before.version is not None and before.version not in known:
            if not before.fits:
                raise SchemaTooNewError(f"The schema {before.state}.")
            return before
        if before.version == known[_index(revision)]:
            return before
        from alembic import command

        done = 0 if before.version is None else known.index(before.version) + 1
        target = _index(revision)
        for it in _revisions()[done : target + 1]:
            # Before it, since older code must not be let in half-way; after it, since it may make the table.
            _set_mark(connection, it.oldest_code)
            command.upgrade(_config(connection), it.revision)
            _set_mark(connection, it.oldest_code)
        return standing(connection)


def downgrade(url: str, revision: str) -> None:
    """Take a database back to a version, and what it holds for newer ones is lost; `base` leaves nothing.

    Raises:
        MigrationLockedError: another one takes too long.
    """
    from alembic import command

    with _connect(url) as connection, _alone(connection):
        command.downgrade(_config(connection), revision)
        if revision != "base":
            _set_mark(connection, _revisions()[_index(revision)].oldest_code)


def check(url: str) -> None:
    """Compare a database with the tables of the code.

    Raises:
        alembic.util.CommandError: they differ; the text says in what.
    """
    from alembic import command

    with _connect(url) as connection:
        command.check(_config(connection))


@cache
def _revisions() -> tuple[Revision, ...]:
    """All that this code knows, the oldest first: a line, each after the one that it names."""
    found = [_read(path) for path in (_scripts() / "versions").glob("*.py")]
    after = {it.down_revision: it for it in found}
    line: list[Revision] = []
    while it := after.get(line[-1].revision if line else None):
        line.append(it)
    if len(line) != len(found):
        raise MigrationError("The revisions in alembic/versions are not one line.")
    return tuple(line)


def _read(path: Path) -> Revision:
    """What a script's constants say, without running it."""
    constants = {
        node.targets[0].id: node.value.value
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    before = constants["down_revision"]
    return Revision(
        str(constants["revision"]), None if before is None else str(before), str(constants["oldest_code"])
    )


def _index(revision: str) -> int:
    known = [it.revision for it in _revisions()]
    if revision == "head":
        return len(known) - 1
    if revision not in known:
        raise MigrationError(f"There is no revision {revision}; there are {', '.join(known)}.")
    return known.index(revision)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = fetch(connection, "SELECT version_num FROM alembic_version")
    return str(found[0][0]) if found else None


def _mark(connection: Connection) -> str | None:
    if not inspect(connection).has_table("schema_marks"):
        return None
    found = fetch(connection, "SELECT oldest_code FROM schema_marks WHERE id = 1")
    return str(found[0][0]) if found else None


def _set_mark(connection: Connection, oldest_code: str) -> None:
    if not inspect(connection).has_table("schema_marks"):
        return
    if _mark(connection) is None:
        run(connection, "INSERT INTO schema_marks (oldest_code, id) VALUES (?, 1)", oldest_code)
    else:
        run(connection, "UPDATE schema_marks SET oldest_code = ? WHERE id = 1", oldest_code)


def _scripts() -> Path:
    package = Path(__file__).parent
    inside = package / "_alembic"
    return inside if inside.is_dir() else package.parents[1] / "alembic"


def _config(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _connect(url: str) -> Iterator[Connection]:
    engine = migration_engine(url, STATEMENT_TIMEOUT)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """On SQLite one transaction, all or nothing. MySQL commits at every CREATE: there a named lock."""
    if connection.dialect.name == "sqlite":
        with transaction(connection):
            yield
        return
    database = connection.exec_driver_sql("SELECT DATABASE()").scalar_one()
    name = f"gochat.migrate.{hashlib.md5(database.encode(), usedforsecurity=False).hexdigest()}"
    locked = connection.exec_driver_sql(f"SELECT GET_LOCK('{name}', {LOCK_TIMEOUT})").scalar_one()
    if locked != 1:
        raise MigrationLockedError(f"Another process has been migrating for {LOCK_TIMEOUT} s.")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"SELECT RELEASE_LOCK('{name}')").one()
