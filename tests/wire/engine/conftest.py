"""Server processes for the wire tests: each way into the engine serves the same suite."""

import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.wire.engine.wire import TIMEOUT

APP = Path(__file__).with_name("app.py")
OPTIONS: dict[str, Any] = {"ping_interval": 5, "ping_timeout": 5, "connect_timeout": 5, "close_timeout": 5}
QUICK: dict[str, Any] = {
    "ping_interval": 0.5, "ping_timeout": 1.5, "connect_timeout": 2, "upgrade_timeout": 2,
    "request_timeout": 1, "close_timeout": 1,
}  # fmt: skip
"""Short, but not so short that a client on a busy machine is late."""


class Server:
    """A running server: its port, its log so far, and its end."""

    def __init__(self, way: str, process: subprocess.Popen[str], log: IO[str]) -> None:
        self.way = way
        self.process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self._log = log

    def log(self) -> str:
        return Path(self._log.name).read_text()

    def stop(self) -> int:
        """Send SIGTERM and return the exit status; negative is the signal that ended it."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=TIMEOUT)

    def memory(self) -> int:
        """Return the resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024


@contextmanager
def running(way: str, dispatch: str = "handlers", **options: Any) -> Iterator[Server]:
    with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
        command = [sys.executable, str(APP), way, dispatch, json.dumps(options)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield Server(way, process, log)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        assert "Traceback" not in without_uvicorns_own(Path(log.name).read_text())


def without_uvicorns_own(log: str) -> str:
    """A log without what uvicorn tells of its websockets: of each one, and a traceback of text not UTF-8."""
    return "".join(record for record in RECORD.findall(log) if not UVICORNS_OWN.match(record))


RECORD = re.compile(r"^[A-Z]+ [\w.]+ .*\n(?:(?![A-Z]+ [\w.]+ ).*\n)*", re.MULTILINE)
UVICORNS_OWN = re.compile(r"INFO uvicorn|ERROR uvicorn.error Invalid UTF-8 sequence received from client")


Start = Callable[..., Any]


@pytest.fixture(scope="session", params=["fast", "asgi"])
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def server(way: str) -> Iterator[Server]:
    """A server with python-socketio's handlers."""
    with running(way, **OPTIONS) as server:
        yield server


@pytest.fixture(scope="session")
def dispatching(way: str) -> Iterator[Server]:
    """A server with a dispatcher."""
    with running(way, "dispatcher", **OPTIONS, max_in_flight=8) as server:
        yield server


@pytest.fixture(scope="session")
def quick(way: str) -> Iterator[Server]:
    """A server with short times."""
    with running(way, **QUICK) as server:
        yield server


@pytest.fixture
def start(way: str) -> Start:
    """Start a server of one's own: a context manager taking EngineOptions."""

    def begin(dispatch: str = "handlers", **options: Any) -> Any:
        return running(way, dispatch, **options)

    return begin
