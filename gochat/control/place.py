"""Where the control sockets of this machine's processes are: one folder, a file for each worker of each
port."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


class PlaceError(Exception):
    """The folder is not this user's own: nothing is put there."""


def folder(run_dir: Path | None) -> Path:
    """The folder, which only this user can enter; made if it is not there.

    Raises:
        PlaceError: it is somebody else's, or open to others.
    """
    path = run_dir or Path(tempfile.gettempdir()) / f"gochat-{os.geteuid()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat(follow_symlinks=False)
    except OSError as error:
        raise PlaceError(f"RUN_DIR: {str(path)!r}: {error.strerror}") from None
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PlaceError(f"RUN_DIR: {str(path)!r} has to belong to this user alone, with mode 0700")
    return path


def socket_path(run_dir: Path | None, port: int, worker: str) -> Path:
    """The control socket of a worker. Raises PlaceError."""
    return folder(run_dir) / f"{port}-{worker}.sock"


def sockets(run_dir: Path | None, port: int | None) -> dict[str, Path]:
    """Those that are there, by the worker's name: of one port, or of all with names such as `8000-0`."""
    found = sorted(folder(run_dir).glob("*.sock"))
    if port is None:
        return {path.stem: path for path in found}
    return {path.stem.partition("-")[2]: path for path in found if path.stem.startswith(f"{port}-")}
