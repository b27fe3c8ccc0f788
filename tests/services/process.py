"""A server as a child process: started on a free port, awaited until it answers, stopped or killed."""

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.02


class NotStartedError(Exception):
    """A server ended or did not answer in time. The text has the end of its log."""


class Process:
    """A running child with its own process group and its output in a file."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.log_path = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._child.poll()

    @property
    def log(self) -> str:
        """All that it has printed."""
        return self.log_path.read_text(errors="replace")

    def wait_until(self, is_ready: Callable[[], bool], timeout: float) -> None:
        """Wait until `is_ready()`. Raises NotStartedError if it ends before, or after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not is_ready():
            try:
                status = self._child.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
                self.kill()
                raise NotStartedError(f"no answer within {timeout} s:\n{self.log[-4000:]}") from None
            raise NotStartedError(f"exit status {status}:\n{self.log[-4000:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and its children. SIGSTOP freezes it, SIGCONT lets it go on."""
        if self.returncode is None:
            os.killpg(self.pid, number)

    def stop(self, timeout: float = 60) -> int:
        """Ask it to end (SIGTERM); return its exit status. If it does not, kill it and raise TimeoutError."""
        self.signal(signal.SIGTERM)
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"still running {timeout} s after SIGTERM:\n{self.log[-4000:]}") from None

    def kill(self) -> None:
        """End it at once (SIGKILL), with its children."""
        self.signal(signal.SIGKILL)
        self._child.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()


class Server(ABC):
    """A server on 127.0.0.1 that keeps its port and its data over stops, kills and starts."""

    def __init__(self) -> None:
        self.port = 0
        self._process: Process | None = None

    @abstractmethod
    def _launch(self, port: int) -> Process:
        """Start it on `port` and wait until it answers. Raises NotStartedError."""

    @property
    def process(self) -> Process:
        """The running server, for its signals, its exit status and its log."""
        if self._process is None:
            raise RuntimeError(f"{type(self).__name__} is not running")
        return self._process

    def start(self) -> None:
        """Start it, the first time on a free port, and wait until it answers."""
        if self.port:
            self._process = self._launch(self.port)
        else:
            self._process, self.port = _on_free_port(self._launch)

    def stop(self, timeout: float = 60) -> int:
        """Ask it to end (SIGTERM); return its exit status. If it does not, kill it and raise TimeoutError."""
        status = self.process.stop(timeout)
        self._process = None
        return status

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would."""
        self.process.kill()
        self._process = None

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self.kill()


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _on_free_port(launch: Callable[[int], Process]) -> tuple[Process, int]:
    """Launch on a free port, on another one if some program was faster."""
    for _ in range(5):
        port = free_port()
        try:
            return launch(port), port
        except NotStartedError as error:
            if "address already in use" not in str(error).lower():
                raise
    raise NotStartedError("every port was taken by another program")
