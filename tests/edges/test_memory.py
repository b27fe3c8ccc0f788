"""60,000 phones that come and go, in every way and broken at every step, leave nothing behind."""

import itertools
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.wire.engine.conftest import OPTIONS, Server, running
from tests.wire.engine.test_http import UPGRADE
from tests.wire.engine.wire import KEY, Poller, Ws, frame

FIRST, LAST = 3_000, 60_000
SHORT: dict[str, Any] = dict.fromkeys(
    ("ping_interval", "ping_timeout", "connect_timeout", "close_timeout"), 1
)
"""So that of those who were left as many wait for their end among the first as ever after."""
AT_ONCE = 4
EVERY = 20
"""One in so many polls, and upgrades as far as a step."""

STEPS = ((), ("2probe",), ("2probe", "5"), ("5",))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", ["fast", "asgi"])
def test_memory_is_level(way: str) -> None:
    last = LAST if way == "fast" else LAST // 4
    with running(way, **SHORT) as server:
        come_and_go(server, FIRST, connect)
        before, tasks = at_rest(server)
        come_and_go(server, last - FIRST, connect)
        after, tasks_after = at_rest(server)
        assert after < before * 1.03, (before, after)
        assert tasks_after <= tasks


def come_and_go(server: Server, count: int, come: Callable[[int, int], None]) -> None:
    """So many phones in all, a few at a time. `come` has a number of them come to a port, and go."""
    threads = [threading.Thread(target=come, args=(server.port, count // AT_ONCE)) for _ in range(AT_ONCE)]
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


UNDER_WAY = ("nothing", "a poll", "half a POST", "a POST that waits")
"""What an upgrade may meet: packets of a POST wait while as many events are in flight as may be."""
HEAD = f"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
ENDS = (b"", struct.pack("ii", 1, 0))
"""With FIN, and with RST."""
ROUNDS = 3
BREAKS = tuple(itertools.product((None, *STEPS), UNDER_WAY, ENDS))
"""The step after which it breaks, None being half a request; what it meets; how it breaks."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", ["fast", "asgi"])
def test_upgrades_broken_at_every_step_leave_nothing_behind(way: str) -> None:
    with running(way, **OPTIONS, max_in_flight=4) as server:
        # Most sessions end by their heartbeat, so each round has as many at once as the first.
        rounds = []
        for _ in range(ROUNDS):
            come_and_go(server, len(BREAKS) * 4 * AT_ONCE, break_upgrades)
            rounds.append(at_rest(server))
        (before, tasks), (after, tasks_after) = rounds[1], rounds[-1]
        assert after < before * 1.03, rounds
        assert tasks_after <= tasks, rounds


def break_upgrades(port: int, count: int) -> None:
    for _, (step, under_way, end) in zip(range(count), itertools.cycle(BREAKS), strict=False):
        break_upgrade(port, step, under_way, end)


def break_upgrade(port: int, step: tuple[str, ...] | None, under_way: str, end: bytes) -> None:
    """Begin an upgrade while something is under way, and be gone after a step of it."""
    poller = Poller(port).connect()
    with ExitStack() as stack:
        if under_way == "a poll":
            stack.enter_context(poller.pending_poll())
        elif under_way != "nothing":
            body = "\x1e".join(['42["wait"]'] * 8)
            size = len(body) * (2 if under_way == "half a POST" else 1)
            posting = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            path = f"/socket.io/?EIO=4&transport=polling&sid={poller.sid}"
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
            posting.sendall((head + body).encode())
        if step is None:
            ws = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            ws.sendall(f"GET /socket.io/?{UPGRADE}{poller.sid} HTTP/1.1\r\n{HEAD}".encode())
        else:
            ws = stack.enter_context(Ws(port, UPGRADE + poller.sid)).socket
            ws.sendall(b"".join(frame(packet.encode()) for packet in step))
        if end:
            ws.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, end)


def at_rest(server: Server) -> tuple[int, int]:
    """The memory and the tasks of a server when all sessions have ended, and what they waited for."""
    with Ws(server.port).connect() as ws:
        ws.send('421["open"]')
        ws.expect("431[]")
        for _ in range(600):
            ws.send('421["sessions"]')
            left = ws.text()
            if left == "431[1]":
                break
            threading.Event().wait(0.1)
        else:
            pytest.fail(f"sessions do not end: {left}")
        ws.send('421["tasks"]')
        tasks = int(ws.text()[4:-1])
        ws.send('421["shut"]')
        ws.expect("431[]")
        ws.send('421["trim"]')
        ws.expect("431[]")
        return server.memory(), tasks
