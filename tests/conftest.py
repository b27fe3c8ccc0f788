"""Fixtures for real services, and what pytest says at the end about those that are missing."""

import gc
import os
import sys
import tempfile
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from redis import Redis as Client

from tests.services import mysql as databases
from tests.services.mariadb import MariaDB, NewestMariaDB
from tests.services.migrated import MigratedDatabase, MigratedFile
from tests.services.mysqld import MySQL
from tests.services.programs import NOT_TESTED
from tests.services.redis import Redis
from tests.services.sql_server import SQLServer, data_directory

hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, max_examples=300)
hypothesis.settings.register_profile(
    "mutants", deadline=None, derandomize=True, max_examples=30, database=None
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")

SLOW_FOLDERS = {"browser", "compiled", "edges", "faults", "fuzz", "java", "snippets"}

SERVERS = ["mariadb", "mysql"]
# MYSQL_URL_TEST names a server of one's own, a user who may create databases: it is tested on as well.
EXTERNAL = os.environ.get("MYSQL_URL_TEST", "")
NEWEST = pytest.param("newest_mariadb", marks=pytest.mark.slow)
DATABASES = ["sqlite", *SERVERS, NEWEST, *(["external"] if EXTERNAL else [])]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW_FOLDERS & set(item.path.relative_to(item.config.rootpath).parts):
            item.add_marker("slow")


FAILED = pytest.StashKey[bool]()
"""Whether the test that is under way has failed."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What a test that failed left open goes with it, and is no fault of the next one."""
    done = yield
    if item.stash.get(FAILED, False):
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(name, None)  # its frames hold what it opened
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    return done


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)
    ]
    reasons = [report.longrepr[2] for report in skipped if NOT_TESTED in report.longrepr[2]]
    for reason in sorted(set(reasons)):
        what = reason.partition(NOT_TESTED)[2]
        terminalreporter.section("NOT TESTED", red=True, bold=True)
        terminalreporter.line(f"{reasons.count(reason)} tests did not run: {what}")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, by anyio's plugin."""
    return "asyncio"


@pytest.fixture(scope="session")
def mariadb() -> Iterator[SQLServer]:
    """A durable MariaDB that a test may kill and restart, if it leaves it running."""
    with data_directory() as directory, MariaDB(directory) as server:
        yield server


@pytest.fixture(scope="session")
def mysql() -> Iterator[SQLServer]:
    """The same of MySQL."""
    with data_directory() as directory, MySQL(directory) as server:
        yield server


@pytest.fixture(scope="session")
def newest_mariadb() -> Iterator[SQLServer]:
    """The same of the newest MariaDB."""
    with data_directory() as directory, NewestMariaDB(directory) as server:
        yield server


@pytest.fixture(scope="session", params=SERVERS)
def sql_server(request: pytest.FixtureRequest) -> SQLServer:
    """Each kind of server in turn: for what SQLite has not, such as connections that are cut."""
    server: SQLServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A Redis that a test may kill and restart, if it leaves it running."""
    with tempfile.TemporaryDirectory(prefix="gochat-") as directory, Redis(Path(directory)) as server:
        yield server


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty Redis: REDIS_URL_TEST, which is emptied, or else the tests' own."""
    url = os.environ.get("REDIS_URL_TEST") or request.getfixturevalue("redis").url
    with Client.from_url(url, socket_timeout=5) as client:
        client.flushdb()
    return str(url)


@pytest.fixture
def mariadb_url(mariadb: SQLServer) -> Iterator[str]:
    """The URL of an empty database on MariaDB."""
    yield from _database(mariadb.url)


@pytest.fixture
def sql_server_url(sql_server: SQLServer) -> Iterator[str]:
    """The URL of an empty database on `sql_server`."""
    yield from _database(sql_server.url)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> MigratedFile:
    """A SQLite file with all tables."""
    return MigratedFile(tmp_path_factory.mktemp("migrated") / "gochat.db")


@pytest.fixture(scope="session")
def migrated_databases() -> Iterator[dict[str, MigratedDatabase]]:
    """Those of the servers that were asked for one, by name."""
    databases: dict[str, MigratedDatabase] = {}
    yield databases
    if "external" in databases:  # the others go with their servers
        databases["external"].drop()


@pytest.fixture(params=DATABASES)
def database_url(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    migrated_file: MigratedFile,
    migrated_databases: dict[str, MigratedDatabase],
) -> Iterator[str]:
    """The SQLAlchemy URL of a database with all tables and no rows, on SQLite and on each server."""
    name = request.param
    if name == "sqlite":
        yield migrated_file.copy(tmp_path / "gochat.db")
        return
    if name not in migrated_databases:
        url = EXTERNAL if name == "external" else request.getfixturevalue(name).url
        migrated_databases[name] = MigratedDatabase(url)
    with migrated_databases[name].lent() as lent:
        yield lent


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The same of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gochat.db'}"
    elif request.param == "external":
        yield from _database(EXTERNAL)
    else:
        yield from _database(request.getfixturevalue(request.param).url)


def _database(server_url: str) -> Iterator[str]:
    url = databases.create_database(server_url)
    yield url
    databases.drop_database(url)
