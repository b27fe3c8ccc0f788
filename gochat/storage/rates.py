"""Rates that all processes count together: in Redis, where there is one."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Cut

from gochat.core.errors import RateLimited
from gochat.core.rates import NEW_S, Buckets, Key, Rate, retry_after_ms
from gochat.storage.redis_faults import REDIS_FAULTS

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_PATIENCE_S = 0.5
_CONNECTIONS = 16
_ALONE_S = 1.0
"""How long Redis is left alone after it did not answer: a login waits for it once, not each."""

# As `core.rates.Buckets`, in microseconds of Redis's own clock. Every bucket has room, or nothing is counted.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if ARGV[1] == 'give' then
  for place, key in ipairs(KEYS) do
    local full = tonumber(redis.call('GET', key) or now) - ARGV[2 * place + 2] / ARGV[2 * place + 1]
    local left = math.ceil((full - now) / 1000) + 1
    if full <= now then
      redis.call('DEL', key)
    else
      redis.call('SET', key, string.format('%.0f', full), 'PX', left)
    end
  end
  return 0
end
local full, wait = {}, 0
for place, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[2 * place + 1]), tonumber(ARGV[2 * place + 2])
  local used = math.min(tonumber(ARGV[2]), limit) * window / limit
  full[place] = math.max(tonumber(redis.call('GET', key) or now), now) + used
  wait = math.max(wait, full[place] - now - window)
end
if wait > 1 then return math.ceil(wait) end
if ARGV[1] == 'take' then
  for place, key in ipairs(KEYS) do
    local left = math.ceil((full[place] - now) / 1000) + 1
    redis.call('SET', key, string.format('%.0f', full[place]), 'PX', left)
  end
end
return 0
"""


# How many of the arguments the set does not have, to within 1 %: what it has already is never counted. A
# HyperLogLog is small (12 KiB at most), and nobody reads out of it who is in it.
_NEW = """
local before = redis.call('GET', KEYS[1])
local known = redis.call('PFCOUNT', KEYS[1])
redis.call('PFADD', KEYS[1], unpack(ARGV))
local new = redis.call('PFCOUNT', KEYS[1]) - known
if before then redis.call('SET', KEYS[1], before, 'KEEPTTL') else redis.call('DEL', KEYS[1]) end
return new
"""
_REMEMBER = f"""
redis.call('PFADD', KEYS[1], unpack(ARGV))
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], {NEW_S}) end
return 0
"""
_REMEMBERED = 100_000
"""What `AloneRates` remembers for `take_new`, of all together: some 10 MB."""


class AloneRates:
    """`core.rates.SharedRates` of a single process.

    Args:
        rates: the table; rows without a key that is named are not looked at.
        clock: seconds that never go back.
    """

    def __init__(self, rates: Iterable[Rate], clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = Buckets(rates, clock)
        self._clock = clock
        self._counted: dict[tuple[str, Key, str], tuple[float, set[bytes]]] = {}
        """What `take_new` counted, until when, that of the first at the beginning."""
        self._remembered = 0
        """How much that is, of all together."""

    async def check(self, name: str, who: Mapping[Key, str]) -> None:
        """Ask without counting."""
        for key, one in who.items():
            self._buckets.check(name, key, one)

    async def take(self, name: str, who: Mapping[Key, str], cost: int = 1) -> None:
        """Count a use in all or in none."""
        for key, one in who.items():
            self._buckets.check(name, key, one, cost)
        for key, one in who.items():
            self._buckets.take(name, key, one, cost)

    async def take_new(self, name: str, key: Key, who: str, what: Collection[str]) -> None:
        """Count those that are new."""
        now, place = self._clock(), (name, key, who)
        if place in self._counted and self._counted[place][0] <= now:
            self._forget(place)
        until, known = self._counted.get(place, (now + NEW_S, set[bytes]()))
        new = {hashlib.blake2b(it.encode(), digest_size=8).digest() for it in what} - known
        if not new:
            return
        self._buckets.take(name, key, who, len(new))
        known |= new
        self._counted[place] = until, known
        self._remembered += len(new)
        while self._remembered > _REMEMBERED:
            self._forget(next(iter(self._counted)))

    def _forget(self, place: tuple[str, Key, str]) -> None:
        self._remembered -= len(self._counted.pop(place)[1])

    async def give_back(self, name: str, who: Mapping[Key, str]) -> None:
        """Count a use no more."""
        for key, one in who.items():
            self._buckets.give_back(name, key, one)

    async def close(self) -> None:
        """Nothing."""


class RedisRates:
    """`core.rates.SharedRates` of all processes on one Redis; while that is away, of this process.

    Args:
        url: `redis://` or `rediss://`.
        prefix: begins the keys. They hold hashes: nobody's name or address.
        rates: the table.
        patience_s: how long Redis may take for an answer, or all connections to it be busy, before it counts
            as away.
    """

    def __init__(self, url: str, prefix: str, rates: Iterable[Rate], patience_s: float = _PATIENCE_S) -> None:
        self._prefix = prefix
        self._rows: dict[tuple[str, Key], list[Rate]] = {}
        rates = tuple(rates)
        for rate in rates:
            self._rows.setdefault((rate.name, rate.key), []).append(rate)
        self._alone = AloneRates(rates)
        self._alone_until = 0.0
        # One that waits for a free connection, instead of failing when all are busy.
        self._pool: Any = BlockingConnectionPool.from_url(
            url,
            protocol=2,
            max_connections=_CONNECTIONS,
            timeout=patience_s,
            socket_timeout=patience_s,
            socket_connect_timeout=patience_s,
            retry=Retry(NoBackoff(), 1, supported_errors=(Cut,)),  # an idle one that was cut
        )
        self._redis: Any = Redis(connection_pool=self._pool)

    async def check(self, name: str, who: Mapping[Key, str]) -> None:
        """Ask without counting."""
        if not await self._ask("check", name, who):
            await self._alone.check(name, who)

    async def take(self, name: str, who: Mapping[Key, str], cost: int = 1) -> None:
        """Count a use in all or in none."""
        if not await self._ask("take", name, who, cost):
            await self._alone.take(name, who, cost)

    async def take_new(self, name: str, key: Key, who: str, what: Collection[str]) -> None:
        """Count those that are new."""
        if not what or (name, key) not in self._rows:
            return
        place = f"{self._prefix}:counted:{name}:{key}:{_digest(who)}"
        new = await self._answer(lambda: self._redis.eval(_NEW, 1, place, *what))
        if new is None:
            await self._alone.take_new(name, key, who, what)
        elif new:
            await self.take(name, {key: who}, new)
            await self._answer(lambda: self._redis.eval(_REMEMBER, 1, place, *what))

    async def give_back(self, name: str, who: Mapping[Key, str]) -> None:
        """Count a use no more."""
        if not await self._ask("give", name, who):
            await self._alone.give_back(name, who)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _ask(self, mode: str, name: str, who: Mapping[Key, str], cost: int = 1) -> bool:
        """Whether Redis answered. Raises RateLimited."""
        rows = [(rate, one) for key, one in who.items() for rate in self._rows.get((name, key), ())]
        if not rows:
            return True
        keys = [self._key(rate, one) for rate, one in rows]
        numbers = [number for rate, _ in rows for number in (rate.limit, int(rate.window_s * 1_000_000))]
        wait = await self._answer(lambda: self._redis.eval(_SCRIPT, len(keys), *keys, mode, cost, *numbers))
        if wait:
            raise RateLimited(retry_after_ms=retry_after_ms(wait / 1_000_000))
        return wait is not None

    async def _answer(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """What Redis answers; None: it is away, and left alone for a while."""
        if asyncio.get_running_loop().time() < self._alone_until:
            return None
        try:
            return await ask()
        except REDIS_FAULTS as error:
            self._alone_until = asyncio.get_running_loop().time() + _ALONE_S
            log.warning("rates_counted_alone", error=type(error).__name__)
            return None

    def _key(self, rate: Rate, who: str) -> str:
        return f"{self._prefix}:rate:{rate.name}:{rate.key}:{rate.window_s:g}:{_digest(who)}"


def _digest(who: str) -> str:
    return hashlib.blake2b(who.encode(), digest_size=16).hexdigest()
