"""Who may connect, how they are refused, and how a connection ends."""

import asyncio
from typing import Any

import pytest
import socketio

from tests.services.gochat import GoChatServer
from tests.wire.account import Account
from tests.wire.phone import Phone, message
from tests.wire.tokens import minted, session_of, tokens


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda account: None, "token_missing"),
        (lambda account: "", "token_missing"),
        (lambda account: 7, "token_missing"),
        (lambda account: "nope", "token_invalid"),
        (lambda account: account.token[:-2], "token_invalid"),
        (lambda account: account.token + "A" * 5_000, "token_invalid"),
        (lambda account: account.refresh_token, "token_invalid"),
        (lambda account: minted(account, secret="another-secret-of-enough-bytes-00"), "token_invalid"),
        (lambda account: minted(account, seconds_ago=-3_600), "token_invalid"),
        (lambda account: tokens().access(int(account.id, 16), 12345), "token_invalid"),
        (lambda account: tokens().access(12345, session_of(account)), "token_invalid"),
    ],
)
def test_a_bad_token_is_refused_with_a_code(server: GoChatServer, ann: Account, make: Any, code: str) -> None:
    async def scene() -> None:
        phone = Phone("ann")
        with pytest.raises(socketio.exceptions.ConnectionError):
            await phone.client.connect(server.url, auth={"token": make(ann)}, transports=["websocket"])
        (refusal,) = phone.refusals
        assert refusal["data"]["code"] == code
        assert refusal["data"]["retryable"] is False
        await phone.close()

    asyncio.run(scene())


@pytest.mark.parametrize("path", ["/socket.io/", "/api/v1/ws/"])
def test_the_token_may_come_in_the_header_and_both_paths_serve(
    server: GoChatServer, ann: Account, path: str
) -> None:
    async def scene() -> None:
        phone = Phone("ann")
        await phone.connect(server.url, None, headers=ann.headers, socketio_path=path)
        await phone.expect_ok("sync", {})
        await phone.close()

    asyncio.run(scene())


def test_an_expired_token_may_only_refresh_itself(server: GoChatServer, ann: Account) -> None:
    async def scene() -> None:
        phone = Phone("ann")
        await phone.connect(server.url, minted(ann, seconds_ago=1_000))
        await phone.expect_event("auth:expiring")
        error = await phone.expect_error("sync", {}, "token_expired")
        assert error["retryable"] is True
        await phone.expect_error("auth:refresh", {"token": minted(ann, seconds_ago=1_000)}, "token_expired")
        await phone.expect_ok("auth:refresh", {"token": ann.token})
        await phone.expect_ok("sync", {})
        await phone.close()

    asyncio.run(scene())


def test_with_an_expired_token_nothing_is_heard_until_it_is_refreshed(
    server: GoChatServer, ann: Account, ben: Account, direct: str
) -> None:
    async def scene() -> None:
        phone, other = Phone("ann"), Phone("ben")
        await phone.connect(server.url, minted(ann, seconds_ago=1_000))
        await other.connect(server.url, ben.token)
        await phone.expect_event("auth:expiring")
        await phone.expect_error("sync", {}, "token_expired")
        await other.expect_ok("message:send", message(direct, "for who is let in"))
        await phone.expect_error("sync", {}, "token_expired")
        assert [event for event, _ in phone.heard] == ["auth:expiring"]
        await phone.expect_ok("auth:refresh", {"token": ann.token})
        await phone.expect_ok("sync", {})
        await other.expect_ok("message:send", message(direct, "now"))
        delta = await phone.expect_event("message:created")
        assert [m["body"] for m in delta["messages"]] == ["now"]
        for one in (phone, other):
            await one.close()

    asyncio.run(scene())


def test_a_refresh_with_another_sessions_token_is_refused(
    server: GoChatServer, ann: Account, ben: Account
) -> None:
    async def scene() -> None:
        phone = Phone("ann")
        await phone.connect(server.url, ann.token)
        await phone.expect_error("auth:refresh", {"token": ben.token}, "token_invalid")
        await phone.expect_ok("sync", {})
        await phone.close()

    asyncio.run(scene())


def test_logout_dismisses_the_sockets_of_that_session_alone(
    server: GoChatServer, ann: Account, ben: Account
) -> None:
    async def scene() -> None:
        phone, other = Phone("ann"), Phone("ben")
        await phone.connect(server.url, ann.token)
        await other.connect(server.url, ben.token)
        gone = asyncio.Event()
        phone.client.on("disconnect", lambda *_: gone.set())
        await asyncio.to_thread(ann.post, "/auth/logout", {})
        assert (await phone.expect_event("session:revoked"))["code"] == "session_revoked"
        async with asyncio.timeout(30):
            await gone.wait()
        again = Phone("ann again")
        with pytest.raises(socketio.exceptions.ConnectionError):
            await again.connect(server.url, ann.token)
        assert again.refusals[0]["data"]["code"] == "session_revoked"
        await other.expect_ok("sync", {})
        for one in (phone, other, again):
            await one.close()

    asyncio.run(scene())


def hear_early(phone: Phone) -> list[str]:
    """Fills with the events that come before the CONNECT packet."""
    early: list[str] = []
    connected: list[bool] = []

    def hear(event: str, payload: Any) -> None:
        if not connected:
            early.append(event)

    phone.client.on("connect", lambda: connected.append(True))
    phone.client.on("*", hear)
    return early


def test_nothing_is_heard_before_the_connect_answer(
    server: GoChatServer, ann: Account, ben: Account, direct: str
) -> None:
    """Deltas flow while phones connect; none may come before their library knows that it is connected."""

    async def scene() -> None:
        talker = Phone("ben")
        await talker.connect(server.url, ben.token)
        talking = asyncio.create_task(talker.send([direct], 300, 4))
        while not talking.done():
            phone = Phone("ann")
            early = hear_early(phone)
            await phone.connect(server.url, ann.token)
            await phone.expect_ok("sync", {})
            await phone.close()
            assert early == []
        await talking
        await talker.close()

    asyncio.run(scene())
