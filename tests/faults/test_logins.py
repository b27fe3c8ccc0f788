"""Logins of many at once: over networks that lose answers, under attack, and accounts that many report."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import insert

from gochat.contract.ids import id_in, id_out
from gochat.core.reports import Report
from gochat.ids import new_id
from gochat.storage.database import Database
from gochat.storage.engines import write_engine
from gochat.storage.migrate import upgrade
from gochat.storage.safety import StoredReports
from gochat.storage.tables import UserRow
from tests.contract.rest import PASSWORD, operator, register, running
from tests.contract.test_rest_chat import message
from tests.contract.test_safety import reports, talking
from tests.services.gochat import GoChatServer

API = "/api/v1"
SECRET = "a3f9d2c81a7b64e05c1f7d9e2b4a6c8d0"
PAIRS = 500
"""Each of an app and its notification extension: a thousand that refresh at the same moment."""
ADDRESSES = 50
TRIES_A_SECOND = 200
SECONDS = 5
REPORTERS = 1_000

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
    """As an app does: a server that is busy is asked again. Of the owner nothing else is refused."""
    while True:
        status, answer = await ask(client, path, body, **headers)
        if status == 200:
            return answer
        assert answer["code"] == "overloaded", answer
        await asyncio.sleep(answer["retry_after_ms"] / 1_000)


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


def test_a_thousand_reports_ban_nobody(tmp_path: Path) -> None:
    """Of a thousand users each, of one message and its author."""
    url = f"sqlite:///{tmp_path / 'gochat.db'}"

    async def scene() -> None:
        async with running(url) as rest:
            cid, (ann, ben) = await talking(rest, "ann", "ben")
            await ben.rest.ok("POST", "/messages", message(cid))
            many = [new_id() for _ in range(REPORTERS)]
            rows = [
                {"id": it, "username": id_out(it), "display_name": "x", "password_hash": "", "created_at": 0}
                for it in many
            ]
            engine = write_engine(url)
            with engine.begin() as connection:
                connection.execute(insert(UserRow), [{**row, "me_revision": 0} for row in rows])
            engine.dispose()
            database = Database(url, pool_size=4)
            stored = StoredReports(database)
            about = id_in(ben.id)
            for reporter in many:
                report = Report(reporter, uuid4().bytes, "spam", "I do not like them.", about)
                assert await stored.file(report, 1) == about
            await database.close()
            await ben.rest.ok("POST", "/messages", message(cid))
            me = await ben.rest.ok("GET", "/me")
            assert me["standing"]["muted_until"] is None
            await rest.ok("POST", "/auth/login", {"username": "ben", "password": PASSWORD})
            await ann.rest.ok("DELETE", "/me")
            assert await register(rest, "carl")
        assert len(reports(url, "--all", f"--limit={REPORTERS + 1}")) == REPORTERS

    asyncio.run(scene())
