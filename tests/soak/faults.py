"""What can go wrong with processes, databases and networks; one class for each kind.

`inject` begins it, `heal` ends it; between the two lie `seconds`. After `heal` everything that the fault
broke is up again, so that everyone must have everything within ten seconds.
"""

import asyncio
import random
import signal
from abc import ABC, abstractmethod

from tests.soak.cluster import Cluster


class Fault(ABC):
    """One fault of one kind. Its choices are made with `rng` alone."""

    seconds = (0.2, 2.0)

    def __init__(self, cluster: Cluster, rng: random.Random) -> None:
        self.cluster = cluster
        self.rng = rng
        self.duration = rng.uniform(*self.seconds)
        self.n = rng.randrange(len(cluster.servers))
        self.server = cluster.servers[self.n]

    @property
    def name(self) -> str:
        """As `--faults` takes it."""
        return type(self).__name__

    @abstractmethod
    async def inject(self) -> None:
        """Break it."""

    async def heal(self) -> None:
        """Mend it."""
        return


class WorkerKilled(Fault):
    """kill -9 of a server process."""

    async def inject(self) -> None:
        await asyncio.to_thread(self.server.kill)

    async def heal(self) -> None:
        await asyncio.to_thread(self.server.start)


class WorkerStopped(Fault):
    """SIGTERM: it drains."""

    async def inject(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def heal(self) -> None:
        await asyncio.to_thread(self.server.start)


class RollingRestart(Fault):
    """All servers, one after the other."""

    async def inject(self) -> None:
        for server in self.cluster.servers:
            await asyncio.to_thread(server.restart)


class WorkerFrozen(Fault):
    """SIGSTOP for longer than a session may be silent while it holds locks."""

    seconds = (1.0, 6.0)

    async def inject(self) -> None:
        self.server.process.signal(signal.SIGSTOP)

    async def heal(self) -> None:
        self.server.process.signal(signal.SIGCONT)


class RedisRestarted(Fault):
    """It comes back empty."""

    async def inject(self) -> None:
        await asyncio.to_thread(self.cluster.redis.restart)


class RedisDown(Fault):
    """Gone for ten seconds."""

    seconds = (10.0, 10.0)

    async def inject(self) -> None:
        await asyncio.to_thread(self.cluster.redis.kill)

    async def heal(self) -> None:
        await asyncio.to_thread(self.cluster.redis.start)


class RedisPubSubKilled(Fault):
    """The server ends all subscriptions."""

    async def inject(self) -> None:
        def kill() -> None:
            with self.cluster.redis.client() as client:
                client.client_kill_filter(_type="pubsub")

        await asyncio.to_thread(kill)


class RedisSilentlyDead(Fault):
    """One process's connections to Redis are dead, and neither end is told."""

    async def inject(self) -> None:
        self.cluster.to_redis[self.n].abandon()


class DatabaseKilled(Fault):
    """kill -9 of the database."""

    async def inject(self) -> None:
        await asyncio.to_thread(self.cluster.sql_server.kill)

    async def heal(self) -> None:
        await asyncio.to_thread(self.cluster.sql_server.start)


class DatabaseRestarted(Fault):
    """SIGTERM, and up again."""

    async def inject(self) -> None:
        await asyncio.to_thread(self.cluster.sql_server.restart)


class DatabaseFrozen(Fault):
    """SIGSTOP: it answers nothing for a while."""

    seconds = (1.0, 5.0)

    async def inject(self) -> None:
        self.cluster.sql_server.process.signal(signal.SIGSTOP)

    async def heal(self) -> None:
        self.cluster.sql_server.process.signal(signal.SIGCONT)


class DatabaseConnectionsKilled(Fault):
    """KILL of every connection, whatever it is doing, a few times."""

    async def inject(self) -> None:
        for _ in range(3):
            await asyncio.to_thread(self.cluster.sql_server.kill_connections)
            await asyncio.sleep(self.rng.uniform(0.01, 0.2))


class CommitsCut(Fault):
    """Connections cut in COMMIT: some before the database has it, some before its answer is back."""

    async def inject(self) -> None:
        after = [True] * self.rng.randint(1, 3) + [False] * self.rng.randint(1, 3)
        self.cluster.cut_commits(*self.rng.sample(after, len(after)))

    async def heal(self) -> None:
        self.cluster.cut_commits()


class CommitsLate(Fault):
    """COMMITs on their way while their connections are given up; no KILL gets through."""

    async def inject(self) -> None:
        self.cluster.delay_commits(self.rng.randint(1, 3), astray=self.rng.random() < 0.7)

    async def heal(self) -> None:
        self.cluster.delay_commits(0)


class ClockJumped(Fault):
    """The database's clock jumps, for new connections, and stands still there."""

    async def inject(self) -> None:
        jump = self.rng.choice((-2_700, -60, 60, 2_700))
        await self._set(f"SET timestamp = UNIX_TIMESTAMP() + {jump}")

    async def heal(self) -> None:
        await self._set("")

    async def _set(self, init_connect: str) -> None:
        await asyncio.to_thread(self.cluster.sql, f"SET GLOBAL init_connect = '{init_connect}'")
        await asyncio.to_thread(self.cluster.sql_server.kill_connections)


class AcksCut(Fault):
    """Phones are cut off in the middle of what they hear."""

    async def inject(self) -> None:
        for proxy in self.cluster.front:
            proxy.cutting = self.rng.randint(1, 5)

    async def heal(self) -> None:
        for proxy in self.cluster.front:
            proxy.cutting = 0


class SlowReaders(Fault):
    """Phones that hardly read."""

    seconds = (2.0, 5.0)

    async def inject(self) -> None:
        for proxy in self.cluster.front:
            proxy.slow = True

    async def heal(self) -> None:
        for proxy in self.cluster.front:
            proxy.slow = False


class BlackHole(Fault):
    """Nothing passes between phones and one server, and nobody is told; then it does, or all is cut."""

    seconds = (2.0, 12.0)

    async def inject(self) -> None:
        self.cluster.front[self.n].hold(True)

    async def heal(self) -> None:
        if self.rng.random() < 0.5:
            self.cluster.front[self.n].sever()
        self.cluster.front[self.n].hold(False)


class PhonesCut(Fault):
    """Every connection of some phones ends at once."""

    async def inject(self) -> None:
        for proxy in self.cluster.front:
            proxy.sever()


FAULTS: dict[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (
        WorkerKilled,
        WorkerStopped,
        RollingRestart,
        WorkerFrozen,
        RedisRestarted,
        RedisDown,
        RedisPubSubKilled,
        RedisSilentlyDead,
        DatabaseKilled,
        DatabaseRestarted,
        DatabaseFrozen,
        DatabaseConnectionsKilled,
        CommitsCut,
        CommitsLate,
        ClockJumped,
        AcksCut,
        SlowReaders,
        BlackHole,
        PhonesCut,
    )
}
