"""What is over is not kept in memory until the collector comes: nothing that a connection had holds the rest.

The collector walks what lives long only once in many thousands of connections.
"""

import contextlib
import json
import socket
import threading

from tests.wire.engine.conftest import running
from tests.wire.engine.test_http import POLLING, UPGRADE, post
from tests.wire.engine.wire import TIMEOUT, Poller, Ws, request

TIMES = 5


def held(watcher: Ws) -> dict[str, int]:
    watcher.send('421["held"]')
    counts: dict[str, int] = json.loads(watcher.text()[3:])[0]
    return counts


def come_and_go(port: int, way: str) -> None:
    with Ws(port).connect():
        pass  # cut
    with Ws(port).connect() as ws:
        ws.send("1")
        ws.expect_closed()
    with Ws(port).connect() as ws:
        ws.send("41")
        ws.send("1")
        ws.expect_closed()
    with Ws(port).connect() as ws:
        ws.send('42["quit"]')
        ws.expect_closed()
    with Ws(port).connect() as ws:
        ws.send('42["evict"]')
        ws.expect_closed()
    with Ws(port).connect() as ws:
        ws.send("rubbish")
        ws.expect_closed()
    with Ws(port) as ws:
        ws.open()  # and no CONNECT
    for packets in ((), ("2probe",), ("2probe", "5"), ("5",)):  # broken at every step
        poller = Poller(port).connect()
        with Ws(port, UPGRADE + poller.sid) as ws:
            ws.send(*packets)
        poller.post("1")
        poller.poll()
    poller = Poller(port).connect()
    assert poller.post('421["echo",1]') == (200, "ok")
    assert poller.poll() == (200, "431[1]")
    with poller.pending_poll():
        pass
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as client:  # the second is never answered
        client.sendall(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"rubbish\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while client.recv(1000):
                pass
    poller = Poller(port).connect()
    assert poller.post("x")[0] == 400
    assert request(port, "GET", POLLING.replace("EIO=4", "EIO=3"))[0] == 400
    assert request(port, "GET", "/other")[0] == 404
    with Ws(port, path="/other") as ws:
        assert ws.status == 403


def test_nothing_is_held_of_what_is_over(way: str) -> None:
    with running(f"{way}-uncollected") as server, Ws(server.port).connect() as watcher:
        come_and_go(server.port, way)
        before = settled(watcher)
        for _ in range(TIMES):
            come_and_go(server.port, way)
        after = settled(watcher)
        assert after == before, (before, after)
        assert after["Session"] == 1
        with post(server, Poller(server.port).connect(), '42["echo"]'):
            pass


def settled(watcher: Ws) -> dict[str, int]:
    """What is held when nothing changes any more."""
    now, before = held(watcher), {}
    for _ in range(40):
        threading.Event().wait(0.25)
        now, before = held(watcher), now
        if now == before and now["Session"] == 1:
            break
    return now
