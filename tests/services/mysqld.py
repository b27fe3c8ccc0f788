"""A MySQL server of the tests' own: MySQL itself, not MariaDB, and set up as unlike as a server can be."""

import getpass
from collections.abc import Sequence

from tests.services.programs import MYSQL
from tests.services.sql_server import SQLServer

UNUSUAL = (
    "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,IGNORE_SPACE,HIGH_NOT_PRECEDENCE",
    "--completion-type=CHAIN",
    "--autocommit=OFF",
    "--transaction-isolation=SERIALIZABLE",
    "--character-set-server=latin1",
    "--collation-server=latin1_german1_ci",
    "--default-time-zone=+05:45",
    "--lower-case-table-names=1",
    "--group-concat-max-len=16",
    "--wait-timeout=30",
    "--innodb-rollback-on-timeout=ON",
)
"""What the owner of a server may have chosen; GoChat sets what it needs in its own sessions."""
ROOT = """
CREATE USER IF NOT EXISTS root@127.0.0.1;
GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION;
"""
INIT = f"{ROOT}SET GLOBAL sql_select_limit = 1, GLOBAL max_join_size = 1, GLOBAL sql_safe_updates = ON;\n"
"""What can't be said on the command line, run at each start."""


class MySQL(SQLServer):
    """mysqld of Debian unstable, with all settings that may trouble a client."""

    init = INIT
    settings: Sequence[str] = UNUSUAL

    def _set_up(self) -> None:
        self._directory.joinpath("init").write_text(self.init)
        self._run([*self._base(), "--initialize-insecure"])

    def _command(self) -> Sequence[str]:
        fast = ["--mysqlx=OFF", "--performance-schema=OFF", f"--init-file={self._directory / 'init'}"]
        return [*self._base(), *fast, *self.settings]

    def _base(self) -> list[str]:
        share, plugins = (
            MYSQL.root / "usr" / "share" / "mysql",
            MYSQL.root / "usr" / "lib" / "mysql" / "plugin",
        )
        places = [f"--datadir={self.data}", f"--lc-messages-dir={share}", f"--plugin-dir={plugins}"]
        places += [f"--character-sets-dir={share / 'charsets'}", "--secure-file-priv=NULL"]
        return [
            *MYSQL.command(),
            "--no-defaults",
            *places,
            f"--user={getpass.getuser()}",
            "--lower-case-table-names=1",
        ]


class PlainMySQL(MySQL):
    """The same as it comes, for tools of its own that expect that."""

    init = ROOT
    settings = ()
