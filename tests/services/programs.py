"""The programs that tests need and Python's packages do not bring: where they are, and how to get them.

`scripts/services.py` installs them where it can; a fixture asks `require` for the one that it starts.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

NOT_TESTED = "not tested: "

# Beside PATH: where servers are put that only root is expected to start, and where services.py puts node.
_FOLDERS = (str(Path(sys.executable).parent), "/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/bin")


@dataclass(frozen=True)
class Program:
    """One program: what it is called, the Debian packages that make it run, and the tests that need it."""

    name: str
    executables: tuple[str, ...]
    packages: str
    tests: tuple[str, ...]

    def find(self) -> Path | None:
        """Return where it is, or None."""
        path = os.pathsep.join((os.environ.get("PATH", ""), *_FOLDERS))
        found = (shutil.which(executable, path=path) for executable in self.executables)
        return next((Path(where) for where in found if where), None)


@dataclass(frozen=True)
class Unpacked(Program):
    """A program that `scripts/services.py` unpacks from Debian unstable, run with the C library beside it.

    Its name is that of its folder.
    """

    @property
    def root(self) -> Path:
        """Where it is unpacked: a folder in the user's cache, for all checkouts."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(cache) / "gochat" / self.name

    def find(self) -> Path | None:
        """Return where it is, or None."""
        places = (self.root / "usr" / folder / self.executables[0] for folder in ("sbin", "bin"))
        return next((found for found in places if found.exists()), None)

    def command(self) -> list[str]:
        """The command that runs it, to be followed by its arguments."""
        return self.also(require(self).name)

    def also(self, name: str) -> list[str]:
        """The same of another program that came with it."""
        program = require(self).with_name(name)
        (loader,) = self.root.glob("usr/lib/*-linux-gnu*/ld-linux-*.so.*")
        libraries = f"{loader.parent}:{self.root / 'usr' / 'lib' / 'mysql' / 'private'}"
        return [str(loader), "--library-path", libraries, str(program)]


_ALL = ("tests/contract", "tests/wire", "tests/faults")
_MARIADB_PACKAGES = "mariadb-server-core mariadb-client-core"
MARIADB = Program("MariaDB", ("mariadbd",), _MARIADB_PACKAGES, _ALL)
MARIADB_SETUP = Program("MariaDB's set-up", ("mariadb-install-db",), _MARIADB_PACKAGES, _ALL)
MARIADB_CLIENTS = Program("MariaDB's clients", ("mariadb-dump",), "mariadb-client", ("tests/faults",))
MARIADB_BACKUP = Program("mariadb-backup", ("mariadb-backup",), "mariadb-backup", ("tests/faults",))
MYSQL = Unpacked("mysql-unstable", ("mysqld",), "mysql-server-core", _ALL)
MYSQL_CLIENTS = Unpacked(
    "mysql-clients-unstable", ("mysqldump",), "mysql-client-core mysql-server-core", ("tests/faults",)
)
MARIADB_NEWEST = Unpacked("mariadb-unstable", ("mariadbd",), "mariadb-server-core", _ALL)
REDIS = Program("Redis", ("redis-server",), "redis-server", _ALL)
NODE = Program("Node", ("node",), "nodejs", ("tests/wire",))
CHROMIUM = Program("Chromium", ("chromium", "google-chrome"), "chromium", ("tests/browser",))
JAVA = Program("Java", ("javac",), "default-jdk-headless", ("tests/java",))
CC = Program("a C compiler", ("cc",), "gcc libc6-dev python3-dev", ("tests/compiled",))
PROMETHEUS = Program("Prometheus", ("prometheus",), "prometheus", ("tests/faults",))
NGINX = Program("nginx", ("nginx",), "nginx-light", ("tests/edges",))
HAPROXY = Program("haproxy", ("haproxy",), "haproxy", ("tests/edges",))
OPENSSL = Program("openssl", ("openssl",), "openssl", ("tests/edges",))
MAVEN = Program("Maven", ("mvn",), "maven", ("tests/java",))


def require(program: Program) -> Path:
    """Return where `program` is. Without it, the test is skipped, or with CI=true failed."""
    found = program.find()
    if found is None:
        missing(f"{program.name} is missing (Debian: apt-get install {program.packages})")
    return found


def missing(message: str) -> NoReturn:
    """Skip the test for want of what `message` names, or with CI=true fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(NOT_TESTED + message)
