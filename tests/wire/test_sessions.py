"""A session that ends, ends its sockets: wherever they are, and by whichever process it was ended."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
import socketio

from gochat.storage.migrate import upgrade
from tests.services.gochat import GoChatServer
from tests.services.sql_server import SQLServer
from tests.wire.account import API, Account, register
from tests.wire.conftest import SETTINGS
from tests.wire.phone import Phone, message
from tests.wire.place import Place
from tests.wire.test_guarantees import direct


def log_out(account: Account) -> None:
    account.post("/auth/logout", {})


def use_a_refresh_token_of_long_ago(account: Account) -> None:
    """Somebody has stolen it: it was exchanged, and what was got for it too."""
    token = account.refresh_token
    for _ in range(2):
        token = account.post("/auth/refresh", {"refresh_token": token})["refresh_token"]
    path = f"{API}/auth/refresh"
    for stolen in (account.refresh_token, token):
        answer = account.http.post(path, json={"refresh_token": stolen})
        assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")


def end_it_from_another_device(account: Account) -> None:
    """Both sockets are of the session that is ended."""
    listed = account.http.get(f"{API}/auth/sessions", headers=account.headers).json()["sessions"]
    (current,) = [it["id"] for it in listed if it["current"]]
    answer = account.http.delete(f"{API}/auth/sessions/{current}", headers=log_in(account))
    assert answer.status_code == 200, answer.text


def end_all_others(account: Account) -> None:
    """All but the one that asks."""
    answer = account.http.delete(f"{API}/auth/sessions?except=current", headers=log_in(account))
    assert answer.status_code == 200, answer.text


def log_in(account: Account) -> dict[str, str]:
    """The headers of a login on another device."""
    given = {"username": account.name, "password": f"secret-{account.name}"}
    return {"Authorization": f"Bearer {account.post('/auth/login', given)['access_token']}"}


@pytest.mark.parametrize(
    "end", [log_out, use_a_refresh_token_of_long_ago, end_it_from_another_device, end_all_others]
)
def test_sockets_are_told_and_dismissed_and_no_other(place: Place, end: Callable[[Account], None]) -> None:
    ann, ben = place.users("ann", "ben")

    async def scene() -> None:
        async with place.phones(ann, ann, ben, ben) as (here, there, *others):
            gone = [asyncio.Event() for _ in range(2)]
            for phone, event in zip((here, there), gone, strict=True):
                phone.client.on("disconnect", lambda *_, event=event: event.set())
            await asyncio.to_thread(end, place.at_there(ann))
            async with asyncio.timeout(30):
                for phone, event in zip((here, there), gone, strict=True):
                    assert await phone.expect_event("session:revoked") == {"code": "session_revoked"}
                    await event.wait()
            again = Phone("ann, again")
            with pytest.raises(socketio.exceptions.ConnectionError):
                await again.connect(place.here.url, ann.token)
            assert again.refusals[0]["data"]["code"] == "session_revoked"
            await again.close()
            for phone in others:
                await phone.expect_ok("sync", {})

    asyncio.run(scene())
    answer = ann.http.get(f"{API}/me", headers=ann.headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")


def test_what_an_operator_does_reaches_sockets_everywhere(place: Place) -> None:
    """Closing an account ends its sockets; muting a user is felt by those that are open."""
    ann, ben = place.users("ann", "ben")

    async def scene() -> None:
        made = place.at_there(ann).post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        cid = made["conversation"]["id"]
        async with place.phones(ben, ben, ann) as (here, there, other):
            for hours, code in ((1, "forbidden"), (0, None)):
                await asyncio.to_thread(
                    place.operator, "user", "mute", ben.name, f"--hours={hours}", "--why=x"
                )
                async with asyncio.timeout(30):
                    for phone in (here, there):
                        while (await sent(phone, cid)) != code:  # noqa: ASYNC110 (nothing tells when)
                            await asyncio.sleep(0.1)
            await asyncio.to_thread(place.operator, "user", "disable", ben.name, "--why=x")
            async with asyncio.timeout(30):
                for phone in (here, there):
                    assert await phone.expect_event("session:revoked") == {"code": "session_revoked"}
            await other.expect_ok("sync", {})

    asyncio.run(scene())


def change_the_password(place: Place, account: Account) -> None:
    """On another device."""
    given = {"old": f"secret-{account.name}", "new": f"another {account.name}"}
    path = f"{API}/auth/password"
    assert account.http.post(path, json=given, headers=log_in(account)).status_code == 200


def disable(place: Place, account: Account) -> None:
    place.operator("user", "disable", account.name, "--why=x")


def log_out_by_hand(place: Place, account: Account) -> None:
    place.operator("user", "logout", account.name, "--why=x")


WAYS: list[Callable[[Place, Account], None]] = [
    lambda _, account: end_it_from_another_device(account),
    change_the_password,
    disable,
    log_out_by_hand,
]


async def closed(place: Place, way: Callable[[Place, Account], None]) -> float:
    """Seconds from the end of an act until the sockets of its user at both processes are closed."""
    ann = place.user("ann")
    async with place.phones(ann, ann) as phones:
        gone = [asyncio.Event() for _ in phones]
        for phone, event in zip(phones, gone, strict=True):
            phone.client.on("disconnect", lambda *_, event=event: event.set())
        await asyncio.to_thread(way, place, ann)
        done = asyncio.get_running_loop().time()
        async with asyncio.timeout(30):
            for phone, event in zip(phones, gone, strict=True):
                assert await phone.expect_event("session:revoked") == {"code": "session_revoked"}
                await event.wait()
        return asyncio.get_running_loop().time() - done


def test_whatever_ends_logins_closes_their_sockets(place: Place) -> None:
    """What it took is told, for whoever wants to know: with `-s`."""
    for way in WAYS:
        print(f"{way.__name__}: {asyncio.run(closed(place, way)):.2f} s")


@pytest.mark.slow
def test_and_without_redis_too(mariadb: SQLServer, tmp_path: Path) -> None:
    """Processes find in the database what nobody tells them."""
    url = mariadb.create_database()
    upgrade(url)
    settings = SETTINGS | {"MYSQL_URL": url}
    with ExitStack() as stack:
        here, there = (stack.enter_context(GoChatServer(tmp_path, settings)) for _ in range(2))
        http, http_there = (
            stack.enter_context(httpx2.Client(base_url=it.url, timeout=30)) for it in (here, there)
        )
        place = Place(here, there, http, http_there, url, SETTINGS)
        for way in WAYS:
            print(f"{way.__name__}: {asyncio.run(closed(place, way)):.2f} s")


@pytest.mark.slow
def test_nothing_is_left_of_what_a_socket_writes_while_its_account_is_deleted(
    mariadb_url: str, tmp_path: Path
) -> None:
    """The other process hears of it by the log alone, and lets its socket write till then."""
    upgrade(mariadb_url)
    changes = {"MYSQL_URL": mariadb_url, "DELETE_GRACE_S": "0", "DELETED_MESSAGES": "erase"}
    with ExitStack() as stack:
        here, there = (stack.enter_context(GoChatServer(tmp_path, SETTINGS | changes)) for _ in range(2))
        http = stack.enter_context(httpx2.Client(base_url=here.url, timeout=30))
        ann, ben = register(http, "ann"), register(http, "ben")
        cid = direct(ann, ben)

        async def scene() -> int:
            phone, gone = Phone("ann", strict=False), asyncio.Event()
            phone.client.on("disconnect", lambda *_: gone.set())
            await phone.connect(there.url, ann.token)
            deletion, sent = None, 0
            while not gone.is_set():
                try:
                    sent += (await phone.client.call("message:send", message(cid, "hi"), timeout=1))["ok"]
                except socketio.exceptions.SocketIOError:
                    await asyncio.sleep(0.01)
                if deletion is None:
                    deletion = asyncio.create_task(asyncio.to_thread(ann.ask, "DELETE", "/me"))
            assert deletion is not None
            await deletion
            await phone.close()
            return sent

        sent = asyncio.run(scene())
        for _ in range(600):
            if ben.get("/users", ids=ann.id)["users"][0]["deleted"]:
                break
            time.sleep(0.1)
        left = ben.history(cid)
        assert len(left) >= sent > 0
        assert all(it["deleted_at"] for it in left)


async def sent(phone: Phone, cid: str) -> str | None:
    """The code with which a message is refused, if it is."""
    answer = await phone.client.call("message:send", message(cid, "hi"))
    return None if answer["ok"] else answer["error"]["code"]
