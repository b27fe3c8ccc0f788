"""HTTP as proxies, carriers and libraries speak it. On the fast path, where the connection is the engine's
own."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.wire.engine.conftest import Server, Start
from tests.wire.engine.wire import KEY, TIMEOUT, UNKNOWN, Poller, Ws, answer, frame

POLLING = "/socket.io/?EIO=4&transport=polling"
UPGRADE = "EIO=4&transport=websocket&sid="
H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"


@contextmanager
def connection(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client


def fast_only(way: str) -> None:
    if way == "asgi":
        pytest.skip("the ASGI server's own connections are its own matter")


# Handshakes of websockets


@pytest.mark.parametrize(
    "upgrade",
    [
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: upgrade\r\nUpgrade: WebSocket\r\n",
        "Connection: Upgrade\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n",
        "Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n",
    ],
)
def test_offers_of_a_websocket(server: Server, way: str, upgrade: str) -> None:
    fast_only(way)
    with Ws(server.port, upgrade=upgrade) as ws:
        ws.connect()
        ws.expect_alive()


# Offers of something else (RFC 9110 section 7.8)


def test_an_offer_of_http2_is_not_taken_up(server: Server, way: str) -> None:
    fast_only(way)
    with connection(server) as client:
        client.sendall(f"GET {POLLING} HTTP/1.1\r\nHost: x\r\n{H2C}\r\n".encode())
        status, body = answer(client)
        assert status == 200
        sid = body.partition('"sid":"')[2].partition('"')[0]
        post = f"POST {POLLING}&sid={sid} HTTP/1.1\r\nHost: x\r\n{H2C}Content-Length: 2\r\n\r\n"
        client.sendall(f"{post}40".encode())
        assert answer(client) == (200, "ok")
        client.sendall(f"GET {POLLING}&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer(client)[1].startswith("40{")
        client.sendall(f"{post[:-30]}".encode())
        client.sendall(post[-30:].encode())
        client.sendall(b"4")
        client.sendall(b"1")
        assert answer(client) == (200, "ok")


def test_an_offer_of_http2_to_what_is_not_ours(server: Server, way: str) -> None:
    fast_only(way)
    for request in ("GET / HTTP/1.1", "POST / HTTP/1.1"):
        with connection(server) as client:
            length = "Content-Length: 5\r\n" if request.startswith("POST") else ""
            client.sendall(f"{request}\r\nHost: x\r\n{H2C}{length}\r\n{'hello' if length else ''}".encode())
            assert answer(client)[0] == 404
            client.sendall(b"GET /again HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer(client)[0] == 404


WEBSOCKET = "Connection: Upgrade\r\nUpgrade: websocket\r\n"


def test_a_proxy_that_offers_a_websocket_with_every_request(server: Server, way: str) -> None:
    """As where its users wrote both headers down: without a key it is no handshake (RFC 6455 section 4.1)."""
    fast_only(way)
    with connection(server) as client:
        client.sendall(f"GET {POLLING} HTTP/1.1\r\nHost: x\r\n{WEBSOCKET}\r\n".encode())
        status, body = answer(client)
        assert status == 200
        sid = body.partition('"sid":"')[2].partition('"')[0]
        head = f"POST {POLLING}&sid={sid} HTTP/1.1\r\nHost: x\r\n{WEBSOCKET}Content-Length: 2\r\n\r\n"
        client.sendall(f"{head}40".encode())
        assert answer(client) == (200, "ok")
        head = f"POST /other HTTP/1.1\r\nHost: x\r\n{WEBSOCKET}Content-Length: 5\r\n\r\n"
        client.sendall(f"{head}hello".encode())
        assert answer(client)[0] == 404


# Requests


@pytest.mark.parametrize(
    "head",
    [
        "GET {} HTTP/1.0\r\n",
        "GET {} HTTP/1.0\r\nHost: x\r\nConnection: close\r\n",
        "GET http://example:80{} HTTP/1.1\r\nHost: x\r\n",
        "GET {} HTTP/1.1\r\nHOST: x\r\nACCEPT: */*\r\n",
        "\r\nGET {} HTTP/1.1\r\nHost: x\r\n",
        "GET {} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n",
        "GET {} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: \r\n",
    ],
)
def test_requests_as_proxies_write_them(server: Server, head: str) -> None:
    with connection(server) as client:
        client.sendall((head.format(POLLING) + "\r\n").encode())
        status, body = answer(client)
        assert status == 200
        assert '"sid"' in body


def test_a_post_that_asks_before_it_sends(server: Server) -> None:
    poller = Poller(server.port)
    with connection(server) as client:
        client.sendall(
            f"POST {POLLING}&sid={poller.sid} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            "Content-Length: 2\r\n\r\n".encode()
        )
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"40")
        assert answer(client) == (200, "ok")


def test_a_post_in_chunks_of_one_byte(server: Server) -> None:
    poller = Poller(server.port).connect()
    with connection(server) as client:
        client.sendall(
            f"POST {POLLING}&sid={poller.sid} HTTP/1.1\r\nHost: x\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for character in '42["back","é"]\x1e42["back",2]'.encode():
            client.sendall(b"1\r\n%c\r\n" % character)
        client.sendall(b"0\r\n\r\n")
        assert answer(client) == (200, "ok")
    received: list[str] = []
    while len(received) < 2:
        received += poller.poll()[1].split("\x1e")
    assert received == ['42["back","é"]', '42["back",2]']


def test_requests_that_do_not_wait_for_each_other(server: Server) -> None:
    """Pipelined: a poll that waits, and a post behind it that answers it, on one connection."""
    poller = Poller(server.port).connect()
    target = f"{POLLING}&sid={poller.sid} HTTP/1.1\r\nHost: x\r\n"
    with connection(server) as client:
        client.sendall(f"GET {target}\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        poller.post('42["back",1]')
        assert answer(client) == (200, '42["back",1]')


@pytest.mark.parametrize("own", [True, False], ids=["its own websocket", "another"])
def test_a_websocket_behind_a_poll_that_is_not_answered(start: Start, way: str, own: bool) -> None:
    """Who answered the poll would answer into the websocket: the connection ends, and nobody else's."""
    fast_only(way)
    with (
        start(connect_timeout=1, ping_interval=1, ping_timeout=5) as server,
        Ws(server.port, silent=True).connect() as other,
    ):
        for _ in range(10):
            poller = Poller(server.port)
            with poller.pending_poll() as client:
                query = f"{UPGRADE}{poller.sid}" if own else "EIO=4&transport=websocket"
                head = f"GET /socket.io/?{query} HTTP/1.1\r\nHost: x\r\n{WEBSOCKET}"
                client.sendall(
                    f"{head}Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
                )
                client.sendall(frame(b"2probe"))
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(1) == b""
            assert poller.poll() == UNKNOWN
        for _ in range(3):
            other.expect("2")
            other.send("3")


# Connections that are kept


def test_an_idle_connection_is_kept_and_its_time_is_told(start: Start, way: str) -> None:
    fast_only(way)
    with start(keep_alive=6, request_timeout=1) as server:
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
        kept.request("GET", POLLING)
        sid = kept.getresponse().read().decode().partition('"sid":"')[2].partition('"')[0]
        with connection(server) as silent:
            assert silent.recv(1) == b""  # this takes the time of a request, which is not that between two
        for path in (f"{POLLING}&sid={sid}", "/other"):
            kept.request("POST", path, b"40")
            kept.getresponse().read()
        sock = kept.sock
        assert sock is not None
        assert sock.recv(1) == b""  # at last
        kept.close()


def test_a_kept_connection_waits_for_the_head_of_its_next_request_as_for_that_of_the_first(
    start: Start, way: str
) -> None:
    fast_only(way)
    with start(keep_alive=60, request_timeout=1) as server, connection(server) as client:
        client.sendall(f"GET {POLLING} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer(client)[0] == 200
        client.sendall(f"GET {POLLING} HTTP/1.1\r\nHost:".encode())
        client.settimeout(TIMEOUT)
        assert client.recv(1) == b""  # long before a connection that rests would end


def test_a_poll_that_waits_outlives_what_its_connection_was_given_for_the_request(
    start: Start, way: str
) -> None:
    fast_only(way)
    with start(keep_alive=1, request_timeout=1) as server:
        poller = Poller(server.port).connect()
        with connection(server) as client, Ws(server.port).connect() as clock:
            poll = f"GET {POLLING}&sid={poller.sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            client.sendall(poll[:-2])
            threading.Event().wait(0.3)  # so that the head has a deadline
            client.sendall(poll[-2:])
            began = time.monotonic()
            while time.monotonic() - began < 2.5:
                clock.send('421["echo",1]')
                clock.expect("431[1]")
                threading.Event().wait(0.2)
            assert poller.post('42["back",7]') == (200, "ok")
            assert answer(client) == (200, '42["back",7]')


# Bodies


def test_a_slow_but_steady_post_is_taken(start: Start) -> None:
    with start(request_timeout=1.5, min_upload_rate=1, ping_interval=0.5, ping_timeout=1.5) as server:
        poller = Poller(server.port).connect()
        body = b'42["back",1]'
        with connection(server) as client, Ws(server.port).connect() as clock:
            head = (
                f"POST {POLLING}&sid={poller.sid} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            client.sendall(head.encode())
            began = time.monotonic()
            for position in range(len(body)):
                clock.send('421["echo",1]')
                clock.expect("431[1]")
                client.sendall(body[position : position + 1])
                threading.Event().wait(0.3)  # the pace of the upload
            assert answer(client) == (200, "ok")
            assert time.monotonic() - began > 2  # longer than a request's and a pong's time
        received: list[str] = []
        while body.decode() not in received:
            status, payload = poller.poll()
            assert status == 200
            received += payload.split("\x1e")


def test_the_time_in_which_a_body_is_not_read_is_not_counted(start: Start) -> None:
    """It waits for events that are not answered yet, as while a database hangs."""
    with (
        start("dispatcher", max_in_flight=8, request_timeout=1) as server,
        Ws(server.port).connect() as other,
    ):
        poller = Poller(server.port).connect()
        behind = b'42["back","behind"]'
        with post(server, poller, *WAITS, "", to_come=len(behind)) as sent:
            other.expect_alive()
            threading.Event().wait(3)  # much longer than a body may stand still
            other.send('42["open"]')
            other.expect_alive()
            threading.Event().wait(0.2)  # so that it is waited for
            sent.sendall(behind)
            assert answer(sent) == (200, "ok")


@pytest.mark.parametrize(
    ("path", "piece"), [(f"{POLLING}&sid=", b"4"), (f"{POLLING}&sid=", b"6\x1e"), ("/other", b"4")]
)
def test_a_body_that_trickles_is_given_up(start: Start, way: str, path: str, piece: bytes) -> None:
    fast_only(way)
    with start(request_timeout=0.4, min_upload_rate=100_000) as server:
        poller = Poller(server.port)
        with connection(server) as client:
            sid = poller.sid if "sid=" in path else ""
            client.sendall(f"POST {path}{sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n".encode())
            with pytest.raises(OSError):  # noqa: PT012
                for _ in range(1000):
                    client.sendall(piece)
                    threading.Event().wait(0.02)


# A websocket that takes over while something waits


def post(server: Server, poller: Poller, *packets: str, to_come: int = 0) -> socket.socket:
    """Send a POST on a connection of its own, but the bytes `to_come`, and do not wait for its answer."""
    client = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
    body = "\x1e".join(packets).encode()
    size = len(body) + to_come
    head = f"POST {POLLING}&sid={poller.sid} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    client.sendall(head.encode() + body)
    return client


WAITS = (*['42["wait"]'] * 8, *(f'42["back",{n}]' for n in range(120)))
"""As many events as may be in flight, and what has to wait behind them."""


def test_a_post_that_waits_goes_on_when_a_websocket_takes_over(start: Start) -> None:
    with start("dispatcher", max_in_flight=8) as server, Ws(server.port).connect() as other:
        for probe in ((), ("2probe",)):
            poller = Poller(server.port).connect()
            with post(server, poller, *WAITS) as sent, Ws(server.port, UPGRADE + poller.sid) as ws:
                ws.send(*probe, "5", '42["back","behind"]')
                if probe:
                    ws.expect("3probe")
                other.expect_alive()
                other.send('42["open"]')
                ws.expect(*(f'42["back",{n}]' for n in range(120)), '42["back","behind"]')
                assert answer(sent) == (200, "ok")
                ws.expect_alive()
            other.send('42["shut"]')
            other.expect_alive()


def test_a_client_that_is_gone_ends_the_post_that_waits(start: Start) -> None:
    with start("dispatcher", max_in_flight=8) as server, Ws(server.port).connect() as watcher:
        watcher.send('421["join","watchers"]')
        watcher.expect("431[]")
        for take_over in (True, False):
            poller = Poller(server.port).connect()
            with post(server, poller, *WAITS) as sent:
                if take_over:
                    with Ws(server.port, UPGRADE + poller.sid) as ws:
                        ws.send("5")
                        watcher.expect_alive()
                    assert answer(sent)[0] == 400
            watcher.expect('42["gone","transport close"]')


def test_half_a_post_that_waits_ends_with_its_session(start: Start) -> None:
    with start("dispatcher", max_in_flight=8) as server, Ws(server.port).connect() as other:
        poller = Poller(server.port).connect()
        with post(server, poller, *WAITS, "", to_come=100) as sent:
            with Ws(server.port, UPGRADE + poller.sid) as ws:
                ws.send("5")
                other.expect_alive()
            assert answer(sent)[0] == 400


def test_a_draining_server_ends_the_post_that_waits(start: Start, way: str) -> None:
    if way == "asgi":
        pytest.skip("an ASGI server closes its websockets itself")
    with start("dispatcher", max_in_flight=2) as server, Ws(server.port).connect() as other:
        poller = Poller(server.port).connect()
        packets = ('421["until draining"]', '422["until draining"]', '423["echo",1]')
        with post(server, poller, *packets), Ws(server.port, UPGRADE + poller.sid) as ws:
            ws.send("5")
            other.expect_alive()
            server.process.terminate()
            assert sorted((ws.text(), ws.text())) == ['431["draining"]', '432["draining"]']
            assert ws.expect_closed() is None
            assert server.process.wait(TIMEOUT) <= 0


# What is dropped in the middle


def test_websockets_that_are_dropped_in_the_middle_of_an_upgrade_leave_nothing(start: Start) -> None:
    with start(upgrade_timeout=60, connect_timeout=60) as server:
        poller = Poller(server.port).connect()
        for number in range(60):
            with Ws(server.port, UPGRADE + poller.sid) as ws:
                if number % 3:
                    ws.send("2probe")
                if number % 3 == 2:
                    ws.raw(frame(b"5")[:-1])
        with Ws(server.port).connect() as other:
            other.expect_alive()
            assert tasks(other) < 30
        assert server.stop() <= 0


def tasks(ws: Ws) -> int:
    """Ask how many tasks the server has, until it says the same twice."""
    before = -1
    while True:
        ws.send('421["tasks"]')
        now = int(ws.text()[4:-1])
        if now == before:
            return now
        before = now
        threading.Event().wait(0.2)
