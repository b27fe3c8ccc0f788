"""Logins of many at once: over networks that lose answers, under attack, and accounts that many report."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx2
import pytest

from gochat.core.reports import KEEP_MS
from gochat.storage.engines import write_engine
from gochat.storage.migrate import upgrade
from tests.contract.rest import PASSWORD, operator
from tests.contract.test_rest_chat import message
from tests.contract.test_safety import reports
from tests.services.gochat import GoChatServer

API = "/api/v1"
SECRET = "a3f9d2c81a7b64e05c1f7d9e2b4a6c8d0"
PAIRS = 500
"""Each of an app and its notification extension: a thousand that refresh at the same moment."""
ADDRESSES = 50
TRIES_A_SECOND = 200
SECONDS = 5
REPORTERS = 1_000
ABUSE = "You are an idiot"

T = TypeVar("T")

pytestmark = pytest.mark.slow


@pytest.fixture
def server(mariadb_url: str, tmp_path: Path) -> Iterator[GoChatServer]:
    """With the rates that it has by default, and hashes that cost little."""
    upgrade(mariadb_url)
    settings = {"MYSQL_URL": mariadb_url, "JWT_SECRET": SECRET, "ARGON2_MEMORY_KIB": "8192"}
    with GoChatServer(tmp_path, settings) as running_server:
        yield running_server


@asynccontextmanager
async def client_of(server: GoChatServer) -> AsyncIterator[httpx2.AsyncClient]:
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(base_url=server.url, timeout=120, limits=limits) as client:
        yield client


async def ask(client: httpx2.AsyncClient, path: str, body: object, **headers: str) -> tuple[int, Any]:
    answer = await client.post(API + path, json=body, headers=headers)
    return answer.status_code, answer.json()


async def insist(client: httpx2.AsyncClient, path: str, body: object, **headers: str) -> Any:
    """As an app does: a server that is busy, or read it too late, is asked again; nothing else is refused."""
    while True:
        status, answer = await ask(client, path, body, **headers)
        if status in {200, 202}:
            return answer
        assert answer["code"] in {"overloaded", "request_timeout"}, answer
        await asyncio.sleep((answer.get("retry_after_ms") or 1_000) / 1_000)


async def refreshed(client: httpx2.AsyncClient, token: str, rng: random.Random) -> str:
    """The next token, over a network that loses requests and answers: asked again until one arrives."""
    while True:
        if rng.random() < 0.2:
            continue  # the request was lost
        status, body = await ask(client, "/auth/refresh", {"refresh_token": token})
        assert status == 200, body
        if rng.random() < 0.3:
            continue  # the answer was lost
        return str(body["refresh_token"])


def test_a_thousand_refresh_in_pairs_and_nobody_loses_a_login(server: GoChatServer, mariadb_url: str) -> None:
    key = operator(mariadb_url, "key", "create", "x", "--why=x")
    rng = random.Random(11)

    async def scene() -> None:
        async with client_of(server) as client:
            bearer = {"authorization": f"Bearer {key}"}

            async def log_in(n: int) -> str:
                who = {"external_id": str(n)}
                await ask(client, "/server/users", who, **bearer)
                _, body = await ask(client, "/server/tokens", who, **bearer)
                return str(body["refresh_token"])

            kept = list(await asyncio.gather(*(log_in(n) for n in range(PAIRS))))
            for _ in range(2):
                both = [refreshed(client, token, rng) for token in kept for _ in ("app", "extension")]
                answers = await asyncio.gather(*both)
                # Either of the two may be who stores what came last.
                kept = [rng.choice(answers[n : n + 2]) for n in range(0, len(answers), 2)]
            assert len(set(kept)) == PAIRS

    asyncio.run(scene())


def test_a_thief_is_found_out_wherever_they_came_in(server: GoChatServer, mariadb_url: str) -> None:
    """They copy a token that the owner had; when both have used theirs twice, neither has a login."""
    key = operator(mariadb_url, "key", "create", "x", "--why=x")
    engine = write_engine(mariadb_url)

    def minutes_pass() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE sessions SET refresh_seeded_at = refresh_seeded_at - 300000")

    async def steal(client: httpx2.AsyncClient, copied: int, order: tuple[str, str]) -> None:
        bearer, who = {"authorization": f"Bearer {key}"}, {"external_id": f"{copied}-{order[0]}"}
        await ask(client, "/server/users", who, **bearer)
        _, begun = await ask(client, "/server/tokens", who, **bearer)
        held = [begun["refresh_token"]]
        for _ in range(4):
            _, body = await ask(client, "/auth/refresh", {"refresh_token": held[-1]})
            held.append(body["refresh_token"])
            minutes_pass()
        has, access, answers = {"thief": held[copied], "owner": held[-1]}, begun["access_token"], []
        for one in order * 2:
            status, body = await ask(client, "/auth/refresh", {"refresh_token": has[one]})
            answers.append(body.get("code", "went on"))
            if status == 200:
                has[one], access = body["refresh_token"], body["access_token"]
            minutes_pass()
        ended = answers.index("session_revoked")
        assert set(answers[ended:]) == {"session_revoked"}, "it has ended for both"
        at_latest = 2 if copied == 4 else 1 if copied == 3 or order[0] == "owner" else 0
        assert ended <= at_latest, answers
        me = await client.get(f"{API}/me", headers={"authorization": f"Bearer {access}"})
        assert me.json()["code"] == "session_revoked", "what was got meanwhile is worth nothing"

    async def scene() -> None:
        async with client_of(server) as client:
            for copied in range(5):
                for order in (("thief", "owner"), ("owner", "thief")):
                    await steal(client, copied, order)

    asyncio.run(scene())
    engine.dispose()


def test_an_account_under_attack_is_its_owner_s(server: GoChatServer) -> None:
    """Two hundred wrong tries a second from fifty addresses; the owner's phone goes on as ever."""

    async def scene() -> None:
        async with client_of(server) as client:
            device = {"installation_id": str(uuid4())}
            given = {"username": "owner", "password": PASSWORD, "device": device}
            tokens = await insist(client, "/auth/register", given)
            answers: Counter[str] = Counter()

            async def guess(n: int) -> None:
                forwarded = {"x-forwarded-for": f"198.51.100.{n % ADDRESSES}"}
                wrong = {"username": "owner", "password": f"guess {n}"}
                status, body = await ask(client, "/auth/login", wrong, **forwarded)
                assert status != 200
                answers[body["code"]] += 1

            async def attack() -> None:
                async with asyncio.TaskGroup() as guesses:
                    for n in range(TRIES_A_SECOND * SECONDS):
                        guesses.create_task(guess(n))
                        await asyncio.sleep(1 / TRIES_A_SECOND)

            attacking = asyncio.create_task(attack())
            token, went_on = tokens["refresh_token"], 0
            while not attacking.done():
                await insist(client, "/auth/refresh", {"refresh_token": token})
                here = {"x-forwarded-for": "203.0.113.9"}
                again = await insist(client, "/auth/login", given, **here)
                token, went_on = again["refresh_token"], went_on + 1
                await asyncio.sleep(0.5)
            await attacking
            assert went_on > 1
            assert answers.keys() <= {"invalid_credentials", "rate_limited", "overloaded"}
            assert answers["invalid_credentials"] <= 101, "what NIST allows in all, and what a day refills"

    asyncio.run(scene())


@pytest.fixture(params=["sqlite", "mariadb"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[GoChatServer, str]]:
    """A server with the rates that it has by default, which erases at once who wants to go; its database."""
    url, settings = f"sqlite:///{tmp_path / 'gochat.db'}", {"SQLITE_PATH": "gochat.db"}
    if request.param == "mariadb":
        url = request.getfixturevalue("mariadb_url")
        settings = {"MYSQL_URL": url}
    upgrade(url)
    settings |= {"JWT_SECRET": SECRET, "ARGON2_MEMORY_KIB": "8192"}
    with GoChatServer(tmp_path, settings | {"DELETE_GRACE_S": "0", "DELETED_MESSAGES": "erase"}) as server:
        yield server, url


@pytest.mark.timeout(600)
def test_a_thousand_reports_ban_nobody(house: tuple[GoChatServer, str]) -> None:
    """Of a thousand users each, of one message or its author; and they outlive both, for ninety days."""
    server, url = house
    key = operator(url, "key", "create", "x", "--why=x")
    given = {"username": "ben", "password": PASSWORD}

    async def scene() -> tuple[str, dict[str, str], dict[str, str]]:
        async with client_of(server) as client:
            bearer = {"authorization": f"Bearer {key}"}

            async def come(n: int) -> tuple[str, dict[str, str]]:
                who = {"external_id": str(n)}
                user = await insist(client, "/server/users", who, **bearer)
                return user["user"]["id"], as_(await insist(client, "/server/tokens", who, **bearer))

            many = await in_turns(come(n) for n in range(REPORTERS))
            begun = await insist(client, "/auth/register", given)
            ben_id, ben = begun["user"]["id"], as_(begun)
            readers = {"kind": "group", "member_ids": [user_id for user_id, _ in many[1::2]]}
            cid = (await insist(client, "/conversations", readers, **ben))["conversation"]["id"]
            await insist(client, "/messages", message(cid, ABUSE), **ben)

            async def report(n: int) -> None:
                target = {"conversation_id": cid, "seq": 1} if n % 2 else {"user_id": ben_id}
                about = {"client_report_id": str(uuid4()), "target": target, "reason": "spam"}
                for _ in range(1 if n % 10 else 2):  # an answer that was lost
                    assert await insist(client, "/reports", about, **many[n][1]) == {}

            await in_turns(report(n) for n in range(REPORTERS))
            await insist(client, "/messages", message(cid), **ben)
            await insist(client, "/auth/login", given)
            me = (await client.get(f"{API}/me", headers=ben)).json()
            assert me["standing"]["muted_until"] is None
            return cid, ben, many[1][1]

    cid, ben, other = asyncio.run(scene())
    listed: list[dict[str, Any]] = []
    while page := reports(url, "--limit=300", *([f"--before={listed[-1]['report']}"] if listed else [])):
        assert len(page) == min(300, REPORTERS - len(listed))
        listed += page
    assert len({it["report"] for it in listed}) == REPORTERS
    (ben_id,) = {it["user"] for it in listed}
    shown = [show(url, it["report"]) for it in listed[:20]]
    of_message = next(it for it in shown if it["seq"])
    assert ABUSE in {it["body"] for it in of_message["snapshot"]}
    operator(url, "report", "resolve", of_message["report"], "--why=warned")
    assert len(reports(url, f"--limit={REPORTERS}")) == REPORTERS - 1

    with httpx2.Client(base_url=server.url, timeout=120) as client:
        client.request("DELETE", f"{API}/me", headers=ben).raise_for_status()
        them = f"{API}/users?ids={ben_id}"
        wait_until(lambda: client.get(them, headers=other).json()["users"][0]["deleted"])
        left = client.get(f"{API}/messages?conversation_id={cid}", headers=other).json()["messages"]
    assert {it["body"] for it in left if it["sender_id"] == ben_id and it["kind"] != "system"} == {None}
    assert len(reports(url, "--all", f"--limit={REPORTERS + 1}")) == REPORTERS
    assert show(url, of_message["report"])["snapshot"] == of_message["snapshot"]

    engine = write_engine(url)
    with engine.begin() as connection:
        older = f"UPDATE reports SET created_at = created_at - {KEEP_MS} WHERE resolved_at IS NULL"
        connection.exec_driver_sql(older)
    engine.dispose()
    wait_until(lambda: len(reports(url, "--all")) == 1)


async def in_turns(jobs: Iterable[Awaitable[T]]) -> list[T]:
    """The answers to all, of which a few are asked for at the same time."""
    turns = asyncio.Semaphore(20)

    async def one(job: Awaitable[T]) -> T:
        async with turns:
            return await job

    return await asyncio.gather(*map(one, jobs))


def as_(begun: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {begun['access_token']}"}


def show(url: str, report: str) -> dict[str, Any]:
    return dict(json.loads(operator(url, "report", "show", report, "--why=look")))


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.2)
