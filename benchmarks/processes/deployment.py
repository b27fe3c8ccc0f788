"""Server processes, the MariaDB and the Redis that join them, and people with tokens."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import insert

from benchmarks import stage
from benchmarks.measure import clock
from gochat.auth.tokens import Tokens
from gochat.core.limits import Limits
from gochat.core.members import AddMembers
from gochat.core.model import Conversation, ConversationId, UserId
from gochat.storage.engines import write_engine
from gochat.storage.migrate import upgrade
from gochat.storage.tables import SessionRow
from tests.services import mysql
from tests.services.gochat import GoChatServer
from tests.services.mariadb import MariaDB
from tests.services.process import Server
from tests.services.redis import Redis
from tests.writing.world import add_users, group

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a3f9d2c81a7b64e05c1f7d9e2b4a6c8d0"
TTL_S = 3600
SETTINGS = {"REPLICAS": "8", "JWT_SECRET": SECRET, "ACCESS_TOKEN_TTL_S": str(TTL_S), "LOG_LEVEL": "warning"}
CREATED_AT_ONCE = 200
"""Groups; the writer refuses when too much waits."""
POLL_S = 2.4
"""Within that time every process has read what the others committed."""


@dataclass
class Processes:
    """Servers of one kind, started one after the other as they are needed."""

    launch: Callable[[], GoChatServer]
    servers: list[GoChatServer] = field(default_factory=list)

    def grow(self, count: int) -> None:
        """Start some more, until there are so many."""
        while len(self.servers) < count:
            self.servers.append(self.launch())

    @property
    def ports(self) -> list[int]:
        """Where they listen."""
        return [server.port for server in self.servers]


@dataclass(frozen=True)
class Deployment:
    """GoChat's processes, and those of python-socketio as it comes, on one Redis."""

    mariadb: MariaDB
    redis: Redis
    url: str
    """Of the database."""
    gochat: Processes
    stock: Processes

    def ask(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """The rows of a statement on the database."""
        with closing(mysql.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
            return rows


@dataclass(frozen=True)
class Person:
    """A user, and the token that they connect with."""

    id: UserId
    token: str


def enrol(url: str, count: int) -> list[Person]:
    """New users, each with a session, at servers with `SECRET`."""
    tokens = Tokens(
        [SECRET.encode()], access_ttl_s=TTL_S, refresh_ttl_s=TTL_S, clock=lambda: int(time.time() * 1000)
    )
    users = add_users(url, count)
    times = dict.fromkeys(("created_at", "last_seen_at"), 0)
    ends = {"expires_at": int((time.time() + TTL_S) * 1000)}
    rows = [{"id": user, "user_id": user, "refresh_hash": user.to_bytes(32)} | times | ends for user in users]
    engine = write_engine(url)
    with engine.connect() as connection:
        connection.execute(insert(SessionRow), rows)
    engine.dispose()
    return [Person(user, tokens.access(user, user)) for user in users]


@contextmanager
def deployment() -> Iterator[Deployment]:
    """MariaDB and Redis, and no process yet."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="gochat-")))
        (directory / "redis").mkdir()
        mariadb = stack.enter_context(stage.mariadb())
        redis = stack.enter_context(Redis(directory / "redis"))
        url = mariadb.create_database()
        upgrade(url)
        ours = SETTINGS | {"MYSQL_URL": url, "REDIS_URL": redis.url}
        theirs = {"PYTHONPATH": str(ROOT), "REDIS_URL": redis.url}
        command = (sys.executable, "-m", "benchmarks.processes.stock")
        yield Deployment(
            mariadb,
            redis,
            url,
            Processes(lambda: stack.enter_context(GoChatServer(directory, ours))),
            Processes(lambda: stack.enter_context(GoChatServer(directory, theirs, command, "/"))),
        )


async def converse(url: str, groups: Sequence[Sequence[UserId]]) -> list[ConversationId]:
    """Make groups, of which the first of each is the owner."""
    at_once = Limits().members_added
    async with stage.writer(url) as writer:
        ids: list[ConversationId] = []
        for first in range(0, len(groups), CREATED_AT_ONCE):
            some = groups[first : first + CREATED_AT_ONCE]
            made = await asyncio.gather(*(writer.submit(group(*members[:at_once])) for members in some))
            ids += [it.id for it in made if isinstance(it, Conversation)]
        for cid, members in zip(ids, groups, strict=True):
            for start in range(at_once, len(members), at_once):
                more = tuple(members[start : start + at_once])
                await writer.submit(AddMembers(cid, members[0], more))
    return ids


class Meter:
    """The processor time of several servers, in seconds."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._clocks = [clock(server.process.pid) for server in servers]
        self._idle = [0.0] * len(servers)
        self.began = time.perf_counter()
        self.start()

    def start(self) -> None:
        """Measure from now on."""
        self.began = time.perf_counter()
        self._own = time.process_time()
        self._before = [read() for read in self._clocks]

    def used(self) -> list[float]:
        """What each has used since the start, without what it uses while nothing happens."""
        seconds = time.perf_counter() - self.began
        used = [read() - was for read, was in zip(self._clocks, self._before, strict=True)]
        return [busy - quiet * seconds for busy, quiet in zip(used, self._idle, strict=True)]

    def load(self) -> float:
        """The share of a core that this process, the load, has used since the start."""
        return (time.process_time() - self._own) / (time.perf_counter() - self.began)

    async def rest(self, seconds: float) -> list[float]:
        """Find out what each uses in a second while nothing happens; it counts no more from now on."""
        self._idle = [0.0] * len(self._clocks)
        self.start()
        await asyncio.sleep(seconds)
        self._idle = [used / seconds for used in self.used()]
        return self._idle
