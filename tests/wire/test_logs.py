"""The log of a server that was used: for machines a JSON object a line, and nothing in it that is private."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
import socketio

from tests.services.gochat import GoChatServer
from tests.wire.account import API, Account, register
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


def test_each_thing_that_happens_has_its_line_and_a_phones_error_leads_to_it(tmp_path: Path) -> None:
    settings = {"LOG_FORMAT": "json", "SLOW_MS": "1", "SOCKETS_PER_USER": "1", "METRICS_TOKEN": TOKEN}
    settings |= {"RATES": "presence:watch=1/3600,search=1/3600"}
    server = GoChatServer(tmp_path, SETTINGS | settings)
    with server, httpx2.Client(base_url=server.url, timeout=30) as http:
        ann, process = register(http, "ann"), server.process
        cid = ann.post("/conversations", {"kind": "group", "member_ids": []})["conversation"]["id"]

        def lines(event: str, **fields: object) -> list[dict[str, Any]]:
            """The log's lines of that kind that say so."""
            found = (json.loads(line) for line in process.log.splitlines())
            return [it for it in found if it["event"] == event and fields.items() <= it.items()]

        def ask(method: str, path: str, body: object = None, token: str = ann.token) -> httpx2.Response:
            headers = {"authorization": f"Bearer {token}"}
            return http.request(method, API + path, json=body, headers=headers)

        def one(event: str, **fields: object) -> dict[str, Any]:
            process.wait_until(lambda: bool(lines(event, **fields)), timeout=30)
            (line,) = lines(event, **fields)
            return line

        def failed(response: httpx2.Response, event: str, **fields: object) -> dict[str, Any]:
            told = response.json()
            return one(event, request_id=told["request_id"], code=told["code"], **fields)

        # Logins.
        assert one("registered")["user"] == ann.id
        login = {"username": "ann", "password": "secret-ann"}
        answer = ask("POST", "/auth/login", login)
        body = answer.json()
        line = one("logged_in", request_id=answer.headers["x-request-id"])
        assert (line["user"], line["address"]) == (ann.id, "127.0.0.1")
        assert one("slow_request", route="login", request_id=line["request_id"])["ms"] >= 1
        failed(
            ask("POST", "/auth/login", login | {"password": PASSWORD}), "login_failed", address="127.0.0.1"
        )
        failed(ask("POST", "/auth/register", {"username": "ann", "password": PASSWORD}), "register_failed")
        failed(ask("POST", "/auth/refresh", {"refresh_token": TOKEN}), "refresh_failed")
        failed(ask("POST", "/auth/exchange", {"token": TOKEN}), "exchange_failed")
        failed(ask("POST", "/auth/password", {"old": PASSWORD, "new": PASSWORD}), "password_failed")
        # Logouts.
        ask("POST", "/auth/logout", token=body["access_token"])
        assert one("logged_out", user=ann.id)["session"] == line["session"]
        # Limits.
        assert ask("GET", "/messages/search?q=xyz").status_code == 200
        failed(ask("GET", "/messages/search?q=xyz"), "request_refused", user=ann.id)
        asyncio.run(sockets(server.url, ann, cid, one))
        # What a batch took, in parts.
        batches = [it for it in lines("slow_batch") if cid in it["conversations"]]
        assert all({"queue_ms", "run_ms", "commit_ms", "deliver_ms"} <= it.keys() for it in batches)
        assert batches
        counted = http.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
        assert 'gochat_limits_hit_total{rate="presence:watch",worker="0"} 1' in counted
        assert 'gochat_limits_hit_total{rate="search_messages",worker="0"} 1' in counted


async def sockets(url: str, ann: Account, cid: str, told: Any) -> None:
    """Connects, an eviction, a limit, a slow ack, a close and a refusal."""

    async def one(event: str, **fields: object) -> Any:
        return await asyncio.to_thread(told, event, **fields)

    phone, newer, stranger = (Phone(name, reconnection=False) for name in ("ann", "ann", "stranger"))
    await phone.connect(url, ann.token)
    oldest = await one("connected", user=ann.id)
    assert oldest["client"] == "python"
    await newer.connect(url, ann.token)
    await phone.expect_disconnect()
    assert (await one("socket_pushed_out"))["connection"] == oldest["connection"]
    gone = await one("disconnected", connection=oldest["connection"])
    assert (gone["user"], gone["cause"]) == (ann.id, "server disconnect")
    await newer.expect_ok("presence:watch", {"user_ids": []})
    refused = await newer.expect_error("presence:watch", {"user_ids": []}, "rate_limited")
    line = await one("event_refused", request_id=refused["request_id"])
    assert (line["event_name"], line["code"], line["user"]) == ("presence:watch", "rate_limited", ann.id)
    await newer.expect_ok("message:send", message(cid, BODY))
    slow = await one("slow_event", event_name="message:send")
    assert (slow["conversation"], slow["connection"], slow["ms"] >= 1) == (cid, line["connection"], True)
    await newer.close()
    assert (await one("disconnected", connection=line["connection"]))["user"] == ann.id
    heard: list[dict[str, Any]] = []
    stranger.client.on("connect_error", heard.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await stranger.connect(url, TOKEN)
    assert (await one("connect_refused"))["request_id"] == heard[0]["data"]["request_id"]
    await stranger.close()
