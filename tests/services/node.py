"""A JavaScript program driven over its standard streams: a JSON value a line, both ways."""

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.services.programs import NODE, missing, require

SCRIPTS = Path(__file__).resolve().parent.parent / "js"
UNREAD_MAX = 100_000


class NodeEndedError(Exception):
    """The program ended, or said something that is not JSON. The text has what it wrote to stderr."""


class NodeClient:
    """`node SCRIPT ARGUMENTS...`; SCRIPT is a file of tests/js, where npm put the official client."""

    def __init__(self, script: str, *arguments: str, log: Path) -> None:
        if not (SCRIPTS / "node_modules").exists():
            missing("the official JavaScript client is missing (npm ci in tests/js)")
        self._log = log
        self._lines: queue.Queue[bytes] = queue.Queue(UNREAD_MAX)
        with log.open("ab") as errors:
            self._child = subprocess.Popen(
                [require(NODE), SCRIPTS / script, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self._reader = threading.Thread(target=self._read, name=f"node {script}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def send(self, message: object) -> None:
        """Give it one value."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(message).encode() + b"\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def receive(self, timeout: float = 10) -> Any:
        """Return its next value. Raises TimeoutError after `timeout` seconds, NodeEndedError at its end."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"nothing from Node within {timeout} s") from None
        try:
            return json.loads(line)
        except json.JSONDecodeError:
            raise self._ended(line) from None

    def receive_until(self, is_wanted: Callable[[Any], bool], timeout: float = 10) -> Any:
        """Return the next value that is wanted; those before it are dropped. Raises as `receive` does."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.receive(max(0, deadline - time.monotonic()))
            if is_wanted(message):
                return message

    def _ended(self, line: bytes = b"") -> NodeEndedError:
        return NodeEndedError(f"{line!r}\n{self._log.read_text(errors='replace')[-4000:]}")

    def close(self, timeout: float = 10) -> int:
        """Close its standard input, on which it should end; kill it if it stays. Return its exit status."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait(timeout)
        finally:
            self._reader.join(timeout)
            self._child.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
