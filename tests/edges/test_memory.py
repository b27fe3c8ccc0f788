"""60,000 phones that come and go, in every way and broken at every step, leave nothing behind."""

import threading

import pytest

from tests.wire.engine.conftest import OPTIONS, Server, running
from tests.wire.engine.test_http import UPGRADE
from tests.wire.engine.wire import Poller, Ws

FIRST, LAST = 3_000, 60_000
AT_ONCE = 4
EVERY = 20
"""One in so many polls, and upgrades as far as a step."""

STEPS = ((), ("2probe",), ("2probe", "5"), ("5",))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", ["fast", "asgi"])
def test_memory_is_level(way: str) -> None:
    last = LAST if way == "fast" else LAST // 4
    with running(way, **OPTIONS) as server:
        come_and_go(server, FIRST)
        before, tasks = at_rest(server)
        come_and_go(server, last - FIRST)
        after, tasks_after = at_rest(server)
        assert after < before * 1.03, (before, after)
        assert tasks_after <= tasks


def come_and_go(server: Server, count: int) -> None:
    threads = [threading.Thread(target=connect, args=(server.port, count // AT_ONCE)) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def connect(port: int, count: int) -> None:
    for number in range(count):
        if number % EVERY:
            with Ws(port) as ws:
                ws.send("40")
                ws.open()
                if number % 2:
                    ws.text()
        else:
            poller = Poller(port)
            if number % (2 * EVERY):
                poller.connect()
            with Ws(port, UPGRADE + poller.sid) as ws:
                ws.send(*STEPS[number // EVERY % len(STEPS)])


def at_rest(server: Server) -> tuple[int, int]:
    """The memory and the tasks of a server when all sessions have ended."""
    with Ws(server.port).connect() as ws:
        for _ in range(200):
            ws.send('421["sessions"]')
            if ws.text() == "431[1]":
                break
            threading.Event().wait(0.1)
        else:
            pytest.fail("sessions do not end")
        ws.send('421["tasks"]')
        return server.memory(), int(ws.text()[4:-1])
