"""The suite. A subclass gives the fixture `phones`; the others are those of tests/wire."""

import asyncio
import signal
import sys
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gochat.contract.requests import MAX_BYTES
from tests.official.phones import DEFAULT, OfficialPhone, Phones
from tests.services.gochat import GoChatServer
from tests.wire.account import Account, register
from tests.wire.conftest import SETTINGS
from tests.wire.engine.wire import Ws
from tests.wire.phone import Phone, message
from tests.wire.tokens import minted

WEBSOCKET = ["websocket"]
TRANSPORTS = [WEBSOCKET, ["polling"], DEFAULT]
on_each_transport = pytest.mark.parametrize("transports", TRANSPORTS, ids=["websocket", "polling", "default"])

# A family of joined people, a flag, a decomposed accent, a direction mark, line ends that JSON may hold.
UNICODE = "👩‍👩‍👧‍👦 🇪🇺 e\u0301 𝒳 \u202e \u2028 \u0007 \\ \" ' </script> 你好"


async def connected(phone: OfficialPhone) -> OfficialPhone:
    """Connected, and hearing all from now on."""
    await phone.expect_state("connect")
    await phone.expect_ok("sync", {})
    return phone


def bodies(deltas: list[dict[str, Any]]) -> list[str]:
    return [message["body"] for delta in deltas for message in delta.get("messages", ())]


class Habits:
    """What an app does, and what it may count on."""

    heeds_close_frames = True
    """Whether it notices that the server closes a websocket because of what it sent."""

    @on_each_transport
    async def test_chats_with_another_library(
        self,
        phones: Phones,
        server: GoChatServer,
        ann: Account,
        ben: Account,
        direct: str,
        transports: list[str],
    ) -> None:
        a = await connected(phones.open("ann", server.url, ann.token, transports))
        b = Phone("ben")
        await b.connect(server.url, ben.token)
        await b.expect_ok("sync", {})
        sent = (await a.expect_ok("message:send", message(direct, UNICODE)))["message"]
        assert sent["body"] == UNICODE
        assert (await b.expect_event("message:created"))["messages"] == [sent]
        back = (await b.expect_ok("message:send", message(direct, UNICODE[::-1])))["message"]
        await a.expect_event("message:created", lambda delta: delta["messages"] == [back])
        # That the conversation was made just before may be told once more: phones drop what they have.
        assert [payload["revision"] for _, payload in a.heard if payload["revision"] > 1] == [2, 3]
        await b.close()

    async def test_upgrades(self, phones: Phones, server: GoChatServer, ann: Account) -> None:
        a = await connected(phones.open("ann", server.url, ann.token, DEFAULT))
        async with asyncio.timeout(60):
            while a.transport != "websocket":
                await a.expect_ok("sync", {})

    @on_each_transport
    async def test_a_burst_of_the_longest_bodies(
        self, phones: Phones, server: GoChatServer, ann: Account, direct: str, transports: list[str]
    ) -> None:
        a = await connected(phones.open("ann", server.url, ann.token, transports))
        sent = [message(direct, f"{n} " + "👋" * 7_998) for n in range(10)]
        started = [a.start("message:send", payload) for payload in sent]
        answers = [await a.answer(id_) for id_ in started]
        assert [answer["data"]["message"]["seq"] for answer in answers] == list(range(1, 11))
        assert [stored["body"] for stored in ann.history(direct)] == [payload["body"] for payload in sent]
        assert "disconnect" not in [state for state, _ in a.states]

    @on_each_transport
    async def test_the_largest_packet(
        self, phones: Phones, server: GoChatServer, ann: Account, transports: list[str]
    ) -> None:
        a = phones.open("ann", server.url, ann.token, transports)
        await a.expect_state("connect")
        # The first ack id of a phone is 0, the second 1.
        room = MAX_BYTES - len('420["sync",{"known":{"":1}}]')
        await a.expect_ok("sync", {"known": {"x" * room: 1}})
        assert await a.answer(a.start("sync", {"known": {"x" * (room + 1): 1}}, 1_000)) is None
        if not self.heeds_close_frames and transports != ["polling"]:
            return
        await a.expect_state("disconnect")
        await a.expect_state("connect", times=2)
        await a.expect_ok("sync", {})

    async def test_sends_again_what_was_not_answered_in_time(self, phones: Phones, own: GoChatServer) -> None:
        with httpx2.Client(base_url=own.url, timeout=30) as http:
            ann, cid = somebody(http)
            a = await connected(phones.open("ann", own.url, ann.token, WEBSOCKET))
            payload = message(cid, "are you there?")
            own.process.signal(signal.SIGSTOP)
            assert await a.answer(a.start("message:send", payload, 200)) is None
            own.process.signal(signal.SIGCONT)
            assert (await a.expect_ok("message:send", payload))["duplicate"] is True
            assert len(ann.history(cid)) == 1

    @on_each_transport
    async def test_comes_back_after_a_crash_with_its_outbox(
        self, phones: Phones, own: GoChatServer, transports: list[str]
    ) -> None:
        with httpx2.Client(base_url=own.url, timeout=30) as http:
            ann, cid = somebody(http)
            a = await connected(phones.open("ann", own.url, ann.token, transports))
            outbox = [message(cid, f"{n}") for n in range(4)]
            for payload in outbox[:2]:
                await a.expect_ok("message:send", payload)
            own.kill()
            await a.expect_state("disconnect")
            assert await a.answer(a.start("message:send", outbox[2], 200)) is None
            own.start()
            await a.expect_state("connect", times=2)
            while_away = ann.post("/messages", message(cid, "by REST"))["message"]
            delta = (await a.expect_ok("sync", {"known": {cid: 3}}))["conversations"]
            assert while_away["body"] in bodies(delta)
            answers = [await a.expect_ok("message:send", payload) for payload in outbox]
            assert [answer["duplicate"] for answer in answers][:2] == [True, True]
            stored = sorted(stored["body"] for stored in ann.history(cid))
            assert stored == ["0", "1", "2", "3", "by REST"]

    async def test_comes_back_by_itself_after_handshakes_that_were_answered_503(
        self, phones: Phones, tmp_path: Path
    ) -> None:
        """As they are where there is no room, or the loop is late: then there is."""
        few = ("sh", "-c", f"ulimit -n 160; exec {Path(sys.executable).parent / 'gochat'} serve")
        with (
            GoChatServer(tmp_path, SETTINGS | {"SOCKETS_PER_USER": "100"}, few) as server,
            httpx2.Client(base_url=server.url, timeout=30) as http,
            ExitStack() as stack,
        ):
            ann, _ = somebody(http)
            while (ws := stack.enter_context(Ws(server.port))).status == 101:
                ws.connect(f'40{{"token":"{ann.token}"}}')
            assert (ws.status, ws.headers["retry-after"]) == (503, "2")
            coming = {
                str(chosen): phones.open(str(chosen), server.url, ann.token, chosen) for chosen in TRANSPORTS
            }
            for phone in coming.values():
                await phone.expect_state("connect_error", times=3)
            assert not any(state == "connect" for phone in coming.values() for state, _ in phone.states)
            stack.close()
            for phone in coming.values():
                await connected(phone)

    @on_each_transport
    async def test_tries_again_with_a_fresh_token(
        self, phones: Phones, server: GoChatServer, ann: Account, transports: list[str]
    ) -> None:
        a = phones.open("ann", server.url, "not a token", transports)
        refusal = await a.expect_state("connect_error")
        assert (refusal["data"]["code"], refusal["data"]["retryable"]) == ("token_invalid", False)
        a.use(ann.token)
        a.connect()
        await connected(a)

    @pytest.mark.parametrize("seconds_ago", [890, 1_000], ids=["expiring", "expired"])
    async def test_refreshes_its_token(
        self, phones: Phones, server: GoChatServer, ann: Account, seconds_ago: int
    ) -> None:
        a = phones.open("ann", server.url, minted(ann, seconds_ago=seconds_ago), WEBSOCKET)
        await a.expect_state("connect")
        await a.expect_event("auth:expiring")
        if seconds_ago > 900:
            await a.expect_error("sync", {}, "token_expired")
        await a.expect_ok("auth:refresh", {"token": ann.token})
        await a.expect_ok("sync", {})

    @on_each_transport
    async def test_stays_away_after_logout(
        self, phones: Phones, server: GoChatServer, ann: Account, transports: list[str]
    ) -> None:
        a = await connected(phones.open("ann", server.url, ann.token, transports))
        await asyncio.to_thread(ann.post, "/auth/logout", {})
        assert await a.expect_state("disconnect") == {"reason": "io server disconnect", "active": False}
        assert a.heard == [("session:revoked", {"code": "session_revoked"})]

    @on_each_transport
    async def test_what_was_emitted_before_it_connected_is_answered(
        self, phones: Phones, server: GoChatServer, ann: Account, direct: str, transports: list[str]
    ) -> None:
        a = phones.open("ann", server.url, ann.token, transports, wait=True)
        payload = message(direct, "written in the tube")
        early = a.start("message:send", payload)
        a.connect()
        assert (await a.answer(early))["data"]["duplicate"] is False
        assert (await a.expect_ok("message:send", payload))["duplicate"] is True

    async def test_another_namespace_is_refused_and_does_no_harm(
        self, phones: Phones, server: GoChatServer, ann: Account
    ) -> None:
        a = await connected(phones.open("ann", server.url, ann.token, WEBSOCKET, shared=True))
        other = phones.open("other", f"{server.url}/admin", ann.token, WEBSOCKET, shared=True)
        assert await other.expect_state("connect_error") == {"message": "Invalid namespace"}
        await a.expect_ok("sync", {})


def somebody(http: httpx2.Client) -> tuple[Account, str]:
    """An account, and the id of a group of its own."""
    ann = register(http, f"ann{uuid.uuid4().hex[:8]}")
    return ann, str(ann.post("/conversations", {"kind": "group", "member_ids": []})["conversation"]["id"])
