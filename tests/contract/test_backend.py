"""The team's own backend makes users and tokens, over each database."""

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx2

from tests.contract.rest import Rest, operator, register, running
from tests.contract.test_rest_chat import message

DOCS = Path(__file__).parents[2] / "docs" / "own-login.md"


async def test_a_key_makes_users_and_tokens(rest: Rest, database_url: str) -> None:
    key = rest.as_(operator(database_url, "key", "create", "shop", "--why", "x"))
    user = (await key.ok("POST", "/server/users", {"external_id": "42", "display_name": "Ann"}))["user"]
    again = await key.ok("POST", "/server/users", {"external_id": "42", "username": "other"})
    assert again["user"] == user
    ben = (await key.ok("POST", "/server/users", {"external_id": "43", "username": "Ben"}))["user"]
    assert ben["username"] == "ben"
    taken = await key.post("/server/users", {"external_id": "44", "username": "BEN"})
    assert (taken.status, taken.code) == (409, "username_taken")
    tokens = await key.ok("POST", "/server/tokens", {"external_id": "42", "device": {"name": "Pixel"}})
    assert tokens["user"] == user
    ann = rest.as_(tokens["access_token"])
    made = await ann.ok("POST", "/conversations", {"kind": "direct", "member_ids": [ben["id"]]})
    await ann.ok("POST", "/messages", message(made["conversation"]["id"]))
    await rest.ok("POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    for password in ("", "correct horse"):
        refused = await rest.post("/auth/login", {"username": "ben", "password": password})
        assert refused.code == "invalid_credentials", "there is no password"
    missing = await key.post("/server/tokens", {"external_id": "45"})
    assert (missing.status, missing.code) == (404, "not_found")


async def test_of_many_at_once_one_user_is_made(rest: Rest, database_url: str) -> None:
    key = rest.as_(operator(database_url, "key", "create", "shop", "--why", "x"))
    for body in ({"external_id": "42", "username": "ann"}, {"external_id": "43"}):
        answers = await asyncio.gather(*(key.ok("POST", "/server/users", body) for _ in range(6)))
        assert len({answer["user"]["id"] for answer in answers}) == 1


async def test_what_a_key_may_not(rest: Rest, database_url: str) -> None:
    made = operator(database_url, "key", "create", "reader", "--scope", "tokens", "--why", "x")
    ann = await register(rest, "ann")
    body = {"external_id": "42"}
    for token, status, code in (
        (made, 403, "forbidden"),
        (made[:-1], 401, "token_invalid"),
        ("gk_", 401, "token_invalid"),
        (ann.tokens["access_token"], 401, "token_invalid"),
        ("", 401, "token_missing"),
    ):
        answer = await rest.as_(token).post("/server/users", body)
        assert (answer.status, answer.code) == (status, code), token
    assert (await rest.post("/server/users", body)).code == "token_missing"
    assert (await rest.as_(made).get("/me")).code == "token_invalid", "it is nobody's"
    assert (await rest.as_(made).post("/server/tokens", body)).code == "not_found"
    (listed,) = [json.loads(it) for it in operator(database_url, "key", "list", "--json").splitlines()]
    assert made not in str(listed)
    operator(database_url, "key", "revoke", listed["key"], "--why", "x")
    assert (await rest.as_(made).post("/server/tokens", body)).code == "token_invalid"


async def test_keys_that_are_made_up_are_few(database_url: str) -> None:
    """From an address; who has a right one asks as much as they like, whoever else is there."""
    async with running(database_url, login_rate=None, rates=("login@address=5/3600",)) as rest:
        right = operator(database_url, "key", "create", "shop", "--why", "x")
        body = {"external_id": "42"}
        wrong = [await rest.as_(f"gk_{n}").post("/server/users", body) for n in range(6)]
        assert [it.code for it in wrong] == ["token_invalid"] * 5 + ["rate_limited"]
        asked = (rest.as_(right).post("/server/users", body) for _ in range(20))
        assert {it.status for it in await asyncio.gather(*asked)} == {200}


async def test_keys_that_are_made_up_wait_for_no_writer(tmp_path: Path) -> None:
    file = tmp_path / "gochat.db"
    async with running(f"sqlite:///{file}") as rest:
        with closing(sqlite3.connect(file, isolation_level=None)) as busy:
            busy.execute("BEGIN IMMEDIATE")
            answer = await rest.as_("gk_x").post("/server/users", {"external_id": "42"})
            assert answer.code == "token_invalid"


async def test_the_lines_of_the_docs(rest: Rest, database_url: str) -> None:
    """The program of docs/own-login.md, run as it stands there."""
    (program,) = re.findall(r"```python[^\n]*\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    key = operator(database_url, "key", "create", "docs", "--why", "x")

    class Http:
        async def post(self, path: str, json: object, headers: dict[str, str]) -> httpx2.Response:
            return await rest.send("POST", path, json=json, headers=headers)

    known: dict[str, object] = {}
    exec(compile(program, "own-login.md", "exec"), known)
    chat_login = known["chat_login"]
    assert callable(chat_login)
    for _ in range(2):
        tokens = await chat_login(Http(), key, "42", "Ann")
        me = await rest.as_(tokens["access_token"]).ok("GET", "/me")
        assert me["user"]["display_name"] == "Ann"
