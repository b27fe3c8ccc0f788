"""Fixtures for real services, and what pytest says at the end about those that are missing."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from redis import Redis as Client

from tests.services import mysql
from tests.services.mariadb import MariaDB
from tests.services.programs import NOT_TESTED
from tests.services.redis import Redis

hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, max_examples=300)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")

SLOW_FOLDERS = {"browser", "compiled", "faults", "fuzz", "java"}

# MYSQL_URL_TEST names a MySQL server of one's own, a user who may create databases: it is tested on as well.
EXTERNAL_MYSQL = os.environ.get("MYSQL_URL_TEST", "")
DATABASES = ["sqlite", "mariadb", *(["mysql"] if EXTERNAL_MYSQL else [])]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW_FOLDERS & set(item.path.relative_to(item.config.rootpath).parts):
            item.add_marker("slow")


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
def mariadb() -> Iterator[MariaDB]:
    """A durable MariaDB that a test may kill and restart, if it leaves it running."""
    with tempfile.TemporaryDirectory(prefix="gochat-") as directory, MariaDB(Path(directory)) as server:
        yield server


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
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    """The URL of an empty database on MariaDB."""
    url = mariadb.create_database()
    yield url
    mariadb.drop_database(url)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database: on SQLite, on MariaDB, and on MySQL if there is one."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gochat.db'}"
    elif request.param == "mariadb":
        yield request.getfixturevalue("mariadb_url")
    else:
        url = mysql.create_database(EXTERNAL_MYSQL)
        yield url
        mysql.drop_database(url)
