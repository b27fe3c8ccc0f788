"""MariaDB servers of the tests' own, as durable as production has to be."""

import getpass
from collections.abc import Sequence
from pathlib import Path

from tests.services.programs import MARIADB, MARIADB_NEWEST, MARIADB_SETUP, require
from tests.services.sql_server import SQLServer

SYSTEM_TABLES = (
    "mariadb_system_tables.sql",
    "mariadb_performance_tables.sql",
    "mariadb_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
    "mariadb_sys_schema.sql",
)
"""What `mariadb-install-db` runs, which does not know how to start a server with a C library of its own."""


class MariaDB(SQLServer):
    """mariadbd, as the system has it."""

    def _set_up(self) -> None:
        setup = [str(require(MARIADB_SETUP)), *self._options(), "--skip-test-db"]
        self._run([*setup, "--auth-root-authentication-method=normal"])

    def _command(self) -> Sequence[str]:
        return [str(require(MARIADB)), *self._options()]

    def _options(self) -> list[str]:
        places = [f"--datadir={self.data}", f"--tmpdir={self._directory}"]
        return ["--no-defaults", *places, f"--user={getpass.getuser()}"]


class NewestMariaDB(MariaDB):
    """mariadbd of Debian unstable."""

    def _set_up(self) -> None:
        command = self._command()
        self.data.mkdir()
        begin = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n"
        scripts = ((self._share / name).read_text() for name in SYSTEM_TABLES)
        self._run([*command, "--bootstrap", "--log-warnings=0"], begin + "".join(scripts))

    def _command(self) -> Sequence[str]:
        share = [f"--lc-messages-dir={self._share}", f"--character-sets-dir={self._share / 'charsets'}"]
        return [*MARIADB_NEWEST.command(), *self._options(), *share]

    @property
    def _share(self) -> Path:
        return MARIADB_NEWEST.root / "usr" / "share" / "mariadb"
