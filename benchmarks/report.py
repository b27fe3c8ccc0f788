"""The page that a benchmark writes."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.services.mariadb import MariaDB

DOCS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"


@dataclass
class Page:
    """Markdown, put together step by step; each step is printed, so that one sees how far it is."""

    title: str
    parts: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """A paragraph."""
        self.parts.append(text)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: bool = True) -> None:
        """A table; all but its first column may be numbers."""
        lines = [head, ["---"] + ["---:" if numbers else "---"] * (len(head) - 1), *rows]
        self.parts.append("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))

    def text(self) -> str:
        """All of it."""
        return "\n\n".join([f"# {self.title}", *self.parts]) + "\n"


def circumstances(*programs: str) -> str:
    """Where and when it was measured."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("sqlalchemy", "pymysql"))
    what = ", ".join([f"CPython {platform.python_version()}", packages, *programs])
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores ({_processor()}),"
        f" {platform.system()} {platform.release()}; {what}. What counts are ratios within one run:"
        " absolute times drift with the machine and with what else it does."
    )


def mariadb_version(server: MariaDB) -> str:
    """Its name and number."""
    with closing(server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        return f"MariaDB {cursor.fetchone()[0].partition('-')[0]}"


def sqlite_version() -> str:
    """Its name and number."""
    return f"SQLite {sqlite3.sqlite_version}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
