"""The composition root: the only module that knows all parts.

`uvicorn --factory gochat.main:create_app` serves everything; `gochat serve` adds the engine's fast path.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.applications import Starlette

from gochat.address import Proxies
from gochat.auth.authenticator import TokenAuthenticator
from gochat.auth.login import PasswordLogins
from gochat.auth.passwords import Passwords
from gochat.auth.sessions import TokenSessions
from gochat.auth.tokens import Tokens
from gochat.auth.tries import Tries
from gochat.config import Settings, load_settings
from gochat.contract.cursor import Cursors
from gochat.contract.requests import MAX_BYTES
from gochat.core.limits import Limits
from gochat.core.model import Millis, UserId
from gochat.core.ports.health import Health
from gochat.core.ports.presence import Presences
from gochat.core.rates import Buckets, SharedRates
from gochat.events.cluster.doorbell import NoDoorbell, RedisDoorbell, Ring
from gochat.events.cluster.relay import RedisRelay
from gochat.events.connection import Roster
from gochat.events.connections import Connections
from gochat.events.delivery.fanout import Fanout
from gochat.events.delivery.poll import Poll
from gochat.events.delivery.presence import PresenceWatch
from gochat.events.delivery.typing import Typing
from gochat.events.dispatch import Dispatcher
from gochat.events.engine import COMPILED, EngineApp, EngineManager, EngineOptions, EngineServer
from gochat.events.engine_sockets import EngineSockets
from gochat.events.handlers import Handlers
from gochat.logs import configure
from gochat.rest.app import LOCALHOST, create_rest_app
from gochat.rest.deps import Deps
from gochat.storage.accounts import StoredAccounts
from gochat.storage.alone import Alone
from gochat.storage.database import Database
from gochat.storage.engines import write_engine
from gochat.storage.epoch import EpochGuard
from gochat.storage.followers import Follower
from gochat.storage.health import DatabaseHealth
from gochat.storage.log import BatchLog
from gochat.storage.maintenance import Maintenance
from gochat.storage.migrate import upgrade
from gochat.storage.presence import MemoryPresences, RedisPresences
from gochat.storage.rates import AloneRates, RedisRates
from gochat.storage.reader import ConversationReader
from gochat.storage.receipts import ReceiptGatherer
from gochat.storage.search_index import SearchIndex
from gochat.storage.sessions import StoredSessions
from gochat.storage.writer import ConversationWriter

log = structlog.get_logger(__name__)

HEALING_CONNECTIONS = 2
"""To the database, apart from those that requests are read with: what was missed is found out and repaired
however many phones want to read."""
HEALTH_S = 1.0
"""How long an answer about health is given again: anybody may ask, and each costs as much as a send."""
FINISH_S = 10.0
"""How long what was accepted may take to be answered when the server goes down."""


class Chat:
    """The whole application, in one process. An ASGI app; `start` and `stop` are its lifespan.

    `engine` is what the fast path needs: see `events.engine.engine_protocol_class`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        secrets = [settings.jwt_secret, *settings.jwt_secrets_old]
        keys = [secret.get_secret_value().encode() for secret in secrets]
        limits = Limits(body=settings.body_max_chars)
        self._url = settings.database_url.get_secret_value()
        self._alone = None if settings.mysql_url is not None else Alone(settings.sqlite_path)
        self._database = Database(self._url, pool_size=settings.db_pool_size)
        self._healing = Database(self._url, pool_size=HEALING_CONNECTIONS)
        reader = ConversationReader(self._database, limits)
        accounts = StoredAccounts(self._database)
        session_store = StoredSessions(self._database)
        tokens = Tokens(
            keys,
            access_ttl_s=settings.access_token_ttl_s,
            refresh_ttl_s=settings.refresh_token_ttl_s,
            clock=_now,
        )
        authenticator = TokenAuthenticator(tokens, session_store, _now)
        cursors = Cursors(keys)

        redis_url = None if settings.redis_url is None else settings.redis_url.get_secret_value()
        self._doorbell = (
            None
            if redis_url is None
            else RedisDoorbell(
                redis_url,
                _redis_prefix(settings.redis_prefix, redis_url),
                [_mac_key(key) for key in keys],
                self._heard,
                self._heard_anew,
            )
        )
        manager: EngineManager | None = self._doorbell
        self._proxies = Proxies(settings.forwarded_allow_ips)
        options = EngineOptions(
            client_address=self._proxies.client,
            max_message=MAX_BYTES,
            max_backlog=settings.socket_backlog_max_bytes,
            io_uring=settings.io_uring,
            max_sessions_per_address=settings.sockets_per_address or None,
        )
        self.engine = EngineServer(manager, cors_allowed_origins=_origins(settings), options=options)
        sockets = EngineSockets(self.engine)
        rates = Buckets(settings.rate_table, time.monotonic)
        roster = Roster()
        doorbell = self._doorbell or NoDoorbell()
        guard = EpochGuard()
        changes = BatchLog(self._healing, guard)
        self._maintenance = Maintenance(self._database)
        self._fanout = Fanout(
            sockets,
            roster,
            ConversationReader(self._healing, limits),
            changes,
            doorbell,
            self._profile_changed,
        )
        self._typing = Typing(sockets, doorbell)
        self._presence = PresenceWatch(sockets, roster, reader, self._presences(redis_url), doorbell)
        self._connections = Connections(
            sockets,
            roster,
            self._fanout,
            self._typing,
            self._presence,
            authenticator,
            rates,
            settings.sockets_per_user,
        )
        self._poll = Poll(changes, self._fanout, self._connections.start_anew)
        self._writer = ConversationWriter(
            write_engine(self._url),
            self._fanout,
            limits,
            guard,
            queue_max=settings.writer_queue_max,
            batch_rows=settings.writer_batch_max_rows,
            batch_bytes=settings.writer_batch_max_bytes,
        )
        self._followers = [Follower(self._url, SearchIndex())] if "search" in settings.roles else []
        receipts = ReceiptGatherer(self._writer)
        handlers = Handlers(
            writer=self._writer,
            reader=reader,
            receipts=receipts,
            authenticator=authenticator,
            cursors=cursors,
            sockets=sockets,
            typing=self._typing,
            presence=self._presence,
            refreshed=self._connections.admit,
        )
        self._dispatcher = Dispatcher(roster, handlers.table(), rates)
        self.engine.set_dispatcher(self._dispatcher)
        self.engine.on("connect", self._connections.connect)
        self.engine.on("disconnect", self._disconnect)
        self._tries = Tries(self._shared_rates(redis_url))
        sessions = TokenSessions(session_store, accounts, tokens, self._tries, self._fanout, _now)
        self._logins = PasswordLogins(
            accounts,
            Passwords(
                memory_kib=settings.argon2_memory_kib,
                time_cost=settings.argon2_time_cost,
                parallelism=settings.argon2_parallelism,
                threads=settings.argon2_threads,
            ),
            sessions,
            self._tries,
            _now,
        )
        self._health = Parts(DatabaseHealth(self._healing), self._doorbell)
        rest = create_rest_app(
            Deps(
                writer=self._writer,
                reader=reader,
                accounts=accounts,
                logins=self._logins,
                sessions=sessions,
                authenticator=authenticator,
                receipts=receipts,
                health=self._health,
                cursors=cursors,
                rates=rates,
                allowed_origins=settings.allowed_origins,
                localhost_allowed=not settings.is_production,
            )
        )
        self._asgi = EngineApp(self.engine, _with_lifespan(rest, self))
        self._relay: RedisRelay | None = None
        if self._doorbell is not None:
            self._relay = self.engine.eio.relay = RedisRelay(self._doorbell, self.engine.eio, self._asgi)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI connection."""
        if scope.get("client"):
            host, port = scope["client"]
            scope = {**scope, "client": (self._proxies.client(host, scope["headers"]), port)}
        await self._asgi(scope, receive, send)

    def claim(self) -> None:
        """See to it that no other server has this SQLite file; `start` does it too.

        Raises:
            AlreadyServedError: another one has.
        """
        if self._alone is not None:
            self._alone.acquire()

    def turn_away(self) -> None:
        """Answer from now on that this server is not ready: it is about to end."""
        self._health.ending = True

    async def start(self) -> None:
        """Bring the parts up. On SQLite the schema is brought up too; on MySQL `gochat migrate` does that."""
        self.claim()
        if self._settings.mysql_url is None:
            await asyncio.to_thread(upgrade, self._url)
        self._writer.start()
        if self._doorbell is not None and self._relay is not None:
            self._doorbell.start()
            self._relay.start()
        self._poll.start()
        self._maintenance.start()
        for follower in self._followers:
            follower.start()
        self._presence.start()
        if self._settings.is_production and "forwarded_allow_ips" not in self._settings.model_fields_set:
            log.warning(
                "no_proxy_is_named", advice="behind one, set FORWARDED_ALLOW_IPS: its clients count as one"
            )
        log.info(
            "started",
            process=os.getpid(),
            database=self._url.partition(":")[0],
            redis=self._doorbell is not None,
            compiled=COMPILED,
        )

    async def drain(self) -> None:
        """Answer what was accepted, then close the sockets, spread over the drain time."""
        await self._dispatcher.drain(FINISH_S)
        await self._connections.drain(self._settings.drain_seconds)

    async def stop(self) -> None:
        """Take the parts down, in the order in which they lean on each other."""
        self._connections.close()
        self._typing.close()
        await self._dispatcher.drain(FINISH_S)
        await self._writer.stop()
        self._maintenance.close()
        self._poll.close()
        await self._presence.close()
        self._fanout.close()
        if self._doorbell is not None and self._relay is not None:
            self._relay.close()
            await self._doorbell.close()
        await asyncio.gather(*(asyncio.to_thread(follower.stop) for follower in self._followers))
        self._logins.close()
        await self._tries.close()
        await self._healing.close()
        await self._database.close()
        if self._alone is not None:
            self._alone.release()
        log.info("stopped")

    async def _disconnect(self, sid: str, reason: str) -> None:
        await self._connections.disconnect(sid, self.engine.rooms(sid))

    def _shared_rates(self, redis_url: str | None) -> SharedRates:
        if redis_url is None:
            return AloneRates(self._settings.rate_table)
        prefix = _redis_prefix(self._settings.redis_prefix, redis_url)
        return RedisRates(redis_url, prefix, self._settings.rate_table)

    def _presences(self, redis_url: str | None) -> Presences:
        if redis_url is None or self._doorbell is None:
            return MemoryPresences("here")
        prefix = _redis_prefix(self._settings.redis_prefix, redis_url)
        return RedisPresences(redis_url, prefix, self._doorbell.process)

    def _profile_changed(self, user_id: UserId) -> None:
        self._presence.profile_changed(user_id)

    def _heard_anew(self) -> None:
        self._poll.hurry()
        self._presence.renew()
        if self._relay is not None:
            self._relay.reset()

    def _heard(self, ring: Ring) -> None:
        self._fanout.heard(ring)
        self._typing.heard(ring)
        self._presence.heard(ring)
        if self._relay is not None:
            self._relay.heard(ring)


class Parts:
    """`core.ports.health.Health` of all that the server leans on, asked once for all who ask at a time."""

    def __init__(self, database: Health, redis: RedisDoorbell | None) -> None:
        self._database = database
        self._redis = redis
        self._asked_at = 0.0
        self._asked: asyncio.Task[Mapping[str, str]] | None = None
        self.ending = False
        """Whether the server is about to end, so that nobody should be sent to it."""

    async def check(self) -> Mapping[str, str]:
        """Each part, as of `HEALTH_S` ago at most."""
        if self.ending:
            return {"server": "ending"}
        now = time.monotonic()
        if self._asked is None or (self._asked.done() and now - self._asked_at >= HEALTH_S):
            self._asked_at = now
            self._asked = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asked)

    async def _ask(self) -> Mapping[str, str]:
        if self._redis is None:
            return await self._database.check()
        parts, redis = await asyncio.gather(self._database.check(), self._redis.check())
        return {**parts, "redis": redis}


def create_app(settings: Settings | None = None) -> Chat:
    """The application, for any ASGI server; without settings those of the environment.

    Raises:
        ConfigError: they do not allow a start.
    """
    settings = settings or load_settings()
    configure(settings.log_level, settings.log_format)
    return Chat(settings)


def _with_lifespan(rest: Starlette, chat: Chat) -> Starlette:
    """REST's app, which is also who hears of start and stop."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await chat.start()
        try:
            yield
        finally:
            await chat.stop()

    rest.router.lifespan_context = lifespan
    return rest


def _origins(settings: Settings) -> list[str] | str | Callable[[str, dict[str, Any]], bool]:
    """Browsers' origins for the engine; native apps send none, and are let in.

    In development the page that this server gives out comes in as well, whatever the server is called.
    """
    if "*" in settings.allowed_origins:
        return "*"
    if settings.is_production:
        return list(settings.allowed_origins)
    return lambda origin, environ: (
        origin in settings.allowed_origins
        or re.fullmatch(LOCALHOST, origin) is not None
        or urlsplit(origin).netloc == environ.get("HTTP_HOST")
    )


def _redis_prefix(name: str, url: str) -> str:
    """Redis has channels that all its databases share, so that theirs are told apart by the number."""
    return f"{name}:{urlsplit(url).path.strip('/') or 0}"


def _mac_key(secret: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=32, person=b"gochat doorbell").digest()


def _now() -> Millis:
    return time.time_ns() // 1_000_000
