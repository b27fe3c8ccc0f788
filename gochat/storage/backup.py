"""A copy of a SQLite file while a server runs on it.

Copying the file itself gives less than that: what was committed last stands in the `-wal` file beside it, and
the two change under the copy.
"""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

PAGES = 1_000
"""Copied at a time; between two the server may write."""


def copy(database: Path, target: Path) -> int:
    """Copy all that is committed into a new file, which appears when it is whole; its size in bytes.

    Raises:
        FileNotFoundError: there is no such database.
        FileExistsError: there is a file already; nothing is overwritten.
        sqlite3.Error, OSError: it can't be read, or written.
    """
    if not database.exists():
        raise FileNotFoundError(f"{database} is not there")
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    os.close(descriptor)
    try:
        with (
            closing(sqlite3.connect(f"file:{database.absolute()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(draft)) as copied,
        ):
            source.backup(copied, pages=PAGES, sleep=0.01)
            # One file, whoever opens it next.
            copied.execute("PRAGMA journal_mode = DELETE")
        with open(draft, "rb") as written:
            os.fsync(written.fileno())
        os.link(draft, target)
    finally:
        os.unlink(draft)
    return target.stat().st_size
