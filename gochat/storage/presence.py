"""Where processes keep which users they have sockets of: nothing durable, everything expires."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Cut

from gochat.core.errors import Unavailable
from gochat.core.model import Millis, UserId
from gochat.core.presence import Sighting
from gochat.storage.redis_faults import REDIS_FAULTS

_TIMEOUT_S = 2.0
_CONNECTIONS = 4
_WAIT_S = 5.0
"""For a free one."""
_CHUNK = 500
HELD_S = 7_200
"""How long a process is believed to hold a user's sockets that does not say it again."""
WENT_S = 90 * 86_400
"""How long it is known when a user was last there."""
BEATS_S = 86_400


class MemoryPresences:
    """Implements `core.ports.presence.Presences` for one process."""

    MAX_WENT = 100_000
    """Users of whom it is known when they went; those who went first are forgotten."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._here: set[UserId] = set()
        self._went: dict[UserId, Millis] = {}
        self._beats: dict[str, Millis] = {}

    async def announce(self, user_ids: Iterable[UserId]) -> None:
        """They have sockets here."""
        self._here.update(user_ids)

    async def withdraw(self, user_ids: Iterable[UserId], now: Millis) -> None:
        """They have none any more."""
        for user_id in user_ids:
            self._here.discard(user_id)
            self._went.pop(user_id, None)
            self._went[user_id] = now
            if len(self._went) > self.MAX_WENT:
                del self._went[next(iter(self._went))]

    async def beat(self, now: Millis) -> None:
        """This process lives."""
        self._beats[self._process] = now

    async def sightings(self, user_ids: Collection[UserId]) -> Mapping[UserId, Sighting]:
        """What is kept of users."""
        here = frozenset({self._process})
        return {
            it: Sighting(here if it in self._here else frozenset(), self._went.get(it)) for it in user_ids
        }

    async def beats(self, processes: Collection[str]) -> Mapping[str, Millis]:
        """When processes were last heard of."""
        return {it: self._beats[it] for it in processes if it in self._beats}

    async def close(self) -> None:
        """Nothing."""


class RedisPresences:
    """Implements `core.ports.presence.Presences` for all processes on one Redis.

    A user has a set of processes, and a time; a process has the time at which it last said that it lives. So
    a socket that comes or goes costs one round trip, and one that stays costs nothing.
    """

    def __init__(self, url: str, prefix: str, process: str) -> None:
        self._prefix = prefix
        self._process = process
        # One that waits for a free connection, instead of failing when all are busy.
        pool: Any = BlockingConnectionPool.from_url(
            url,
            protocol=2,
            decode_responses=True,
            max_connections=_CONNECTIONS,
            timeout=_WAIT_S,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1, supported_errors=(Cut,)),  # an idle one that was cut
        )
        self._redis: Any = Redis(connection_pool=pool)

    async def announce(self, user_ids: Iterable[UserId]) -> None:
        """They have sockets here; to be said again within `HELD_S`."""
        commands: list[tuple[object, ...]] = []
        for user_id in user_ids:
            commands.append(("SADD", self._on(user_id), self._process))
            commands.append(("EXPIRE", self._on(user_id), HELD_S))
        await self._all(commands)

    async def withdraw(self, user_ids: Iterable[UserId], now: Millis) -> None:
        """They have none any more."""
        commands: list[tuple[object, ...]] = []
        for user_id in user_ids:
            commands.append(("SREM", self._on(user_id), self._process))
            commands.append(("SET", self._went(user_id), now, "EX", WENT_S))
        await self._all(commands)

    async def beat(self, now: Millis) -> None:
        """This process lives."""
        await self._all([("SET", self._beat(self._process), now, "EX", BEATS_S)])

    async def sightings(self, user_ids: Collection[UserId]) -> Mapping[UserId, Sighting]:
        """What is kept of users."""
        commands: list[tuple[object, ...]] = []
        for user_id in user_ids:
            commands.append(("SMEMBERS", self._on(user_id)))
            commands.append(("GET", self._went(user_id)))
        answers = iter(await self._all(commands))
        return {
            user_id: Sighting(frozenset(processes), None if went is None else int(went))
            for user_id, processes, went in zip(user_ids, answers, answers, strict=True)
        }

    async def beats(self, processes: Collection[str]) -> Mapping[str, Millis]:
        """When processes were last heard of."""
        answers = await self._all([("GET", self._beat(process)) for process in processes])
        return {it: int(beat) for it, beat in zip(processes, answers, strict=True) if beat is not None}

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)

    async def _all(self, commands: Sequence[tuple[object, ...]]) -> list[Any]:
        """The answers, in order."""
        answers: list[Any] = []
        try:
            for first in range(0, len(commands), _CHUNK):
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for command in commands[first : first + _CHUNK]:
                        pipeline.execute_command(*command)
                    answers += await pipeline.execute()
        except REDIS_FAULTS as error:
            raise Unavailable from error
        return answers

    def _on(self, user_id: UserId) -> str:
        return f"{self._prefix}:on:{user_id}"

    def _went(self, user_id: UserId) -> str:
        return f"{self._prefix}:went:{user_id}"

    def _beat(self, process: str) -> str:
        return f"{self._prefix}:beat:{process}"
