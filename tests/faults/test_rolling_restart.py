"""Processes are stopped and started one after the other under load: no ack is lost, and no message.

The release before is `released/0011.tar.xz`: the code of revision 0011, as it was. With each release another
one takes its place: `git archive TAG gochat alembic`.
"""

import asyncio
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from gochat.storage.migrate import upgrade
from tests.faults.conftest import SETTINGS, Place
from tests.faults.rolling import chatting
from tests.services.gochat import GoChatServer
from tests.services.redis import Redis

RELEASED = Path(__file__).parent / "released" / "0011.tar.xz"
GOCHAT = (sys.executable, "-m", "gochat")

pytestmark = pytest.mark.timeout(400)


async def test_a_rolling_restart_loses_nothing(place: Place) -> None:
    async with chatting(place) as under_way:
        for server in place.servers:

            async def restart(server: GoChatServer = server) -> None:
                assert await asyncio.to_thread(server.stop) == 0
                await asyncio.to_thread(server.start)

            await under_way(restart)


@pytest.fixture
def before(tmp_path: Path) -> dict[str, str]:
    """What runs the release before in place of this one."""
    with tarfile.open(RELEASED) as archive:
        archive.extractall(tmp_path / "before", filter="data")
    return {"PYTHONPATH": str(tmp_path / "before")}


@pytest.fixture
def deployed(mariadb_url: str, redis: Redis, tmp_path: Path, before: dict[str, str]) -> Iterator[Place]:
    """Two processes of the release before, on a database that it made."""
    settings = SETTINGS | {"MYSQL_URL": mariadb_url, "REDIS_URL": redis.url}
    env = {"PATH": os.environ["PATH"], **settings, **before}
    subprocess.run([*GOCHAT, "migrate"], cwd=tmp_path, env=env, check=True, timeout=60)
    with ExitStack() as stack:
        servers = [GoChatServer(tmp_path, settings | before, (*GOCHAT, "serve")) for _ in range(2)]
        running = [stack.enter_context(server) for server in servers]
        clients = [stack.enter_context(httpx2.Client(base_url=it.url, timeout=30)) for it in running]
        place = Place(running, clients, redis)
        yield place
        for server in place.servers:
            server.kill()


async def test_the_release_before_is_replaced_under_load_and_taken_back(
    deployed: Place, mariadb_url: str, redis: Redis, tmp_path: Path, before: dict[str, str]
) -> None:
    """Migrate, then one process after the other; one of them is the old release again, and the new one."""
    settings = SETTINGS | {"MYSQL_URL": mariadb_url, "REDIS_URL": redis.url}

    def replace(n: int, code: dict[str, str]) -> None:
        old = deployed.servers[n]
        new = GoChatServer(tmp_path, settings | code, (*GOCHAT, "serve"))
        new.port = old.port
        assert old.stop() == 0
        new.start()
        deployed.servers[n] = new

    async with chatting(deployed, strict=False) as under_way:
        await under_way(lambda: asyncio.to_thread(upgrade, mariadb_url))
        for n, code in ((0, {}), (1, {}), (0, before), (0, {})):
            await under_way(lambda n=n, code=code: asyncio.to_thread(replace, n, code))  # type: ignore[misc]
