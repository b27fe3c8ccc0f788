"""The schema's versions: Alembic owns them, this applies them.

The scripts stand in `alembic/` at the top of the tree; an installed wheel carries them within the package.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from gochat.storage.engines import migration_engine, transaction

LOCK_TIMEOUT = 60
"""Seconds to wait for another process that migrates the same database."""
STATEMENT_TIMEOUT = 3_600
"""Seconds for one statement, which may copy a large table."""


class MigrationLockedError(Exception):
    """Another process has been migrating this database for `LOCK_TIMEOUT` seconds."""


def head() -> str:
    """The version that this code needs."""
    (revision,) = ScriptDirectory.from_config(_config()).get_heads()
    return revision


def current(url: str) -> str | None:
    """The version of a database; None: it has none yet."""
    with _connect(url) as connection:
        return version(connection)


def version(connection: Connection) -> str | None:
    """The same of a connection's database."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(url: str, revision: str = "head") -> None:
    """Bring a database to a version. Several processes may do it at once: one does, the others wait.

    Raises:
        MigrationLockedError: another one takes too long.
    """
    with _connect(url) as connection, _alone(connection):
        command.upgrade(_config(connection), revision)


def downgrade(url: str, revision: str) -> None:
    """Take a database back to a version; `base` leaves nothing of it, nor of the data."""
    with _connect(url) as connection, _alone(connection):
        command.downgrade(_config(connection), revision)


def check(url: str) -> None:
    """Compare a database with the tables of the code.

    Raises:
        alembic.util.CommandError: they differ; the text says in what.
    """
    with _connect(url) as connection:
        command.check(_config(connection))


def _scripts() -> Path:
    package = Path(__file__).parent
    inside = package / "_alembic"
    return inside if inside.is_dir() else package.parents[1] / "alembic"


def _config(connection: Connection | None = None) -> Config:
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
    name = "CONCAT('gochat.migrate.', MD5(DATABASE()))"
    (locked,) = connection.exec_driver_sql(f"SELECT GET_LOCK({name}, {LOCK_TIMEOUT})").one()
    if locked != 1:
        raise MigrationLockedError(f"Another process has been migrating for {LOCK_TIMEOUT} s.")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"SELECT RELEASE_LOCK({name})").one()
