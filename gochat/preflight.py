"""A look at what the settings name, before a server starts on it.

What is wrong with the settings ends the start: an address that is refused is refused an hour later too.
What is merely away does not: the server starts, answers that it is not ready, and goes on by itself when
the part is back.
"""

import structlog
from sqlalchemy.exc import DBAPIError

from gochat.config import ConfigError, Settings
from gochat.control.place import PlaceError, folder
from gochat.storage.engines import write_engine
from gochat.storage.faults import Fault, fault_of, refusal, summary, tls_refusal

log = structlog.get_logger(__name__)

REDIS_TIMEOUT = 5
"""Seconds for Redis to take the connection."""


def look(settings: Settings) -> None:
    """Read the files that the settings name; connect to the database, and to Redis where there is one.

    Raises:
        ConfigError: one of them is not there, or refuses what the settings say.
    """
    settings.speech  # noqa: B018 (read from FILTERS_PATH)
    if settings.run_dir is not None:
        try:
            folder(settings.run_dir)
        except PlaceError as error:
            raise ConfigError(str(error)) from None
    _look_at_database(settings)
    if settings.redis_url_with_ca is not None:
        _look_at_redis(settings.redis_url_with_ca.get_secret_value())


def _look_at_database(settings: Settings) -> None:
    if settings.mysql_url is None and settings.sqlite_path.exists() and not settings.sqlite_path.is_file():
        raise ConfigError("SQLITE_PATH: is a folder, a pipe or a device, and no file")
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
        # redis-py tells of it in words of its own.
        if (why := tls_refusal(error.__context__)) is not None:
            raise ConfigError(f"REDIS_URL: {why}") from None
        log.warning("redis_away", setting="REDIS_URL", error=type(error).__name__, then="waits for it")
    finally:
        client.close()
