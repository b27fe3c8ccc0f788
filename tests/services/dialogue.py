"""A program driven over its standard streams: a JSON value a line, both ways."""

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

UNREAD_MAX = 100_000


class EndedError(Exception):
    """The program ended, or said something that is not JSON. The text has what it wrote to stderr."""


class Dialogue:
    """A running program that reads and writes lines; `log` takes what it writes to stderr."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self.command = command
        self._log = log
        self._lines: queue.Queue[bytes] = queue.Queue(UNREAD_MAX)
        with log.open("ab") as errors:
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        self._reader = threading.Thread(target=self._read, name=f"reads {command[0]}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    def send(self, message: object) -> None:
        """Give it one value."""
        self.write(json.dumps(message) + "\n")

    def write(self, text: str) -> None:
        """Give it a text, as it is."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(text.encode())
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def receive(self, timeout: float = 30) -> Any:
        """Return its next value. Raises TimeoutError after `timeout` seconds, EndedError at its end."""
        line = self.receive_line(timeout)
        try:
            return json.loads(line)
        except json.JSONDecodeError:
            raise self._ended(line) from None

    def receive_line(self, timeout: float = 30) -> str:
        """Return its next line, whatever it says. Raises as `receive` does."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"nothing heard within {timeout} s") from None
        if not line:
            raise self._ended()
        return line.decode()

    def receive_until(self, is_wanted: Callable[[Any], bool], timeout: float = 30) -> Any:
        """Return the next value that is wanted; those before it are dropped. Raises as `receive` does."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.receive(max(0, deadline - time.monotonic()))
            if is_wanted(message):
                return message

    def _ended(self, line: str = "") -> EndedError:
        return EndedError(f"{line!r}\n{self._log.read_text(errors='replace')[-4000:]}")

    def close(self, timeout: float = 30) -> int:
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
