"""A look at what the settings name, before a server starts on it.

What is wrong with the settings ends the start: an address that is refused is refused an hour later too.
What is merely away does not: the server starts, answers that it is not ready, and goes on by itself when
the part is back.
"""

import structlog
from sqlalchemy.exc import DBAPIError

from gochat.config import ConfigError, Settings
from gochat.storage.engines import write_engine
from gochat.storage.faults import Fault, fault_of, refusal, summary

log = structlog.get_logger(__name__)

REDIS_TIMEOUT = 5
"""Seconds for Redis to take the connection."""


def look(settings: Settings) -> None:
    """Connect to the database, and to Redis where there is one.

    Raises:
        ConfigError: one of them refuses what the settings say.
    """
    _look_at_database(settings)
    if settings.redis_url is not None:
        _look_at_redis(settings.redis_url.get_secret_value())


def _look_at_database(settings: Settings) -> None:
    engine = write_engine(settings.database_url.get_secret_value())
    try:
        engine.connect().close()
    except DBAPIError as error:
        variable = "SQLITE_PATH" if settings.mysql_url is None else "MYSQL_URL"
        if (why := refusal(error)) is not None:
            raise ConfigError(f"{variable}: {why}") from None
        if fault_of(error) not in {Fault.LOST, Fault.UNABLE}:
            raise
        log.warning("database_away", setting=variable, error=summary(error), then="waits for it")
    finally:
        engine.dispose()


def _look_at_redis(url: str) -> None:
    from redis import Redis
    from redis.exceptions import AuthenticationError, RedisError, ResponseError

    client = Redis.from_url(
        url, socket_connect_timeout=REDIS_TIMEOUT, socket_timeout=REDIS_TIMEOUT, retry=None
    )
    try:
        client.ping()
    except (AuthenticationError, ResponseError) as error:
        # Not its text: that of a wrong database number repeats what was given.
        raise ConfigError(
            f"REDIS_URL: Redis refuses this user, password or database ({type(error).__name__})"
        ) from None
    except (RedisError, OSError) as error:
        log.warning("redis_away", setting="REDIS_URL", error=type(error).__name__, then="waits for it")
    finally:
        client.close()
