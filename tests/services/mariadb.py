"""A MariaDB server of the tests' own, as durable as production has to be."""

import getpass
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pymysql

from tests.services import mysql
from tests.services.process import NotStartedError, Process, Server
from tests.services.programs import MARIADB, MARIADB_SETUP, require

DURABLE = (
    "--log-bin=binlog",
    "--server-id=1",
    "--sync-binlog=1",
    "--innodb-flush-log-at-trx-commit=1",
)


class MariaDB(Server):
    """mariadbd on 127.0.0.1 with a data directory of its own; root has no password.

    `directory` must be short: a Unix socket's path holds 107 bytes.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self._program = require(MARIADB)
        setup = [str(require(MARIADB_SETUP)), *self._options, "--skip-test-db"]
        setup += ["--auth-root-authentication-method=normal"]
        done = subprocess.run(
            setup, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise NotStartedError(f"{setup[0]}: {done.stdout[-4000:]}{done.stderr[-4000:]}")

    @property
    def _options(self) -> list[str]:
        places = [f"--datadir={self._directory / 'data'}", f"--tmpdir={self._directory}"]
        return ["--no-defaults", *places, f"--user={getpass.getuser()}"]

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the server, without a database."""
        return f"mysql+pymysql://root@127.0.0.1:{self.port}"

    def _launch(self, port: int) -> Process:
        options = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={self._directory / 'socket'}"]
        options += [f"--pid-file={self._directory / 'pid'}", f"--tmpdir={self._directory}"]
        options += ["--skip-name-resolve", "--max-connections=500"]
        process = Process([str(self._program), *self._options, *options, *DURABLE], self._directory / "log")
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
        shutil.copytree(self._directory / "data", self._directory / name)

    def restore(self, name: str) -> None:
        """Put a copy in the place of its data, while it does not run."""
        shutil.rmtree(self._directory / "data")
        shutil.copytree(self._directory / name, self._directory / "data")

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
                "SELECT id FROM information_schema.processlist"
                " WHERE id <> CONNECTION_ID() AND command NOT IN ('Daemon', 'Binlog Dump')"
            )
            return sum(mysql.kill_connection(cursor, row[0]) for row in cursor.fetchall())
