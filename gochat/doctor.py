"""What `gochat doctor` looks at: the database (`storage.doctor`), Redis, and the machine."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from gochat import descriptors
from gochat.config import Settings
from gochat.storage.doctor import Finding, examine
from gochat.storage.engines import write_engine
from gochat.storage.faults import refusal, summary
from gochat.storage.fetch import dialect, fetch

CLOCK_MS = 2_000
"""How far the clocks of a process and of the database may be apart: tokens and limits go by both."""
DESCRIPTORS = 10_000
FREE_BYTES = 1 << 30
SLOW_MS = 20
"""A round trip to Redis that takes longer delays delivery between processes by as much."""
OLDEST_REDIS = (6, 2)


def look(settings: Settings) -> Iterator[Finding]:
    """Everything, one after the other; nothing is changed."""
    proxies = ", ".join(settings.forwarded_allow_ips)
    yield Finding(f"clients' addresses are believed from {proxies}", True)
    yield from _machine(settings)
    url = settings.database_url.get_secret_value()
    try:
        yield from examine(url)
        if settings.mysql_url is not None:
            yield _clock(url)
    except DBAPIError as error:
        variable = "SQLITE_PATH" if settings.mysql_url is None else "MYSQL_URL"
        why = refusal(error) or f"it does not answer ({summary(error)}): start it, or see how it is reached"
        yield Finding("the database", False, f"{variable}: {why}")
    if settings.redis_url_with_ca is not None:
        yield from _redis(settings.redis_url_with_ca.get_secret_value())


def _machine(settings: Settings) -> Iterator[Finding]:
    files = descriptors.most()
    advice = f"each socket takes one: raise it to {DESCRIPTORS:,} or more (`ulimit -Hn`, LimitNOFILE)"
    enough = files is None or files >= DESCRIPTORS or not settings.is_production
    yield Finding(f"{'any number of' if files is None else f'{files:,}'} files may be open", enough, advice)
    if settings.mysql_url is None:
        folder = Path(settings.sqlite_path).resolve().parent
        free = shutil.disk_usage(folder).free if folder.is_dir() else 0
        yield Finding(f"{free >> 20:,} MiB are free for SQLite", free >= FREE_BYTES, f"make room in {folder}")
        if folder.is_dir():
            writable = os.access(folder, os.W_OK)
            yield Finding(f"{folder} can be written to", writable, "give this user the right to")


def _clock(url: str) -> Finding:
    engine = write_engine(url)
    try:
        with engine.connect() as connection:
            before = time.time() * 1000
            ((theirs,),) = fetch(connection, f"SELECT {dialect(connection).clock}")
            apart = round(abs(theirs - (before + time.time() * 1000) / 2))
    finally:
        engine.dispose()
    advice = "have both set their clocks by NTP"
    return Finding(
        f"the clocks of this machine and the database are {apart} ms apart", apart < CLOCK_MS, advice
    )


def _redis(url: str) -> Iterator[Finding]:
    from redis import Redis
    from redis.exceptions import AuthenticationError, RedisError, ResponseError

    client = Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5, retry=None)
    try:
        client.ping()
        began = time.monotonic()
        client.ping()
        took = (time.monotonic() - began) * 1000
        told = client.info()
        version = tuple(int(part) for part in str(told["redis_version"]).split(".")[:2])
        new = version >= OLDEST_REDIS
        yield Finding(f"Redis {told['redis_version']}", new, "take 6.2 or newer")
        yield Finding(f"Redis answers within {took:.1f} ms", took < SLOW_MS, "have it nearer by")
        policy = str(told.get("maxmemory_policy", "noeviction"))
        kept = policy == "noeviction" or not told.get("maxmemory")
        advice = "limits and presence may be dropped: `maxmemory-policy noeviction`"
        yield Finding(f"Redis evicts by {policy}", kept, advice)
    except (RedisError, OSError) as error:
        refuses = isinstance(error, ResponseError | AuthenticationError)
        why = "it refuses this user, password or database" if refuses else "it does not answer"
        advice = "" if refuses else ": start it, or see how it is reached"
        yield Finding("Redis", False, f"REDIS_URL: {why} ({type(error).__name__}){advice}")
    finally:
        client.close()
