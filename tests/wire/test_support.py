"""What an operator can look at and do with `gochat`, while a server runs."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.services.gochat import GoChatServer
from tests.wire.account import Account, register
from tests.wire.conftest import SETTINGS
from tests.wire.phone import Phone, message

GOCHAT = str(Path(sys.executable).parent / "gochat")
BODY = "a body that no operator sees"


class Operated:
    """A server, a client of it, and the command line beside it."""

    def __init__(self, server: GoChatServer, http: httpx2.Client, env: dict[str, str]) -> None:
        self.server = server
        self.http = http
        self.env = env

    def command(self, *arguments: str) -> list[str]:
        return [GOCHAT, *arguments]

    def run(self, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            self.command(*arguments),
            env=self.env,
            cwd=self.server.directory,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        assert BODY not in done.stdout
        return done.stdout

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]


@pytest.fixture
def operated(tmp_path: Path) -> Iterator[Callable[..., Operated]]:
    """A server with these settings."""
    opened: list[GoChatServer] = []
    clients: list[httpx2.Client] = []

    def operate(**settings: str) -> Operated:
        server = GoChatServer(tmp_path, SETTINGS | {"RUN_DIR": str(tmp_path / "run")} | settings)
        opened.append(server.__enter__())
        clients.append(httpx2.Client(base_url=server.url, timeout=30))
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        env = inherited | SETTINGS | {"RUN_DIR": str(tmp_path / "run"), "PORT": str(server.port)} | settings
        return Operated(server, clients[0], env)

    yield operate
    for client in clients:
        client.close()
    for server in opened:
        server.__exit__()


def talking(operated: Operated, ann: Account) -> str:
    cid = str(ann.post("/conversations", {"kind": "group", "member_ids": []})["conversation"]["id"])
    ann.post("/messages", message(cid, BODY))
    return cid


def test_users_sessions_and_conversations_are_shown_without_what_they_said(
    operated: Callable[..., Operated],
) -> None:
    here = operated()
    ann, ben = register(here.http, "ann"), register(here.http, "ben")
    cid = talking(here, ann)
    assert [it["username"] for it in here.rows("user", "find", "an")] == ["ann"]
    account, session = here.rows("user", "show", "ann")
    assert (account["user"], account["conversations"], session["state"]) == (ann.id, 1, "alive")
    assert here.rows("user", "show", ben.id)[0]["username"] == "ben"
    conversation, member = here.rows("conversation", "show", cid)
    assert (conversation["messages"], member["user"], member["role"]) == (1, ann.id, "owner")
    assert [it["session"] for it in here.rows("session", "list", ann.id)] == [session["session"]]
    here.run("user", "show", "nobody", status=1)
    here.run("conversation", "show", "12", status=1)
    (queue,) = here.rows("queue")
    assert (queue["worker"], queue["writer"]) == ("0", 0)


def test_why_a_user_is_slow_and_what_they_do(operated: Callable[..., Operated]) -> None:
    here = operated()
    ann = register(here.http, "ann")
    cid = talking(here, ann)

    async def scene() -> None:
        phone = Phone("ann")
        await phone.connect(here.server.url, ann.token)
        refused = await phone.expect_error("message:send", message("0" * 16, "x"), "not_found")
        (socket,) = await asyncio.to_thread(here.rows, "user", "why", "ann")
        assert (socket["client"], socket["transport"], socket["backlog_bytes"]) == ("python", "websocket", 0)
        assert socket["last_error"] == ["message:send", "not_found", refused["request_id"]]
        following = await asyncio.create_subprocess_exec(
            *here.command("user", "follow", "ann"),
            env=here.env,
            cwd=here.server.directory,
            stdout=asyncio.subprocess.PIPE,
        )
        assert following.stdout is not None
        try:
            async with asyncio.timeout(30):
                first = json.loads(await following.stdout.readline())
                assert (first["what"], first["sockets"]) == ("following", 1)
                await phone.expect_ok("message:send", message(cid, BODY))
                line = await following.stdout.readline()
                told = json.loads(line)
                assert (told["event_name"], told["result"], told["conversation"]) == (
                    "message:send",
                    "ok",
                    cid,
                )
                assert BODY.encode() not in line
                await phone.close()
                while told["what"] != "disconnected":
                    told = json.loads(await following.stdout.readline())
        finally:
            following.kill()
            await following.wait()

    asyncio.run(scene())


def test_who_is_logged_out_is_out_and_it_is_on_the_record(operated: Callable[..., Operated]) -> None:
    here = operated()
    ann, ben = register(here.http, "ann"), register(here.http, "ben")
    (session,) = here.rows("session", "list", ben.id)

    async def scene() -> None:
        phone = Phone("ann", reconnection=False)
        await phone.connect(here.server.url, ann.token)
        await asyncio.to_thread(here.run, "user", "logout", "ann", "--why", "lost phone", "--as", "olga")
        await phone.expect_disconnect()
        await phone.close()

    asyncio.run(scene())
    assert here.http.get("/api/v1/me", headers={"authorization": f"Bearer {ann.token}"}).status_code == 401
    here.run("session", "end", session["session"], "--why", "asked for")
    assert here.http.get("/api/v1/me", headers={"authorization": f"Bearer {ben.token}"}).status_code == 401
    here.run("session", "end", "0123456789abcdef", "--why", "x", status=1)
    newest, first = here.rows("log")
    assert (newest["act"], newest["target"], newest["why"]) == (
        "session end",
        session["session"],
        "asked for",
    )
    assert (first["who"], first["act"], first["target"]) == ("olga", "user logout", ann.id)
    assert here.rows("log", ann.id) == [first]


def try_to_register(here: Operated, name: str, **more: str) -> httpx2.Response:
    body = {"username": name, "password": "a long enough password", **more}
    return here.http.post("/api/v1/auth/register", json=body)


def test_who_was_invited_may_register_and_no_more_often_than_that(operated: Callable[..., Operated]) -> None:
    here = operated(REGISTRATION="invite")
    for more in ({}, {"invite": "nonsense"}):
        refused = try_to_register(here, "ann", **more)
        assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (
            403,
            "forbidden",
            "invite",
        )
    code = here.run("user", "invite", "--uses", "2", "--why", "a friend").strip()
    assert try_to_register(here, "ann", invite=code).status_code == 200
    assert (
        try_to_register(here, "ann", invite=code).json()["code"] == "username_taken"
    )  # which uses nothing up
    assert try_to_register(here, "ben", invite=code).status_code == 200
    assert try_to_register(here, "eve", invite=code).status_code == 403


def test_where_nobody_may_register_the_operator_makes_accounts(operated: Callable[..., Operated]) -> None:
    here = operated(REGISTRATION="closed")
    assert try_to_register(here, "ann").json()["code"] == "forbidden"
    code = here.run("user", "create", "ann", "--why", "new colleague").strip()
    here.run("user", "create", "ann", "--why", "again", status=1)
    reset = {"code": code, "new": "a long enough password"}
    assert here.http.post("/api/v1/auth/reset", json=reset).status_code == 200
    login = {"username": "ann", "password": "a long enough password"}
    assert here.http.post("/api/v1/auth/login", json=login).status_code == 200


def test_a_demo_can_be_looked_at(operated: Callable[..., Operated]) -> None:
    here = operated()
    out = here.run(
        "demo", "--users", "3", "--groups", "2", "--messages", "30", "--password", "a demo password"
    )
    name = out.rpartition("Log in as ")[2].partition(",")[0]
    logged_in = here.http.post("/api/v1/auth/login", json={"username": name, "password": "a demo password"})
    assert logged_in.status_code == 200
    deadline = time.monotonic() + 30
    headers = {"authorization": f"Bearer {logged_in.json()['access_token']}"}
    while time.monotonic() < deadline:
        if here.http.get("/api/v1/conversations", headers=headers).json()["conversations"]:
            return
    raise AssertionError("no conversations")


def test_a_terminal_is_shown_how_far_a_demo_is(operated: Callable[..., Operated]) -> None:
    here = operated()
    reader, terminal = pty.openpty()
    try:
        command = here.command("demo", "--users", "2", "--groups", "1", "--messages", "400")
        subprocess.run(
            command, env=here.env, cwd=here.server.directory, stdout=terminal, check=True, timeout=60
        )
        shown = os.read(reader, 65_536).decode()
    finally:
        os.close(terminal)
        os.close(reader)
    for label in ("Users", "Groups", "Messages"):
        assert f"{label}  [{'#' * 36}]  100%" in shown
    assert " 50%" in shown.partition("Messages")[2]
