"""How often one may try to log in: per account and per address, over all processes if there is Redis."""

import asyncio
import hashlib
import ipaddress
import time

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from redis.asyncio import ConnectionPool

from gochat.core.errors import RateLimited

MAX_KEYS = 10_000
"""What this process counts by itself; when there are more it forgets them all."""
TIMEOUT_S = 0.5

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Throttle:
    """Counts tries in fixed windows.

    If Redis does not answer each process counts by itself: logins go on.

    Args:
        rate: as `10/minute`.
        redis_url: `redis://` or `rediss://`; None: this process counts by itself.
    """

    def __init__(self, rate: str, redis_url: str | None = None) -> None:
        self._rate: RateLimitItem = parse(rate)
        self._memory = MemoryStorage()
        self._pool = None if redis_url is None else _pool(redis_url)
        self._redis = None if self._pool is None or redis_url is None else _storage(redis_url, self._pool)

    async def check(self, account: str, address: str | None) -> None:
        """Count a try.

        Raises:
            RateLimited: there were too many for this account or from this address.
        """
        if address is not None:
            await self._hit("address", _network(address))
        await self._hit("account", account)

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _hit(self, kind: str, who: str) -> None:
        key = hashlib.blake2b(who.encode(), digest_size=16).hexdigest()
        retry_after_ms = await self._count(kind, key)
        if retry_after_ms is not None:
            raise RateLimited(retry_after_ms=retry_after_ms)

    async def _count(self, kind: str, key: str) -> int | None:
        """Milliseconds to wait, if that was one too many."""
        if self._redis is not None:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    return await self._count_in(self._redis, kind, key)
            except (StorageError, OSError, TimeoutError) as error:
                log.warning("login_rate_counted_alone", error=type(error).__name__)
        if len(self._memory.storage) >= MAX_KEYS:
            await self._memory.reset()
        return await self._count_in(self._memory, kind, key)

    async def _count_in(self, storage: Storage, kind: str, key: str) -> int | None:
        limiter = FixedWindowRateLimiter(storage)
        if await limiter.hit(self._rate, "login", kind, key):
            return None
        reset_s, _ = await limiter.get_window_stats(self._rate, "login", kind, key)
        return max(1, round((reset_s - time.time()) * 1000))


def _pool(url: str) -> ConnectionPool:
    return ConnectionPool.from_url(
        url, max_connections=16, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    )


def _storage(url: str, pool: ConnectionPool) -> RedisStorage:
    return RedisStorage(
        f"async+{url}",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="gochat",
        connection_pool=pool,  # type: ignore[arg-type]  # documented, but missing in its annotation
    )


def _network(address: str) -> str:
    """The address; of IPv6 the /64: that is what one customer has (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
