"""GoChat itself as users run it: `gochat serve` in a process of its own."""

import http.client
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.process import Process, Server

READY_PATH = "/api/v1/health/ready"
_BIN = Path(sys.executable).parent

PLAIN_ASGI = (
    str(_BIN / "uvicorn"), "--factory", "gochat.main:create_app",
    "--ws", "websockets-sansio", "--ws-ping-interval", "0", "--ws-per-message-deflate", "false",
)  # fmt: skip
"""The application under a plain ASGI server, which takes its port from UVICORN_PORT."""


class GoChatServer(Server):
    """One `gochat serve` on 127.0.0.1, with the settings given and no others.

    `directory` is where it runs: the SQLite file and development's JWT secret are made there, so servers that
    share it know each other's tokens. The log of each start is added to `server-<port>.log` in it. `command`
    starts it in another way than `gochat serve`. It has started when `ready_path` answers 200.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        ready_path: str = READY_PATH,
    ) -> None:
        super().__init__()
        self._command = command or (str(_BIN / "gochat"), "serve")
        self.directory = directory
        self._settings = dict(settings or {})
        self._ready_path = ready_path

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def _launch(self, port: int) -> Process:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        address = {"HOST": "127.0.0.1", "PORT": str(port), "UVICORN_PORT": str(port)}
        env = inherited | self._settings | address
        process = Process(self._command, self.directory / f"server-{port}.log", env, self.directory)
        process.wait_until(lambda: self._is_ready(port), timeout=60)
        return process

    def _is_ready(self, port: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", self._ready_path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
