"""What is too much is refused by name, costs the others nothing, and can be sent again."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.services.gochat import GoChatServer
from tests.wire.account import register
from tests.wire.conftest import SETTINGS
from tests.wire.engine.wire import KEY, Ws
from tests.wire.phone import Phone, message

SENDS = 60
DESCRIPTORS = 160
SOCKETS, EVENTS = 100, 128
"""Together more than any loop takes in in a tenth of a second."""
REQUESTS = 100
HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[GoChatServer]:
    """A server whose writer lets few commands wait."""
    with GoChatServer(tmp_path, SETTINGS | {"WRITER_QUEUE_MAX": "4"}) as running:
        yield running


def test_what_is_too_much_is_refused_and_stored_when_it_is_sent_again(narrow: GoChatServer) -> None:
    with httpx2.Client(base_url=narrow.url, timeout=30) as http:
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        cid = created["conversation"]["id"]
        payloads = [message(cid, f"{n}") for n in range(SENDS)]
        refused: list[dict[str, Any]] = []

        async def send(phone: Phone, payload: dict[str, Any]) -> None:
            while not (ack := await phone.emit("message:send", payload))["ok"]:
                refused.append(ack["error"])

        async def scene() -> None:
            phone = Phone("ann")
            await phone.connect(narrow.url, ann.token)
            await asyncio.gather(*(send(phone, payload) for payload in payloads))
            await phone.close()

        asyncio.run(scene())
        assert refused
        assert {(error["code"], error["retryable"]) for error in refused} == {("overloaded", True)}
        assert all(error["retry_after_ms"] > 0 for error in refused)
        keys = [m["client_message_id"] for m in ann.history(cid)]
        assert sorted(keys) == sorted(payload["client_message_id"] for payload in payloads)


def test_when_descriptors_run_out_who_is_there_is_acked_and_others_come_when_there_is_room(
    tmp_path: Path,
) -> None:
    """However many come, the database's connections, a look at the health and a refusal have theirs.

    The server begins with fewer than it may ask for.
    """
    limits = f"ulimit -S -n {DESCRIPTORS // 2}; ulimit -H -n {DESCRIPTORS}"
    serve = ("sh", "-c", f"{limits}; exec {Path(sys.executable).parent / 'gochat'} serve")
    with (
        GoChatServer(tmp_path, SETTINGS | {"SOCKETS_PER_USER": "1000"}, serve) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
        ExitStack() as stack,
    ):
        ann, ben = register(http, "ann"), register(http, "ben")
        cid = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})["conversation"]["id"]

        async def scene() -> None:
            phone, late = Phone("ann"), Phone("ben")
            await phone.connect(server.url, ann.token)
            others = []
            while (ws := stack.enter_context(Ws(server.port))).status == 101:
                others.append(ws.connect(f'40{{"token":"{ann.token}"}}'))
            assert (ws.status, ws.headers["retry-after"]) == (503, "2")
            assert len(others) > DESCRIPTORS // 4
            for path in ("live", "ready"):
                assert httpx2.get(f"{server.url}/api/v1/health/{path}", timeout=30).status_code == 200
            address = ("127.0.0.1", server.port)
            flood = [stack.enter_context(socket.create_connection(address, 30)) for _ in range(DESCRIPTORS)]
            assert flood[-1].recv(1) == b""
            answers = await asyncio.gather(*(phone.emit("sync", {}) for _ in range(20)))
            assert all(answer["ok"] for answer in answers)
            await phone.expect_ok("message:send", message(cid, "in time"))
            assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < DESCRIPTORS
            coming = asyncio.create_task(late.connect(server.url, ben.token, retry=True))
            while not late.refusals:  # noqa: ASYNC110 (the client tells it to a handler)
                await asyncio.sleep(0.05)
            stack.close()
            await asyncio.wait_for(coming, 60)
            await late.expect_ok("sync", {})
            await phone.close()
            await late.close()

        asyncio.run(scene())


def test_a_loop_that_is_late_refuses_events_and_requests_and_whoever_is_new(tmp_path: Path) -> None:
    """What came while the process stood is there all at once, in one turn of its loop, or two."""
    settings = SETTINGS | {"SOCKETS_PER_USER": "1000", "RATES": "all=off"}
    told: Counter[tuple[str, object]] = Counter()
    with (
        GoChatServer(tmp_path, settings) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
        ExitStack() as stack,
    ):
        packet = f'40{{"token":"{register(http, "ann").token}"}}'
        sockets = [stack.enter_context(Ws(server.port)).connect(packet) for _ in range(SOCKETS)]
        requests = [
            stack.enter_context(closing(HTTPConnection("127.0.0.1", server.port, timeout=30)))
            for _ in range(REQUESTS)
        ]
        for request in requests:
            request.request("GET", "/api/v1/health/live")
            assert answered(request) == 200
        rounds = 0
        while not {("event", "overloaded"), ("request", 503), ("handshake", 503)} <= told.keys():
            rounds += 1
            assert rounds < 30, told
            server.process.signal(signal.SIGSTOP)
            for ws in sockets:
                ws.send(*(f'42{number}["nope"]' for number in range(EVENTS)))
            for request in requests[1:]:
                request.request("GET", "/api/v1/me")
            requests[0].request("GET", "/api/v1/health/live")
            new = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
            new.sendall(HANDSHAKE)
            server.process.signal(signal.SIGCONT)
            for ws in sockets:
                for _ in range(EVENTS):
                    text = ws.text()
                    told["event", json.loads(text[text.index("[") :])[0]["error"]["code"]] += 1
            told.update(("request", answered(request)) for request in requests[1:])
            assert answered(requests[0]) == 200
            told["handshake", int(new.recv(1024).split()[1])] += 1
        assert {code for what, code in told if what == "event"} == {"unknown_event", "overloaded"}
        assert {code for what, code in told if what == "request"} == {401, 503}
        while stack.enter_context(Ws(server.port)).status != 101:
            pass  # for a second nobody is let in
        requests[1].request("GET", "/api/v1/me")
        assert answered(requests[1]) == 401
        sockets[0].send('421["nope"]')
        assert "unknown_event" in sockets[0].text()


def answered(request: HTTPConnection) -> int:
    """The status of its answer, which is read to its end."""
    answer = request.getresponse()
    answer.read()
    return answer.status


def test_an_address_may_have_no_more_sockets_than_it_is_given(tmp_path: Path) -> None:
    with (
        GoChatServer(tmp_path, SETTINGS | {"SOCKETS_PER_ADDRESS": "2"}) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
    ):
        answers = [http.get("/socket.io/?EIO=4&transport=polling") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_a_user_may_have_no_more_sockets_than_they_are_given_and_the_oldest_goes(tmp_path: Path) -> None:
    with (
        GoChatServer(tmp_path, SETTINGS | {"SOCKETS_PER_USER": "2"}) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
    ):
        ann, ben = register(http, "ann"), register(http, "ben")

        async def scene() -> None:
            phones = [Phone(f"ann {number}") for number in range(3)]
            other = Phone("ben")
            await other.connect(server.url, ben.token)
            for phone in phones:
                await phone.connect(server.url, ann.token)
            await phones[0].expect_disconnect()
            for phone in (*phones[1:], other):
                await phone.expect_ok("sync", {})
            for phone in (*phones, other):
                await phone.close()

        asyncio.run(scene())


def test_an_event_that_comes_too_often_is_refused_and_the_others_are_not(tmp_path: Path) -> None:
    with (
        GoChatServer(tmp_path, SETTINGS | {"RATES": "typing:start=5/60,sync=2/1"}) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
    ):
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        typing = {"conversation_id": created["conversation"]["id"]}

        async def scene() -> None:
            one, other, stranger = Phone("ann"), Phone("ann again"), Phone("ben")
            for phone, account in ((one, ann), (other, ann), (stranger, ben)):
                await phone.connect(server.url, account.token)
            for phone in (one, other, one, other, one):
                await phone.expect_ok("typing:start", typing)
            for phone in (one, other):  # they are counted together
                error = await phone.expect_error("typing:start", typing, "rate_limited")
                assert error["retryable"]
                assert 0 < error["retry_after_ms"] <= 12_000
            await stranger.expect_ok("typing:start", typing)
            await one.expect_ok("typing:stop", typing)
            acks: list[Any] = []
            while all(ack["ok"] for ack in acks):  # together, as each second two more are free
                acks += await asyncio.gather(*(one.emit("sync", {}) for _ in range(10)))
            refused = [ack["error"] for ack in acks if not ack["ok"]]
            assert len(refused) < len(acks)
            assert {error["code"] for error in refused} == {"rate_limited"}
            await asyncio.sleep(refused[0]["retry_after_ms"] / 1000)
            await one.expect_ok("sync", {})
            for phone in (one, other, stranger):
                await phone.close()

        asyncio.run(scene())
        asks = (http.post("/api/v1/sync", json={}, headers=ann.headers) for _ in range(1_000))
        answer = next(it for it in asks if it.status_code != 200)
        assert answer.status_code == 429
        assert answer.json()["code"] == "rate_limited"
        assert int(answer.headers["retry-after"]) >= 1


def test_who_floods_is_read_no_faster_than_they_are_answered(tmp_path: Path) -> None:
    """64 refusals a second at most: the flood waits in the network, and costs the others nothing."""
    flood, passed = 20_000, 5
    with (
        GoChatServer(tmp_path, SETTINGS | {"RATES": f"typing:start={passed}/3600"}) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
    ):
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        cid = created["conversation"]["id"]
        address = server.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"

        async def pour(socket: ClientConnection) -> None:
            for number in range(flood):
                await socket.send(f'42{number}["typing:start",{{"more":"{"x" * 2_000}"}}]')

        async def scene() -> None:
            acks: list[Any] = []
            other = Phone("ben")
            await other.connect(server.url, ben.token)
            async with connect(address, ping_interval=None, close_timeout=1) as socket:
                await socket.send(f'40{{"token":"{ann.token}"}}')
                flooding = asyncio.create_task(pour(socket))
                while len(acks) < 64 + passed:
                    text = str(await asyncio.wait_for(socket.recv(), 30))
                    if text.startswith("43"):
                        acks.append(json.loads(text[text.index("[") :])[0])
                for number in range(20):
                    await other.expect_ok("message:send", message(cid, f"{number}"))
                assert not flooding.done()
                flooding.cancel()
            codes = [ack["error"]["code"] for ack in acks]
            assert codes == ["invalid_payload"] * passed + ["rate_limited"] * 64
            await other.close()

        asyncio.run(scene())
