"""What the processes of one deployment share: on Redis, or, of a process that is alone, in its memory."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

from gochat.core.measures import Measures
from gochat.core.ports.presence import Presences
from gochat.core.ports.writing import Publisher
from gochat.core.rates import Rate, SharedRates
from gochat.events.cluster.doorbell import RedisDoorbell
from gochat.events.cluster.manager import DoorbellManager
from gochat.events.cluster.relay import RedisRelay
from gochat.events.cluster.seam import Doorbell, NoDoorbell
from gochat.events.delivery.ringing import Ringing
from gochat.events.engine import EngineManager, EngineServer
from gochat.storage.presence import MemoryPresences, RedisPresences
from gochat.storage.rates import AloneRates, RedisRates


class Peers(Protocol):
    """The parts that differ by whether there are other processes."""

    manager: EngineManager
    doorbell: Doorbell
    presences: Presences
    rates: SharedRates

    def start(self, server: EngineServer) -> None:
        """Begin to hear the others, and to be there for them."""
        ...

    async def check(self) -> Mapping[str, str]:
        """The name of what it leans on to `ok`, or to what is wrong with that, within 2 s."""
        ...

    def watch(self, measures: Measures) -> None:
        """Have its levels read whenever somebody asks."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


class NoPeers:
    """`Peers` of a process that is alone."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self.manager = EngineManager()
        self.doorbell: Doorbell = NoDoorbell()
        self.presences: Presences = MemoryPresences("here")
        self.rates: SharedRates = AloneRates(rates)

    def start(self, server: EngineServer) -> None:
        """Nothing."""

    async def check(self) -> Mapping[str, str]:
        """It leans on nothing."""
        return {}

    def watch(self, measures: Measures) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Close what holds something."""
        await self.presences.close()
        await self.rates.close()


class RedisPeers:
    """`Peers` on one Redis.

    Args:
        url: `redis://` or `rediss://`.
        prefix: begins the names of channels and keys; the same on all processes, and no other deployment's.
        secrets: that the processes share; the first one signs what they say to each other.
        rates: the table.
        measures: of this process.
    """

    def __init__(
        self,
        url: str,
        prefix: str,
        secrets: Sequence[bytes],
        rates: Iterable[Rate],
        measures: Measures,
    ) -> None:
        prefix = _prefix(url, prefix)
        self._doorbell = RedisDoorbell(url, prefix, _mac_keys(secrets), measures)
        self._manager = DoorbellManager(self._doorbell)
        self._relay: RedisRelay | None = None
        self.manager: EngineManager = self._manager
        self.doorbell: Doorbell = self._doorbell
        self.presences: Presences = RedisPresences(url, prefix, self._doorbell.process)
        self.rates: SharedRates = RedisRates(url, prefix, rates)

    def start(self, server: EngineServer) -> None:
        """Connect; take what comes here for sessions of others to them."""
        self._relay = server.eio.relay = RedisRelay(self._doorbell, server.eio)
        self._relay.start()
        self._doorbell.start()

    async def check(self) -> Mapping[str, str]:
        """Redis, asked by the way of the doorbell."""
        return {"redis": await self._doorbell.check()}

    def watch(self, measures: Measures) -> None:
        """Whether the doorbell is up, what it hears and what it lost."""
        doorbell = self._doorbell
        measures.watch(
            "gochat_doorbell_up",
            "Whether news of other processes is heard over Redis.",
            lambda: float(doorbell.is_up),
        )
        measures.watch(
            "gochat_doorbell_channels", "Channels that are heard.", lambda: float(doorbell.channels)
        )
        measures.watch(
            "gochat_doorbell_dropped",
            "Rings that Redis did not take, and messages that were not ours.",
            lambda: {("lost",): float(doorbell.dropped), ("forged",): float(doorbell.forged)},
            "cause",
            counted=True,
        )

    async def close(self) -> None:
        """Hang up."""
        self._manager.close()
        if self._relay is not None:
            self._relay.close()
        await self._doorbell.close()
        await self.presences.close()
        await self.rates.close()


PATIENCE_S = 5.0
"""How long a command waits till Redis, to which it has only just connected, has heard what it rang."""


@asynccontextmanager
async def ringing(url: str | None, prefix: str, secrets: Sequence[bytes]) -> AsyncIterator[Publisher]:
    """Tells processes what somebody did who is none of them, for instance an operator's command.

    Without Redis, or while it does not answer, they find it in the database within seconds.
    """
    if url is None:
        yield Ringing(NoDoorbell())
        return
    doorbell = RedisDoorbell(url, _prefix(url, prefix), _mac_keys(secrets))
    doorbell.start_ringing()
    try:
        yield Ringing(doorbell)
    finally:
        await doorbell.close(PATIENCE_S)


def _prefix(url: str, prefix: str) -> str:
    """Redis has channels that all its databases share, so that theirs are told apart by the number."""
    return f"{prefix}:{urlsplit(url).path.strip('/') or 0}"


def _mac_keys(secrets: Iterable[bytes]) -> list[bytes]:
    return [hashlib.blake2b(it, digest_size=32, person=b"gochat doorbell").digest() for it in secrets]
