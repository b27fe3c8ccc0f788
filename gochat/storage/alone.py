"""One server on one SQLite file: a second one is refused.

Two would each keep what they know of revisions and presence for themselves, and no phone would hear of the
other's.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class AlreadyServedError(Exception):
    """Another process serves this file; the text says which."""


class Alone:
    """Holds a file beside the database locked, for as long as the process lives or until `release`."""

    def __init__(self, database: Path) -> None:
        # Not the database's own: SQLite takes the locks on that one itself.
        self._path = database.with_name(f"{database.name}-server")
        self._database = database
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take it, or keep it.

        Raises:
            AlreadyServedError: another process has it.
        """
        if self._descriptor is not None:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise AlreadyServedError(
                f"SQLITE_PATH: {self._database} is served by another process ({holder}); SQLite serves one"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back; the file stays, since another may have it open by now."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
