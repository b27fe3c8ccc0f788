"""One run: a deployment, users, faults one after the other, and the check at the end."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import httpx2

from gochat.contract.ids import id_out
from tests.phone.connection import LostError, RefusedError
from tests.soak.check import check_all
from tests.soak.cluster import Cluster
from tests.soak.faults import FAULTS, Fault
from tests.soak.journal import Journal
from tests.soak.load import API, User, Witness

HEAL_S = 10.0
"""Within this time of healing every member who is online has everything."""
QUIET_S = 60.0
STUCK_S = 20.0
"""After so long without enough messages it goes on all the same."""
POLL_S = 0.05
REGISTER_AT_ONCE = 8
SLEEPERS = 260
"""Users without a phone. With them one group crosses the size up to which members are shown."""
CROWD = 252
"""Of them, so many are in that group at first."""
TRACEBACKS_SHOWN = 5
FRAMES_SHOWN = 24
"""Lines of each."""


@dataclass(frozen=True)
class Plan:
    """What to do. The same plan makes the same choices; the timing is the machine's."""

    seed: int
    messages: int
    faults: Sequence[str]
    """Kinds, in order."""
    users: int = 16
    groups: int = 5
    servers: int = 3
    pace: float = 8.0
    """Actions a second of each user."""
    flaw: str | None = None
    database: str = "mariadb"


@dataclass
class Report:
    """What came of it."""

    plan: Plan
    journal: Journal
    injected: Counter[str] = field(default_factory=Counter)
    healings: list[float] = field(default_factory=list)
    """Seconds after each fault until everyone had everything."""
    seconds: float = 0.0
    tracebacks: int = 0

    @property
    def violations(self) -> dict[str, list[str]]:
        """By kind of promise."""
        return self.journal.violations


async def run(plan: Plan, directory: Path, say: Callable[[str], None]) -> Report:
    """Carry a plan out."""
    report = Report(plan, Journal())
    start = time.monotonic()
    async with Cluster(directory, plan.servers, plan.flaw, plan.database) as cluster:
        rng = random.Random(plan.seed)
        users = await _users(plan, cluster, report.journal, rng)
        try:
            await _chat(plan, cluster, report, users, rng, say)
        finally:
            for user in users:
                await user.phone.stop()
        tracebacks = cluster.logs.split("Traceback (most recent call last)")[1:]
        report.tracebacks = len(tracebacks)
        for text in tracebacks[:TRACEBACKS_SHOWN]:
            say(f"     TRACEBACK {_traceback(text)}")
    report.seconds = time.monotonic() - start
    return report


def _traceback(text: str) -> str:
    """The frames that a log tells, the last ones of many, and what was raised."""
    first, *lines = text.split("\n")
    frames = list(takewhile(lambda line: line.startswith(" "), lines))
    return "\n".join([first, *frames[-FRAMES_SHOWN:], *lines[len(frames) : len(frames) + 1]])


async def _users(plan: Plan, cluster: Cluster, journal: Journal, rng: random.Random) -> list[User]:
    """Registered users with phones that are online, and conversations between them."""
    direct = [server.url for server in cluster.servers]
    proxied = [proxy.url for proxy in cluster.front]
    async with httpx2.AsyncClient(base_url=direct[0], timeout=30) as http:
        room = asyncio.Semaphore(REGISTER_AT_ONCE)

        async def post(path: str, body: object, token: str = "") -> dict[str, object]:
            async with room:
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                response = await http.post(API + path, json=body, headers=headers)
                response.raise_for_status()
                answer: dict[str, object] = response.json()
                return answer

        names = [{"username": f"user{n}", "password": f"password {n}"} for n in range(plan.users)]
        tokens = await asyncio.gather(*(post("/auth/register", name) for name in names))
        phones = [
            Witness(proxied if n % 3 == 0 else direct, it, journal, in_order=n % 2 == 0)  # type: ignore[arg-type]
            for n, it in enumerate(tokens)
        ]
        for n in range(plan.groups):
            people = rng.sample(phones, 6)
            body = {
                "kind": "group",
                "title": f"group {n}",
                "history": ("from_start", "from_joining")[n % 2],
                "member_ids": [phone.store.user_id for phone in people[1:]],
            }
            await post("/conversations", body, people[0].tokens["access_token"])
        sleepers = await asyncio.to_thread(cluster.sleepers, SLEEPERS)
        first, *others = rng.sample(phones, min(6, len(phones)))
        body = {
            "kind": "group",
            "title": "crowd",
            "history": "from_joining",
            "member_ids": [*(phone.store.user_id for phone in others), *sleepers[: CROWD - len(others)]],
        }
        await post("/conversations", body, first.tokens["access_token"])
        for one, other in zip(phones[::2], phones[1::2], strict=False):
            body = {"kind": "direct", "member_ids": [other.store.user_id]}
            await post("/conversations", body, one.tokens["access_token"])
    everyone = [phone.store.user_id for phone in phones]
    for phone in phones:
        phone.start()
    await asyncio.wait_for(asyncio.gather(*(phone.synced.wait() for phone in phones)), QUIET_S)
    return [
        User(
            phone, journal, random.Random(f"{plan.seed} {n}"), everyone, sleepers, plan.pace, quiet=n % 5 == 4
        )
        for n, phone in enumerate(phones)
    ]


async def _chat(
    plan: Plan,
    cluster: Cluster,
    report: Report,
    users: Sequence[User],
    rng: random.Random,
    say: Callable[[str], None],
) -> None:
    journal = report.journal
    left = list(plan.faults)

    def enough() -> bool:
        stuck = time.monotonic() - journal.acked_at > STUCK_S
        return not left and (stuck or journal.acked >= plan.messages)

    journal.acked_at = time.monotonic()
    living = [asyncio.create_task(user.live(enough)) for user in users]
    every = plan.messages / (len(plan.faults) + 1)
    while left:
        await _wait(lambda: journal.acked >= every * (report.injected.total() + 1), STUCK_S)
        fault = FAULTS[left[0]](cluster, rng)
        await _suffer(fault, cluster, report, users)
        left.pop(0)
        say(f"{report.injected.total():4d} {fault.name:26s} {_summary(report)}")
        for text in report.journal.news():
            say(f"     VIOLATION {text}")
    await asyncio.gather(*living)
    for user in users:
        if not user.phone.online:
            user.phone.start()
    await _wait(lambda: not any(user.phone.outbox for user in users), QUIET_S)
    for user in users:
        with contextlib.suppress(LostError, RefusedError, TimeoutError):
            async with asyncio.timeout(QUIET_S):
                await user.bring_down()
    if journal.acked < plan.messages:
        journal.violation("load", f"only {journal.acked} of {plan.messages} messages were acked")
    await check_all(cluster, journal, [user.phone for user in users])
    for text in report.journal.news():
        say(f"     VIOLATION {text}")


async def _suffer(fault: Fault, cluster: Cluster, report: Report, users: Sequence[User]) -> None:
    """One fault, and whether all is well ten seconds after it."""
    report.injected[fault.name] += 1
    await fault.inject()
    await asyncio.sleep(fault.duration)
    await fault.heal()
    healed = time.monotonic()
    lagging = await _lag(cluster, users)
    if lagging:
        phones = {user.phone.store.user_id: user.phone for user in users}
        who = ", ".join(
            f"{user_id} has {phones[user_id].store.revision(cid)} of {cid}" for user_id, cid in lagging[:5]
        )
        report.journal.violation("delivery", f"{HEAL_S:.0f} s after {fault.name}: {who} ({len(lagging)})")
    report.healings.append(time.monotonic() - healed)
    for proxy in cluster.to_redis:
        proxy.bury()


async def _lag(cluster: Cluster, users: Sequence[User]) -> list[tuple[str, str]]:
    """Who, online since now, does not have within ten seconds what there is now, and where."""
    there = await _there(cluster)
    phones = {user.phone.store.user_id: user.phone for user in users}
    deadline = time.monotonic() + HEAL_S
    while True:
        phones = {user_id: phone for user_id, phone in phones.items() if phone.online}
        there = [it for it in there if it[0] in phones and not phones[it[0]].store.has(it[1], it[2])]
        if not there:
            return []
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(POLL_S)
    # Who was removed before they ever heard that they were in is not told that they are out.
    still = {(user_id, cid) for user_id, cid, _ in await _there(cluster)}
    lagging = [(user_id, cid) for user_id, cid, _ in there]
    return [it for it in lagging if it in still or phones[it[0]].store.revision(it[1])]


async def _there(cluster: Cluster) -> list[tuple[str, str, int]]:
    """Who is a member, of which conversation, and its revision."""
    rows = await asyncio.to_thread(
        cluster.sql,
        "SELECT m.user_id, c.id, c.revision FROM members m JOIN conversations c ON c.id = m.conversation_id"
        " WHERE m.active = 1",
    )
    return [(id_out(int(str(u))), id_out(int(str(c))), int(str(r))) for u, c, r in rows]


async def _wait(done: Callable[[], bool], seconds: float) -> None:
    """Until it is so, or the time is over: the check will tell what is missing."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:  # noqa: ASYNC110 (many things of many phones)
        await asyncio.sleep(POLL_S)


def _summary(report: Report) -> str:
    journal = report.journal
    broken = {kind: len(texts) for kind, texts in journal.violations.items()}
    return (
        f"{journal.acked} messages, {journal.repeats} repeats, {journal.deltas} deltas, "
        f"violations {broken or 0}"
    )
