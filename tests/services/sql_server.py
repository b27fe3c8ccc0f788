"""What MariaDB's and MySQL's servers have in common, as the tests use them."""

import shutil
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pymysql

from tests.services import mysql
from tests.services.process import NotStartedError, Process, Server

DURABLE = (
    "--log-bin=binlog",
    "--server-id=1",
    "--sync-binlog=1",
    "--innodb-flush-log-at-trx-commit=1",
)
MEMORY = Path("/dev/shm")
ENOUGH = 2 << 30
"""Bytes that have to be free there for the data of all servers of a test run."""


@contextmanager
def data_directory() -> Iterator[Path]:
    """An empty directory with a short name, in memory if there is room: what a kill leaves is the same there.

    On a disk each CREATE TABLE waits for it several times, which takes longer than most tests.
    """
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH
    with tempfile.TemporaryDirectory(prefix="gochat-", dir=MEMORY if in_memory else None) as directory:
        yield Path(directory)


class SQLServer(Server):
    """A server on 127.0.0.1 with a data directory of its own, durable; root has no password.

    `directory` must be short: a Unix socket's path holds 107 bytes. `certificate` is a PEM file that holds
    its key too, for TLS.
    """

    def __init__(self, directory: Path, certificate: Path | None = None) -> None:
        super().__init__()
        self._directory = directory
        self._certificate = certificate
        self._set_up()

    @abstractmethod
    def _set_up(self) -> None:
        """Make its data directory. Raises NotStartedError."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """The command that starts it, but for where it listens and what all have in common."""

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the server, without a database."""
        return f"mysql+pymysql://root@127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self._directory / "data"

    def _run(self, command: Sequence[str], given: str = "") -> None:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise NotStartedError(f"{command[0]}: {done.stdout[-4000:]}{done.stderr[-4000:]}")

    def _launch(self, port: int) -> Process:
        options = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={self._directory / 'socket'}"]
        options += [f"--pid-file={self._directory / 'pid'}", f"--tmpdir={self._directory}"]
        options += ["--skip-name-resolve", "--max-connections=500"]
        if self._certificate is not None:
            options += [f"--ssl-cert={self._certificate}", f"--ssl-key={self._certificate}"]
        process = Process([*self._command(), *options, *DURABLE], self._directory / "log")
        process.wait_until(lambda: self._answers(port), timeout=60)
        return process

    def _answers(self, port: int) -> bool:
        try:
            mysql.connect(f"mysql+pymysql://root@127.0.0.1:{port}").close()
        except pymysql.err.OperationalError:
            return False
        return True

    def backup(self, name: str) -> None:
        """Copy all of its data, as they are now, while it does not run."""
        shutil.copytree(self.data, self._directory / name)

    def restore(self, name: str) -> None:
        """Put a copy in the place of its data, while it does not run."""
        shutil.rmtree(self.data)
        shutil.copytree(self._directory / name, self.data)

    def admin(self) -> pymysql.Connection:
        """Open a root connection in autocommit, bound to no database."""
        return mysql.connect(self.url)

    def create_database(self) -> str:
        """Create an empty database; return its URL, `mysql+pymysql://...`."""
        return mysql.create_database(self.url)

    def drop_database(self, url: str) -> None:
        """Drop a database that `create_database` made."""
        mysql.drop_database(url)

    def kill_connections(self) -> int:
        """End every connection but the asking one, whatever it is doing; return how many."""
        with closing(self.admin()) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()"
                " AND command NOT IN ('Daemon', 'Binlog Dump') AND user <> 'event_scheduler'"
            )
            return sum(mysql.kill_connection(cursor, row[0]) for row in cursor.fetchall())
