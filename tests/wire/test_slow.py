"""Who reads slowly is told as fast as they read, and stays; others hear all at once."""

import asyncio
import json
import threading
import time
from typing import Any

import httpx2
import pytest

from tests.phone.store import Store
from tests.services.gochat import GoChatServer
from tests.wire.account import Account, register
from tests.wire.engine.wire import Ws, frame
from tests.wire.phone import Phone, message

COUNT = 180
BODY = "\x01" * 7_999 + "x"
"""48 KB as JSON has it, and 8 MB of it in all: more than the kernel and the server hold for one socket."""
ASKED = 24
"""Questions with 240 KB of an answer each: in all five times what may wait for a socket."""
PING, PONG = 0x89, 10
"""The first byte of such a frame, and its opcode (RFC 6455 section 5.2)."""
BACKLOG = 1 << 20
"""What may wait for one socket, unless it is set otherwise."""


@pytest.mark.parametrize(("count", "body"), [(COUNT, BODY), (900, "x" * 5_000)])
def test_a_phone_that_reads_slowly_is_not_cut_by_a_burst(own: GoChatServer, count: int, body: str) -> None:
    """Of few that are long, and of more than one answer to a phone that was away would tell one by one."""
    with httpx2.Client(base_url=own.url, timeout=60) as http:
        ann, ben, cat = (register(http, name) for name in ("ann", "ben", "cat"))
        group = {"kind": "group", "member_ids": [ben.id, cat.id]}
        cid = ann.post("/conversations", group)["conversation"]["id"]
        store = Store(ben.id)
        with Ws(own.port, receive_buffer=4096) as slow:
            slow.connect("40" + json.dumps({"token": ben.token}))
            slow.send('420["sync",{}]')
            store.apply_sync(answer(slow, 0)["data"])
            asyncio.run(burst(own, ann, cat, cid, count, body))
            slow.send("421" + json.dumps(["message:send", message(cid, "I am here")]))
            held = store.conversations[cid]
            while held.revision < count + 2:
                text = slow.text()
                if text.startswith("42"):
                    event, delta = json.loads(text[2:])
                    assert event in ("message:created", "conversation:changes")
                    assert not delta.get("gap")
                    assert store.apply(delta)
                    held = store.conversations[cid]
            assert sorted(held.messages) == list(range(1, count + 2))
        assert "slow consumer" not in own.process.log


def test_a_ping_reaches_who_reads_slowly(own: GoChatServer) -> None:
    """It stands behind what is counted as waiting for a socket, not behind what a kernel would take, too."""
    with httpx2.Client(base_url=own.url, timeout=60) as http:
        ann, ben, cat = (register(http, name) for name in ("ann", "ben", "cat"))
        body = {"kind": "group", "member_ids": [ben.id, cat.id]}
        cid = ann.post("/conversations", body)["conversation"]["id"]
        with Ws(own.port, receive_buffer=4096) as slow:
            slow.connect("40" + json.dumps({"token": ben.token}))
            slow.send('420["sync",{}]')
            answer(slow, 0)
            asyncio.run(burst(own, ann, cat, cid))
            slow.raw(frame(b"who goes there", PING))
            read, (opcode, payload) = 0, slow.receive()
            while opcode != PONG:
                read += len(payload)
                opcode, payload = slow.receive()
            assert payload == b"who goes there"
            assert read < BACKLOG


def test_who_asks_much_at_once_and_reads_late_is_answered_all(own: GoChatServer) -> None:
    """The server reads no further while its answers wait, so they are never too many."""
    with httpx2.Client(base_url=own.url, timeout=60) as http:
        ann, ben = (register(http, name) for name in ("ann", "ben"))
        cid = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})["conversation"]["id"]
        with Ws(own.port, receive_buffer=32_768) as phone:
            phone.socket.settimeout(120)  # of all that is sent, which waits for what is read
            phone.connect("40" + json.dumps({"token": ann.token}))
            sends = [f"42{n}" + json.dumps(["message:send", message(cid, BODY)]) for n in range(COUNT)]
            asking = threading.Thread(target=phone.send, args=sends)
            asking.start()
            stored, before = 0, 0
            while not stored or stored > before:  # until nothing more is
                time.sleep(0.5)
                stored, before = last_seq(ann, cid), stored
            answered = [answer(phone, n) for n in range(COUNT)]
            asking.join()
        assert all(it["ok"] for it in answered)
        assert [it["data"]["message"]["seq"] for it in answered] == list(range(1, COUNT + 1))
        assert "slow consumer" not in own.process.log


def test_who_asks_little_for_much_at_once_is_answered_all(own: GoChatServer) -> None:
    """However slowly they read: no more is read of them than what may wait has room for answers."""
    with httpx2.Client(base_url=own.url, timeout=60) as http:
        ann, ben = (register(http, name) for name in ("ann", "ben"))
        cid = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})["conversation"]["id"]
        sent = [ann.post("/messages", message(cid, BODY))["message"] for _ in range(5)]
        keys = [it["client_message_id"] for it in sent]
        with Ws(own.port, receive_buffer=4096) as phone:
            phone.connect("40" + json.dumps({"token": ann.token}))
            ask = json.dumps(["messages:status", {"client_message_ids": keys}])
            phone.send(*(f"42{n}{ask}" for n in range(ASKED)))
            answered = 0
            while answered < ASKED:
                text = phone.text()
                if text.startswith("43"):
                    (payload,) = json.loads(text[text.index("[") :])
                    assert payload["data"]["messages"].keys() == {*keys}
                    answered += 1
        assert "slow consumer" not in own.process.log


def last_seq(user: Account, cid: str) -> int:
    return int(user.get(f"/conversations/{cid}")["conversation"]["last_seq"])


async def burst(
    server: GoChatServer, ann: Account, cat: Account, cid: str, count: int = COUNT, body: str = BODY
) -> None:
    a, c = Phone("ann"), Phone("cat")
    for phone, user in ((a, ann), (c, cat)):
        await phone.connect(server.url, user.token)
        await phone.expect_ok("sync", {})
    await asyncio.gather(*(a.expect_ok("message:send", message(cid, body)) for _ in range(count)))
    await c.expect_event("message:created")
    for phone in (a, c):
        await phone.close()


def answer(ws: Ws, identifier: int) -> Any:
    while True:
        text = ws.text()
        if text.startswith(head := f"43{identifier}"):
            (payload,) = json.loads(text[len(head) :])
            return payload
