"""What a reviewer of an app store does with an app on this server, from the first start to the last."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.contract.rest import operator
from tests.services.gochat import GoChatServer
from tests.wire.account import API, Account
from tests.wire.conftest import SECRET, SETTINGS
from tests.wire.phone import Phone, message

TERMS = {"version": "2026-11", "url": "https://example.com/terms", "contact": "mailto:help@example.com"}
ABUSE = "You are an idiot"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GoChatServer]:
    """A server whose operator does what the stores ask for."""
    filters = tmp_path / "filters.toml"
    filters.write_text('words = ["slur"]\n')
    changes = {
        "TERMS_VERSION": TERMS["version"],
        "TERMS_URL": TERMS["url"],
        "CONTACT": TERMS["contact"],
        "FILTERS_PATH": str(filters),
        "DELETE_GRACE_S": "0",
        "DELETED_MESSAGES": "erase",
    }
    with GoChatServer(tmp_path, SETTINGS | changes) as running:
        yield running


def test_a_reviewer_s_walk(server: GoChatServer) -> None:
    """Apple 1.2 and 5.1.1(v), Google's user content and account deletion: each with what the app sees."""
    url = f"sqlite:///{server.directory / 'gochat.db'}"
    with httpx2.Client(base_url=server.url, timeout=30) as http:
        # The terms, and whom to turn to, are to be seen before there is an account.
        assert http.get(f"{API}/terms").json() == TERMS
        rose, troll = (sign_up(http, name) for name in ("reviewer", "troll"))
        asyncio.run(walk(server, rose, troll, url))

        # The account is deleted from inside the app; nothing is left to log in with.
        rose.ask("DELETE", "/me")
        ended = http.get(f"{API}/me", headers=rose.headers).json()["code"]
        assert ended in {"session_revoked", "token_invalid"}, "its login has ended, and then is not there"
        given = {"username": "reviewer", "password": "secret-reviewer"}
        assert http.post(f"{API}/auth/login", json=given).json()["code"] == "invalid_credentials"
        asyncio.run(gone(troll, rose.id))
    # The report outlives the account of who made it, and of whom it was about it tells what they wrote.
    reports = [json.loads(line) for line in operator(url, "report", "list", "--all", "--json").splitlines()]
    assert sorted(it["reason"] for it in reports) == ["harassment", "spam"]
    assert {it["user"] for it in reports} == {troll.id}
    (of_message,) = [it for it in reports if it["reason"] == "harassment"]
    shown = json.loads(operator(url, "report", "show", of_message["report"], "--why=review"))
    assert [it["body"] for it in shown["snapshot"] if it["seq"] == shown["seq"]] == [ABUSE]


def sign_up(http: httpx2.Client, name: str) -> Account:
    """An account, by whoever comes."""
    body = {"username": name, "password": f"secret-{name}", "device": {"platform": "ios"}}
    answer = http.post(f"{API}/auth/register", json=body).json()
    return Account(name, answer["user"]["id"], answer["access_token"], answer["refresh_token"], http)


async def walk(server: GoChatServer, rose: Account, troll: Account, url: str) -> None:
    """Over Socket.IO, with REST beside it."""
    phones = {account.name: Phone(account.name) for account in (rose, troll)}
    mine, theirs = phones["reviewer"], phones["troll"]
    try:
        for account in (rose, troll):
            await phones[account.name].connect(server.url, account.token)
            await phones[account.name].expect_ok("sync", {})
        members = {"kind": "direct", "member_ids": [troll.id]}
        made = await mine.expect_ok("conversation:create", members)
        cid = made["conversation"]["id"]

        # Nobody writes before they accepted the terms, and a socket that is open need not come again.
        refused = await mine.expect_error("message:send", message(cid, "Hello!"), "terms_required")
        assert refused["details"] == {"version": TERMS["version"]}
        for account in (rose, troll):
            accepted = await asyncio.to_thread(account.post, "/me/terms", {"version": TERMS["version"]})
            assert accepted["standing"]["terms_version"] == TERMS["version"]
        await mine.expect_ok("message:send", message(cid, "Hello!"))

        # What is objectionable is filtered; what gets through is reported, with whoever wrote it.
        await theirs.expect_error("message:send", message(cid, "a slur"), "content_refused")
        named = {"kind": "group", "member_ids": [rose.id], "title": "A slur"}
        await theirs.expect_error("conversation:create", named, "content_refused")
        group = (await theirs.expect_ok("conversation:create", named | {"title": "A group"}))["conversation"]
        renamed = {"conversation_id": group["id"], "title": "A slur"}
        await theirs.expect_error("conversation:update", renamed, "content_refused")
        abuse = (await theirs.expect_ok("message:send", message(cid, ABUSE)))["message"]
        await mine.expect_event("message:created", lambda delta: delta["messages"][0]["seq"] == abuse["seq"])
        await report(rose, {"conversation_id": cid, "seq": abuse["seq"]}, "harassment")
        await theirs.expect_ok("message:delete", {"conversation_id": cid, "seq": abuse["seq"]})
        await report(rose, {"user_id": troll.id}, "spam")

        # Who is blocked writes no more, at once, and is not told.
        blocked = await asyncio.to_thread(rose.ask, "PUT", "/me/blocks", json={"user_id": troll.id})
        assert [user["id"] for user in blocked["users"]] == [troll.id]
        await theirs.expect_error("message:send", message(cid, "Why?"), "forbidden")

        # Whoever runs the server sees the reports, and puts the troll out; an app hears it.
        (open_report, *_) = operator_rows(await asyncio.to_thread(operator, url, "report", "list", "--json"))
        await asyncio.to_thread(
            operator, url, "report", "resolve", open_report["report"], "--why=closed", JWT_SECRET=SECRET
        )
        await asyncio.to_thread(
            operator, url, "user", "mute", troll.id, "--hours=1", "--why=abuse", JWT_SECRET=SECRET
        )
        async with asyncio.timeout(30):
            renamed |= {"title": "Hello"}
            while (await theirs.client.call("conversation:update", renamed))["ok"]:
                renamed["title"] += "!"
                await asyncio.sleep(0.1)
        await theirs.expect_error("conversation:update", renamed, "forbidden")
        await asyncio.to_thread(operator, url, "user", "disable", troll.id, "--why=abuse")
        assert await theirs.expect_event("session:revoked") == {"code": "session_revoked"}
        answer = await asyncio.to_thread(
            rose.http.post, f"{API}/auth/login", json={"username": "troll", "password": "secret-troll"}
        )
        assert answer.json()["code"] == "account_disabled"
        await asyncio.to_thread(operator, url, "user", "enable", troll.id, "--why=the walk goes on")
    finally:
        await asyncio.gather(*(phone.close() for phone in phones.values()))


def operator_rows(told: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in told.splitlines()]


async def report(account: Account, target: dict[str, object], reason: str) -> None:
    body = {"client_report_id": str(uuid4()), "target": target, "reason": reason, "comment": "See this."}
    answer = await asyncio.to_thread(account.http.post, f"{API}/reports", json=body, headers=account.headers)
    assert (answer.status_code, answer.json()) == (202, {})


async def gone(asking: Account, user_id: str) -> None:
    """Wait until somebody else sees that the account is deleted."""
    given = {"username": asking.name, "password": f"secret-{asking.name}"}
    token = asking.http.post(f"{API}/auth/login", json=given).json()["access_token"]
    async with asyncio.timeout(60):
        while True:
            headers = {"Authorization": f"Bearer {token}"}
            answer = asking.http.get(f"{API}/users?ids={user_id}", headers=headers).json()
            (user,) = answer["users"]
            if user["deleted"]:
                assert user["display_name"] == "Deleted user"
                return
            await asyncio.sleep(0.1)
