"""The deployment under test: several `gochat serve` on a database and Redis, with proxies in between."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Self

from sqlalchemy import make_url

from gochat.contract.ids import id_out
from gochat.ids import new_id
from gochat.storage.migrate import upgrade
from tests.services import mysql
from tests.services.gochat import GoChatServer
from tests.services.mariadb import MariaDB
from tests.services.mysqld import MySQL
from tests.services.redis import Redis
from tests.services.sql_server import SQLServer
from tests.soak.proxy import Link, Proxy

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "5f1c7d9e2b4a6c8d0a3f9d2c81a7b64e"
COMMIT = b"COMMIT"
"""Ends the script of statements that a packet is (COM_QUERY of the MySQL client/server protocol)."""
KILL = b"KILL "
OK = bytes.fromhex("0700000100000002000000")
"""OK_Packet of the same, the answer to a statement that finds nothing."""
LOOK_UP = b"FROM batches WHERE process_id = "
LATE_S = 1.0
"""Within the 3 s that a server keeps a silent connection of a writer."""
ANSWER_S = 0.005
SETTINGS = {
    "REPLICAS": "3",
    "JWT_SECRET": SECRET,
    "LOGIN_RATE": "100000/minute",
    "ARGON2_MEMORY_KIB": "8192",
    "ARGON2_TIME_COST": "1",
    "DRAIN_SECONDS": "1",
    "ACCESS_TOKEN_TTL_S": "120",
}
_ROW = "(NULL, NEW.conversation_id, NEW.user_id, NEW.revision, NEW.active, NEW.visible_from_seq)"
AUDIT = (
    "CREATE TABLE soak_members (id BIGINT PRIMARY KEY AUTO_INCREMENT, conversation_id BIGINT,"
    " user_id BIGINT, revision BIGINT, active INT, visible_from_seq BIGINT)",
    f"CREATE TRIGGER soak_joined AFTER INSERT ON members FOR EACH ROW INSERT INTO soak_members VALUES {_ROW}",
    "CREATE TRIGGER soak_moved AFTER UPDATE ON members FOR EACH ROW"
    " IF NEW.active <> OLD.active OR NEW.joined_revision <> OLD.joined_revision"
    f" THEN INSERT INTO soak_members VALUES {_ROW}; END IF",
)
"""Who was a member when: written by the database itself, whatever the servers believe."""


DATABASES: Mapping[str, type[SQLServer]] = {"mariadb": MariaDB, "mysql": MySQL}


class Worker(GoChatServer):
    """One server process; with `flaw` one that has it."""

    def __init__(self, directory: Path, settings: dict[str, str], flaw: str | None) -> None:
        planted = [sys.executable, "-m", "tests.soak.planted", flaw or "", "serve"]
        super().__init__(directory, settings, command=planted if flaw else None)


class Cluster:
    """A database, Redis and servers; every connection between them goes through a proxy.

    `front[n]` is the way to server n for phones whose network is bad; others go to it directly.
    """

    def __init__(
        self, directory: Path, servers: int, flaw: str | None = None, database: str = "mariadb"
    ) -> None:
        self._directory = directory
        self._kind = DATABASES[database]
        self._count = servers
        self._flaw = flaw
        self._stack = AsyncExitStack()
        self._commits_to_cut: list[bool] = []
        """Whether the database has each of those before its connection is cut."""
        self._commits_to_delay = 0
        self._kills_astray = False
        self._late = 0
        """COMMITs that are on their way."""
        self._looked_up = asyncio.Event()
        self.sql_server: SQLServer
        self.redis: Redis
        self.database: Proxy
        self.to_redis: list[Proxy] = []
        self.front: list[Proxy] = []
        self.servers: list[Worker] = []
        self.url = ""
        """Of the database, for root, past the proxy."""

    async def __aenter__(self) -> Self:
        enter = self._stack.enter_context
        self.sql_server = await asyncio.to_thread(self._kind, self._folder("database"))
        await asyncio.to_thread(enter, self.sql_server)
        self.redis = await asyncio.to_thread(enter, Redis(self._folder("redis")))
        self.url = await asyncio.to_thread(self.sql_server.create_database)
        await asyncio.to_thread(self._prepare)
        self.database = await self._stack.enter_async_context(Proxy(self.sql_server.port, self._upstream))
        at = make_url(self.url).set(host="127.0.0.1", port=self.database.port, username="gochat")
        # The proxy has to see the statements: MySQL would have them encrypted.
        at = at.update_query_dict({"ssl_mode": "DISABLED"})
        for _ in range(self._count):
            proxy = await self._stack.enter_async_context(Proxy(self.redis.port))
            self.to_redis.append(proxy)
            settings = SETTINGS | {
                "MYSQL_URL": at.render_as_string(hide_password=False),
                "REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0",
                "PYTHONPATH": str(ROOT),
            }
            worker = Worker(self._directory, settings, self._flaw)
            self.servers.append(await asyncio.to_thread(enter, worker))
            self.front.append(await self._stack.enter_async_context(Proxy(worker.port)))
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    def _folder(self, name: str) -> Path:
        folder = self._directory / name
        folder.mkdir()
        return folder

    def _prepare(self) -> None:
        """The schema, a user without special rights, and the audit."""
        upgrade(self.url)
        database = make_url(self.url).database
        self.sql(
            "CREATE USER gochat@'127.0.0.1'",
            f"GRANT ALL ON {database}.* TO gochat@'127.0.0.1'",
            *AUDIT,
        )

    def sql(self, *statements: str) -> Sequence[Sequence[object]]:
        """Run statements as root, past the proxy; the rows of the last one."""
        with closing(mysql.connect(self.url)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows: Sequence[Sequence[object]] = cursor.fetchall()
            return rows

    def sleepers(self, count: int) -> list[str]:
        """The ids of new users who never log in."""
        ids = [new_id() for _ in range(count)]
        rows = ", ".join(f"({it}, '{id_out(it)}', '', 'Sleeper', 0, 0)" for it in ids)
        self.sql(
            "INSERT INTO users (id, username, password_hash, display_name, me_revision, created_at)"
            f" VALUES {rows}"
        )
        return [id_out(it) for it in ids]

    def cut_commits(self, *after: bool) -> None:
        """Cut the connection at each of the next COMMITs: after the database has it, or before."""
        self._commits_to_cut = [*after]

    @property
    def commits_to_cut(self) -> int:
        """How many are still to be cut."""
        return len(self._commits_to_cut)

    def delay_commits(self, count: int, *, astray: bool = False) -> None:
        """Cut the connection at each of the next `count` COMMITs, which reach the database a little later.

        At the worst moment: just after it was looked for. Until then no KILL reaches the database: `astray`,
        somebody else answers it; else its connection is cut too.
        """
        self._commits_to_delay, self._kills_astray = count, astray

    @property
    def commits_to_delay(self) -> int:
        """How many are still to be delayed."""
        return self._commits_to_delay

    def _upstream(self, link: Link, data: bytes) -> bool:
        if self._late and LOOK_UP in data:
            self._looked_up.set()
        if self._late and data[5:].startswith(KILL):
            if self._kills_astray:
                link.write(OK)
            else:
                link.cut()
            return False
        if data.endswith(COMMIT) and self._commits_to_delay and link.other is not None:
            self._commits_to_delay -= 1
            self.database.spawn(self._delay(link.detach(), data))
            return False
        if not data.endswith(COMMIT) or not self._commits_to_cut:
            return True
        server = link.other
        if self._commits_to_cut.pop() and server is not None:
            server.write(data)
        link.abort()
        return False

    async def _delay(self, server: Link, data: bytes) -> None:
        self._late += 1
        self._looked_up.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._looked_up.wait(), LATE_S)
            await asyncio.sleep(ANSWER_S)
        server.write(data)
        self._late -= 1

    @property
    def logs(self) -> str:
        """What the servers printed."""
        return "\n".join(path.read_text(errors="replace") for path in self._directory.glob("server-*.log"))
