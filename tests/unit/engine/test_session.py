"""The heartbeat of a session, on a clock of its own."""

from typing import Any

import pytest

from gochat.events.engine.engine import Engine
from gochat.events.engine.errors import ProtocolError, Refused
from gochat.events.engine.handshake import Request
from gochat.events.engine.options import EngineOptions
from gochat.events.engine.payloads import PING_FRAME
from gochat.events.engine.session import OPEN, Session

pytestmark = pytest.mark.anyio


class Silent:
    """A transport, and the application on it: they note what they are told."""

    name = "websocket"
    backlog = 0

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.reasons: list[str] = []

    def write(self, frames: bytes) -> None:
        self.sent.append(frames)

    send = write

    def close(self, code: int, reason: str, *, flush: bool) -> bool:
        return True

    def closed(self, reason: str) -> None:
        self.reasons.append(reason)

    def release(self) -> None: ...
    def resume(self) -> None: ...
    def drain(self) -> None: ...
    def expired(self) -> None: ...
    def receive(self, data: str | bytes) -> None: ...
    def writer_changed(self, write: Any) -> None: ...


class Clock:
    """Turns the wheel of an engine with one session, tenth by tenth of a second."""

    def __init__(self, interval: float, timeout: float) -> None:
        self.now = 1000.0
        self.other = Silent()
        options = EngineOptions(ping_interval=interval, ping_timeout=timeout, close_timeout=1)
        self.engine = Engine(lambda _session, _request: self.other, options)
        self.engine.now = lambda: self.now
        self.session = Session(self.engine, "sid", "address")
        self.session.start(self.other, self.other)

    def wait(self, seconds: float) -> int:
        """Let time pass; return how many pings came."""
        before = len(self.other.sent)
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.engine.wheel.turn(self.now)
        assert set(self.other.sent) <= {PING_FRAME}
        return len(self.other.sent) - before


async def test_a_late_server_opens_no_session_and_says_when_to_come_again() -> None:
    late = True
    engine = Engine(lambda _session, _request: Silent(), EngineOptions(late=lambda: late))
    request = Request("GET", "/socket.io/", b"EIO=4&transport=websocket", [], "192.0.2.1")
    with pytest.raises(Refused) as refused:
        engine.open(request, lambda _session: Silent(), [])
    assert (refused.value.status, refused.value.headers) == (503, [(b"retry-after", b"2")])
    assert not engine.sessions
    late = False
    assert engine.open(request, lambda _session: Silent(), [])
    assert len(engine.sessions) == 1


@pytest.mark.parametrize(("interval", "patience"), [(25, 20), (20, 20), (3, 20)])
async def test_a_client_that_answers_is_pinged_once_an_interval(interval: float, patience: float) -> None:
    clock = Clock(interval, patience)
    assert clock.wait(interval + 1) == 1
    for _ in range(10):
        clock.session.receive("3")
        assert clock.wait(interval) == 1
    assert clock.session.state is OPEN


@pytest.mark.parametrize(("interval", "patience"), [(25, 20), (20, 20), (3, 20)])
async def test_a_client_that_is_silent_is_pinged_once_and_closed_in_time(
    interval: float, patience: float
) -> None:
    clock = Clock(interval, patience)
    assert clock.wait(interval + 1) == 1
    assert clock.wait(patience - 3) == 0
    assert clock.session.state is OPEN
    clock.wait(3)
    assert clock.other.reasons == ["ping timeout"]


async def test_a_pong_that_is_later_than_the_next_ping_is_followed_by_that() -> None:
    clock = Clock(3, 20)
    assert clock.wait(4) == 1
    assert clock.wait(8) == 0
    clock.session.receive("3")
    assert clock.wait(1) == 1
    clock.session.receive("3")
    assert [clock.wait(1.5), clock.wait(2)] == [0, 1]


async def test_pongs_that_were_not_asked_for_change_nothing() -> None:
    clock = Clock(3, 20)
    for _ in range(20):
        clock.session.receive("3")
    assert clock.wait(4) == 1
    clock.session.receive("3")
    clock.session.receive("3probe")
    assert clock.wait(3) == 1
    clock.wait(20)
    assert clock.other.reasons == ["ping timeout"]


@pytest.mark.parametrize("packet", ["6", "5"])
async def test_what_the_reference_server_overhears(packet: str) -> None:
    clock = Clock(3, 20)
    clock.session.receive(packet)
    assert clock.session.state is OPEN


@pytest.mark.parametrize("packet", ["0{}", "2", "2probe", "7", "", "x"])
async def test_what_is_no_packet_of_a_client(packet: str) -> None:
    with pytest.raises(ProtocolError):
        Clock(3, 20).session.receive(packet)


async def test_a_ping_that_fails_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(3, 20)
    healthy = Silent()
    second = Session(clock.engine, "other", "address")
    monkeypatch.setattr(clock.other, "send", lambda _frames: 1 / 0)
    second.start(healthy, healthy)
    clock.wait(4)
    assert healthy.sent == [PING_FRAME]
    clock.wait(20)
    assert clock.other.reasons == healthy.reasons == ["ping timeout"]


async def test_a_stall_of_ours_is_forgiven() -> None:
    clock = Clock(25, 20)
    clock.now += 100
    clock.engine.wheel.turn(clock.now)
    assert clock.other.sent == [PING_FRAME]
    clock.wait(17)
    assert clock.session.state is OPEN
