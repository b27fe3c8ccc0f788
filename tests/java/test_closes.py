"""Every close after which a phone should return brings the Java client back at once, on either OkHttp.

It would return anyhow when its heartbeat fails, which is 45 s here: longer than what is waited for.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.java import JavaClient
from tests.wire.engine.conftest import Server, running
from tests.wire.engine.wire import Ws

WITHIN_S = 60


class Phone:
    """The Java client, at a server of the engine alone."""

    def __init__(self, program: JavaClient, server: Server) -> None:
        self.program = program
        self._server = server

    def open(self, token: str = "good", transports: tuple[str, ...] = ("websocket",)) -> None:
        url = f"http://127.0.0.1:{self._server.port}"
        self.program.send({
            "phone": "p", "do": "open", "url": url, "token": token, "transports": list(transports)
        })  # fmt: skip

    def emit(self, event: str, payload: Any) -> None:
        self.program.send(
            {"phone": "p", "do": "emit", "id": 1, "event": event, "payload": payload, "timeout_ms": 60_000}
        )

    def until(self, state: str) -> Any:
        return self.program.receive_until(lambda line: line.get("state") == state, WITHIN_S)

    def returns(self) -> None:
        """It hears of the end, and is back."""
        assert self.until("disconnect")["payload"]["active"]
        self.until("connect")


@pytest.fixture(params=["fast", "asgi"])
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=[False, True], ids=["okhttp3", "okhttp4"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JavaClient]:
    with JavaClient(tmp_path / "java.log", okhttp4=request.param) as java:
        yield java


def opened(ws: Ws) -> int:
    ws.send('421["opened"]')
    return int(ws.text()[4:-1])


@pytest.mark.parametrize("transports", [("websocket",), ("polling",), ("polling", "websocket")])
def test_an_eviction(way: str, program: JavaClient, transports: tuple[str, ...]) -> None:
    with running(way) as server:
        phone = Phone(program, server)
        phone.open(transports=transports)
        phone.until("connect")
        phone.emit("evict", 1)
        phone.returns()


def until_it_has_come_twice(other: Ws) -> None:
    """The phone, which has never been let in; the other's own session counts, and each question."""
    deadline = time.monotonic() + WITHIN_S
    asked = 1
    while opened(other) - asked < 3:
        asked += 1
        assert time.monotonic() < deadline
        time.sleep(0.1)  # between two questions


def test_a_connect_that_is_never_answered(way: str, program: JavaClient) -> None:
    with running(way, connect_timeout=1) as server, Ws(server.port).connect() as other:
        phone = Phone(program, server)
        phone.open("slow")
        until_it_has_come_twice(other)


@pytest.mark.parametrize(
    ("token", "transports"),
    [
        ("later", ("websocket",)),
        ("later", ("polling",)),
        ("later, upgrading", ("polling", "websocket")),
    ],
)
def test_one_that_is_put_off(way: str, program: JavaClient, token: str, transports: tuple[str, ...]) -> None:
    with running(way) as server, Ws(server.port).connect() as other:
        phone = Phone(program, server)
        phone.open(token, transports)
        until_it_has_come_twice(other)


def test_a_phone_that_was_silent(way: str, program: JavaClient) -> None:
    with running(way, ping_interval=1, ping_timeout=3) as server, Ws(server.port).connect() as watcher:
        phone = Phone(program, server)
        phone.open()
        phone.until("connect")
        watcher.send('421["join","watchers"]')
        watcher.expect("431[]")
        os.kill(program.pid, signal.SIGSTOP)
        try:
            while watcher.text() != '42["gone","ping timeout"]':
                pass
        finally:
            os.kill(program.pid, signal.SIGCONT)
        phone.returns()


def test_a_phone_that_reads_too_slowly(way: str, program: JavaClient) -> None:
    with running(way, ping_interval=25) as server, Ws(server.port).connect() as other:
        phone = Phone(program, server)
        phone.open()
        phone.until("connect")
        phone.emit("join", "room")
        program.receive_until(lambda line: line.get("ack") == 1, WITHIN_S)
        other.send('421["join","watchers"]')
        other.expect("431[]")
        os.kill(program.pid, signal.SIGSTOP)
        try:
            gone = False
            while not gone:
                other.send('421["flood",2000,"room"]')
                while (text := other.text()) != "431[]":
                    gone |= text == '42["gone","slow consumer"]'
        finally:
            os.kill(program.pid, signal.SIGCONT)
        phone.returns()


def test_a_server_that_goes(way: str, program: JavaClient) -> None:
    with running(way) as server:
        phone = Phone(program, server)
        phone.open()
        phone.until("connect")
        server.process.send_signal(signal.SIGTERM)
        if way == "asgi" and "okhttp4" in str(program.command):
            return  # uvicorn's own close frame, 1012
        assert phone.until("disconnect")["payload"]["active"]
