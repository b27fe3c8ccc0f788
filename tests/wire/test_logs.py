"""The log of a server that was used: for machines a JSON object a line, and nothing in it that is private."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest
import socketio

from tests.services.gochat import GoChatServer
from tests.wire.account import API, register
from tests.wire.conftest import SETTINGS
from tests.wire.phone import Phone, message

BODY = "a body that nobody may log"
PASSWORD = "a password that nobody may log"
TOKEN = "a.token.that-nobody-may-log"


def test_tells_what_happened_and_nothing_private(tmp_path: Path) -> None:
    server = GoChatServer(tmp_path, {**SETTINGS, "LOG_FORMAT": "json", "LOG_LEVEL": "debug", "SLOW_MS": "0"})
    with server, httpx2.Client(base_url=server.url, timeout=30) as http:
        ann = register(http, "ann")
        cid = ann.post("/conversations", {"kind": "group", "member_ids": []})["conversation"]["id"]
        ann.post("/messages", message(cid, BODY))
        for path in ("login", "register"):
            http.post(f"{API}/auth/{path}", json={"username": "ann", "password": PASSWORD})
        http.get(f"{API}/me", headers={"authorization": f"Bearer {TOKEN}"})
        asyncio.run(chat(server.url, ann.token, cid))
        process = server.process
        assert server.stop() in {0, -15}
    lines = [json.loads(line) for line in process.log.splitlines()]
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)
    assert [
        line["event"] for line in lines if line["logger"].startswith(("gochat.main", "gochat.serving"))
    ] == [
        "started",
        "listening",
        "stopped",
    ]
    assert "draining" in {line["event"] for line in lines}
    (listening,) = (line for line in lines if line["event"] == "listening")
    assert listening["url"] == server.url
    assert not [line for line in lines if line["level"] in {"warning", "error", "critical"}]
    for private in (
        BODY,
        PASSWORD,
        TOKEN,
        ann.token,
        ann.refresh_token,
        "secret-ann",
        SETTINGS["JWT_SECRET"],
    ):
        assert private not in process.log


async def chat(url: str, token: str, cid: str) -> None:
    phone, stranger = Phone("ann"), Phone("stranger")
    await phone.connect(url, token)
    await phone.expect_ok("message:send", message(cid, BODY))
    await phone.expect_error("message:send", {**message(cid, BODY), "colour": BODY}, "invalid_payload")
    await phone.client.emit("nonsense", BODY)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await stranger.connect(url, TOKEN)
    for one in (phone, stranger):
        await one.close()
