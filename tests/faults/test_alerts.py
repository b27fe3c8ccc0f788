"""Each alert rule, on a real Prometheus: a staged fault fires it, and once that is mended it clears."""

import asyncio
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
import websockets
import yaml

from gochat.storage.migrate import upgrade
from tests.faults.conftest import SETTINGS
from tests.services.gochat import READY_PATH, GoChatServer
from tests.services.mariadb import MariaDB
from tests.services.process import free_port
from tests.services.prometheus import RULES, Prometheus, hurried
from tests.services.redis import Redis
from tests.wire.account import Account, register
from tests.wire.phone import Phone, message

WINDOW_S = 8
PATIENCE_S = 60.0
GROUPS = 6

pytestmark = pytest.mark.slow


class Stage:
    """Two servers on one database and one Redis of their own, Prometheus over both, and a few users."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        for name in ("mariadb", "redis", "prometheus"):
            (directory / name).mkdir()
        self.mariadb = stack.enter_context(MariaDB(directory / "mariadb"))
        self.redis = stack.enter_context(Redis(directory / "redis"))
        url = self.mariadb.create_database()
        upgrade(url)
        settings = SETTINGS | {"MYSQL_URL": url, "REDIS_URL": self.redis.url, "LOGIN_RATE": ""}
        settings |= {"RATES": "all=off", "SOCKET_BACKLOG_MAX_BYTES": "65536", "DRAIN_SECONDS": "0"}
        ports = [free_port() for _ in range(2)]
        self.servers = [
            stack.enter_context(
                GoChatServer(directory, settings | {"METRICS_PORT": str(port), "WORKERS": workers})
            )
            for port, workers in zip(ports, ("1", "2"), strict=True)
        ]
        rules = hurried(RULES.read_text(), WINDOW_S, {"_lag_seconds) > 60": "_lag_seconds) > 3"})
        self.prometheus = stack.enter_context(Prometheus(directory / "prometheus", ports, rules))
        with httpx2.Client(base_url=self.servers[0].url, timeout=30) as http:
            self.ann, self.ben = register(http, "ann"), register(http, "ben")
            group = {"kind": "group", "member_ids": [self.ben.id]}
            self.cids = [
                str(self.ann.post("/conversations", group)["conversation"]["id"]) for _ in range(GROUPS)
            ]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(tmp_path_factory.mktemp("alerts"), stack)


@asynccontextmanager
async def connected(stage: Stage, account: Account, server: int) -> AsyncIterator[Phone]:
    phone = Phone(account.name, strict=False)
    await phone.connect(stage.servers[server].url, account.token)
    try:
        yield phone
    finally:
        with suppress(Exception):
            await phone.close()


@asynccontextmanager
async def talk(stage: Stage) -> AsyncIterator[None]:
    """Ann sends to all groups, again and again; Ben hears it at the other server."""

    async def send(phone: Phone, cid: str) -> None:
        while True:
            with suppress(Exception):
                await phone.client.call("message:send", message(cid, "x"), timeout=30)
            await asyncio.sleep(0.1)

    async with AsyncExitStack() as stack:
        phone = await stack.enter_async_context(connected(stage, stage.ann, 0))
        await stack.enter_async_context(connected(stage, stage.ben, 1))
        sends = [asyncio.create_task(send(phone, cid)) for cid in stage.cids]
        try:
            yield
        finally:
            for task in sends:
                task.cancel()
            await asyncio.gather(*sends, return_exceptions=True)


# ---- the faults: each holds for as long as its context


@asynccontextmanager
async def killed(stage: Stage) -> AsyncIterator[None]:
    await asyncio.to_thread(stage.servers[0].kill)
    yield
    await asyncio.to_thread(stage.servers[0].start)


@asynccontextmanager
async def workers_killed(stage: Stage) -> AsyncIterator[None]:
    async def kill() -> None:
        while True:
            for pid in workers(stage.servers[1].process.pid):
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(1)

    killing = asyncio.create_task(kill())
    yield
    killing.cancel()
    await until(lambda: len(workers(stage.servers[1].process.pid)) == 2, "both workers run again")
    await until(lambda: answers(stage.servers[1].url), "they listen again")


def answers(url: str) -> bool:
    try:
        return httpx2.get(url + READY_PATH, timeout=30).status_code == 200
    except httpx2.HTTPError:
        return False


def workers(supervisor: int) -> list[int]:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(pid) for pid in children]


@asynccontextmanager
async def database_hangs(stage: Stage) -> AsyncIterator[None]:
    async with talk(stage):
        await until(
            lambda: bool(stage.prometheus.query("gochat_follower_lag_seconds")), "a follower has a process"
        )
        stage.mariadb.process.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            stage.mariadb.process.signal(signal.SIGCONT)


@asynccontextmanager
async def database_is_slow(stage: Stage) -> AsyncIterator[None]:
    """It stands still for most of the time: what is asked is answered, late."""

    async def pulse() -> None:
        while True:
            stage.mariadb.process.signal(signal.SIGSTOP)
            await asyncio.sleep(1.6)
            stage.mariadb.process.signal(signal.SIGCONT)
            await asyncio.sleep(0.2)

    async with talk(stage):
        pulses = asyncio.create_task(pulse())
        try:
            yield
        finally:
            pulses.cancel()
            stage.mariadb.process.signal(signal.SIGCONT)


@asynccontextmanager
async def redis_is_away(stage: Stage) -> AsyncIterator[None]:
    async with talk(stage):
        await asyncio.to_thread(stage.redis.kill)
        yield
        await asyncio.to_thread(stage.redis.start)


@asynccontextmanager
async def loop_is_stopped(stage: Stage) -> AsyncIterator[None]:
    async def pulse() -> None:
        while True:
            stage.servers[0].process.signal(signal.SIGSTOP)
            await asyncio.sleep(0.9)
            stage.servers[0].process.signal(signal.SIGCONT)
            await asyncio.sleep(0.35)  # in all not as long as the loop waits from one look to the next

    pulses = asyncio.create_task(pulse())
    yield
    pulses.cancel()
    stage.servers[0].process.signal(signal.SIGCONT)


@asynccontextmanager
async def descriptors_are_used_up(stage: Stage) -> AsyncIterator[None]:
    pid = stage.servers[0].process.pid
    used = len(os.listdir(f"/proc/{pid}/fd"))
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 40, before[1]))
    with ExitStack() as stack:
        for _ in range(36):
            stack.enter_context(socket.create_connection(("127.0.0.1", stage.servers[0].port)))
        yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def phones_stop_reading(stage: Stage) -> AsyncIterator[None]:
    """Sockets of Ben's that never read, one after the other, while Ann talks at length."""
    address = stage.servers[0].url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"

    async def be_slow() -> None:
        while True:
            with socket.socket() as narrow, suppress(Exception):
                narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                narrow.connect(("127.0.0.1", stage.servers[0].port))
                slow = await websockets.connect(
                    address, sock=narrow, max_queue=1, max_size=None, ping_interval=None
                )
                try:
                    await slow.recv()
                    await slow.send(f'40{{"token":"{stage.ben.token}"}}')
                    await asyncio.sleep(2)
                finally:
                    slow.transport.abort()

    async def shout(phone: Phone) -> None:
        while True:
            sends = (
                phone.client.call("message:send", message(stage.cids[0], "x" * 7_000), timeout=30)
                for _ in range(32)
            )
            await asyncio.gather(*sends, return_exceptions=True)

    async with connected(stage, stage.ann, 0) as phone:
        works = [asyncio.create_task(it) for it in (shout(phone), *(be_slow() for _ in range(3)))]
        try:
            yield
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)


@asynccontextmanager
async def passwords_are_guessed(stage: Stage) -> AsyncIterator[None]:
    async def guess(http: httpx2.AsyncClient) -> None:
        while True:
            guessed = {"username": "ann", "password": "not the password"}
            with suppress(httpx2.HTTPError):
                await http.post("/api/v1/auth/login", json=guessed)

    async with httpx2.AsyncClient(base_url=stage.servers[0].url, timeout=30) as http:
        guesses = [asyncio.create_task(guess(http)) for _ in range(4)]
        try:
            yield
        finally:
            for task in guesses:
                task.cancel()
            await asyncio.gather(*guesses, return_exceptions=True)


Fault = Callable[[Stage], AbstractAsyncContextManager[None]]
FAULTS: list[tuple[Fault, set[str]]] = [
    (killed, {"GoChatDown"}),
    (workers_killed, {"GoChatWorkersDie"}),
    (database_hangs, {"GoChatWriterStuck", "GoChatPollFails", "GoChatRefuses", "GoChatFollowerBehind"}),
    (database_is_slow, {"GoChatSlowSends", "GoChatSlowReads"}),
    (redis_is_away, {"GoChatDoorbellDown", "GoChatDoorbellDrops", "GoChatRepairs"}),
    (loop_is_stopped, {"GoChatLoopLate"}),
    (descriptors_are_used_up, {"GoChatDescriptors"}),
    (phones_stop_reading, {"GoChatSocketsCut"}),
    (passwords_are_guessed, {"GoChatLoginsFail"}),
]


def test_each_alert_has_its_fault() -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    assert sorted(it["alert"] for it in rules) == sorted(name for _, names in FAULTS for name in names)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("fault", "alerts"), FAULTS, ids=lambda it: getattr(it, "__name__", ""))
def test_a_fault_fires_its_alerts_and_mended_they_clear(stage: Stage, fault: Fault, alerts: set[str]) -> None:
    async def scene() -> None:
        await until(lambda: not alerts & stage.prometheus.firing(), f"none of {alerts} fires before")
        seen: set[str] = set()

        def all_fired() -> bool:
            seen.update(alerts & stage.prometheus.firing())
            return seen == alerts

        async with fault(stage):
            await until(all_fired, f"all of {alerts} fire", lambda: f"only {seen}")
        await until(lambda: not alerts & stage.prometheus.firing(), f"{alerts} clear")

    asyncio.run(scene())


async def until(condition: Callable[[], bool], wanted: str, found: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"{wanted}: not within {PATIENCE_S} s {found()}"
        await asyncio.sleep(0.25)
