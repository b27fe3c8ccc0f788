"""The composition root: the only module that knows all parts.

`uvicorn --factory gochat.main:create_app` serves everything; `gochat serve` adds the engine's fast path.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog
from starlette.applications import Starlette

from gochat.address import Proxies, network_of
from gochat.auth.authenticator import TokenAuthenticator
from gochat.auth.backend import IssuerLogins, KeyBackend
from gochat.auth.contacts import PhoneContacts
from gochat.auth.issuers import Issuer, Issuers
from gochat.auth.jwks import IssuerKeys
from gochat.auth.login import PasswordLogins
from gochat.auth.passwords import Passwords
from gochat.auth.registration import Registration
from gochat.auth.sessions import TokenSessions
from gochat.auth.tokens import Tokens
from gochat.auth.told import ToldExchange, ToldLogins, ToldSessions
from gochat.auth.tries import Tries
from gochat.config import JwtIssuer, Settings, load_settings
from gochat.contract.cursor import Cursors
from gochat.contract.events import LARGE_ANSWERS
from gochat.contract.requests import MAX_BYTES
from gochat.contract.speech import Speech
from gochat.contract.unique import twice
from gochat.core.measures import Measures
from gochat.core.model import Millis
from gochat.core.rates import Buckets
from gochat.descriptors import for_clients
from gochat.events.admission import Admission
from gochat.events.connection import Roster
from gochat.events.connections import Connections
from gochat.events.delivery.fanout import Fanout
from gochat.events.delivery.people import People
from gochat.events.delivery.poll import Poll
from gochat.events.delivery.presence import PresenceWatch
from gochat.events.delivery.rights import Rights
from gochat.events.delivery.typing import Typing
from gochat.events.dispatch import Dispatcher
from gochat.events.engine import COMPILED, EngineApp, EngineOptions, EngineServer, OriginPolicy
from gochat.events.engine_sockets import EngineSockets
from gochat.events.handlers import Handlers
from gochat.events.support import Support
from gochat.logs import configure
from gochat.operating import Operating
from gochat.peers import NoPeers, Peers, RedisPeers
from gochat.readiness import Readiness
from gochat.rest.app import create_rest_app
from gochat.rest.deps import Deps
from gochat.storage.accounts import StoredAccounts
from gochat.storage.alone import Alone
from gochat.storage.backend import StoredForeign, StoredKeys
from gochat.storage.database import Database
from gochat.storage.engines import write_engine
from gochat.storage.epoch import EpochGuard
from gochat.storage.erasure import Erasure
from gochat.storage.followers import Follower
from gochat.storage.health import DatabaseHealth
from gochat.storage.log import BatchLog
from gochat.storage.maintenance import Maintenance
from gochat.storage.migrate import upgrade
from gochat.storage.operating import StoredInvites
from gochat.storage.reactions import ReactionGatherer
from gochat.storage.reader import ConversationReader
from gochat.storage.receipts import ReceiptGatherer
from gochat.storage.safety import StoredReports
from gochat.storage.search_index import SearchIndex
from gochat.storage.sessions import StoredSessions
from gochat.storage.writer import ConversationWriter
from gochat.traces import open_traces
from gochat.watching import watch

log = structlog.get_logger(__name__)

HEALING_CONNECTIONS = 2
"""To the database, apart from those that requests are read with: what was missed is found out and repaired
however many phones want to read."""
STOP_S = 15.0
"""How long one part of the server may take to close."""
FINISH_S = 10.0
"""How long what was accepted may take to be answered when the server goes down."""


class Chat:
    """The whole application, in one process. An ASGI app; `start` and `stop` are its lifespan.

    `engine` is what the fast path needs: see `events.engine.engine_protocol_class`.
    """

    def __init__(self, settings: Settings) -> None:  # noqa: PLR0915 (all wiring)
        self._settings = settings
        self.operating = Operating(settings)
        measures = self.operating.measures
        keys = settings.keys
        limits = settings.limits
        self._url = settings.database_url.get_secret_value()
        self._alone = None if settings.mysql_url is not None else Alone(settings.sqlite_path)
        self._database = Database(self._url, pool_size=settings.db_pool_size, measures=measures)
        self._healing = Database(self._url, pool_size=HEALING_CONNECTIONS, measures=measures)
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

        self._peers = _peers(settings, keys, measures)
        self._traces = traces = open_traces(settings)
        doorbell = traces.doorbell(self._peers.doorbell)
        self._proxies = Proxies(settings.forwarded_allow_ips, real_ip=settings.forwarded_real_ip)
        admission = Admission(measures)
        max_connections, spare_connections = for_clients(settings.db_pool_size)
        options = EngineOptions(
            client_address=self._proxies.client,
            counted_as=network_of,
            max_message=MAX_BYTES,
            twice=twice,
            max_backlog=settings.socket_backlog_max_bytes,
            answers=LARGE_ANSWERS,
            io_uring=settings.io_uring,
            late=lambda: admission.late or not self._connections.entrance.expects(),
            max_connections=max_connections,
            spare_connections=spare_connections,
            max_sessions_per_address=settings.sockets_per_address or None,
            ping_interval=settings.ping_interval_s,
            ping_timeout=settings.ping_timeout_s,
            keep_alive=settings.keep_alive_s,
        )
        origins = OriginPolicy(
            settings.allowed_origins,
            apps=settings.allow_app_origins,
            localhost=not settings.is_production,
        )
        self.engine = EngineServer(self._peers.manager, cors_allowed_origins=origins, options=options)
        engine_sockets = EngineSockets(self.engine, measures)
        sockets = traces.sockets(engine_sockets)
        rates = Buckets(settings.rate_table, time.monotonic)
        roster = Roster()
        guard = EpochGuard()
        changes = BatchLog(self._healing, guard)
        self._maintenance = Maintenance(self._database)
        self._typing = Typing(sockets, doorbell)
        self._presence = PresenceWatch(sockets, roster, reader, self._peers.presences, doorbell)
        self._rights = Rights(sockets, roster, reader, self._typing, self._presence)
        self._fanout = Fanout(
            sockets,
            roster,
            ConversationReader(self._healing, limits),
            changes,
            doorbell,
            self._rights,
            self._typing,
            People(sockets, reader),
            measures,
        )
        self._connections = Connections(
            sockets,
            roster,
            self._fanout,
            self._typing,
            self._presence,
            authenticator,
            rates,
            settings.sockets_per_user,
            measures,
        )
        self._poll = Poll(changes, self._fanout, self._connections.start_anew, measures)
        doorbell.renewed(self._poll.hurry)
        self._writer = ConversationWriter(
            write_engine(self._url),
            traces.publisher(self._fanout),
            limits,
            guard,
            queue_max=settings.writer_queue_max,
            batch_rows=settings.writer_batch_max_rows,
            batch_bytes=settings.writer_batch_max_bytes,
            measures=measures,
        )
        self._followers = [Follower(self._url, SearchIndex())] if "search" in settings.roles else []
        writer = traces.writer(self._writer)
        receipts = ReceiptGatherer(writer)
        reactions = ReactionGatherer(writer)
        speech = Speech(writer, reactions, reader, settings.speech, rates, _now)
        handlers = Handlers(
            writer=writer,
            reader=reader,
            receipts=receipts,
            authenticator=authenticator,
            cursors=cursors,
            sockets=sockets,
            typing=self._typing,
            presence=self._presence,
            rates=rates,
            speech=speech,
            refreshed=self._connections.admit,
        )
        self._dispatcher = Dispatcher(roster, handlers.table(), rates, measures, admission)
        self.engine.set_dispatcher(traces.dispatcher(self._dispatcher))
        self.engine.on("connect", self._connections.connect)
        self.engine.on("disconnect", self._disconnect)
        tries = Tries(self._peers.rates)
        self._erasure = Erasure(self._database, writer, settings.deleted_messages)
        sessions = TokenSessions(
            session_store,
            accounts,
            tokens,
            tries,
            self._fanout,
            _now,
            self._erasure,
            settings.delete_grace_s * 1000,
        )
        self._logins = PasswordLogins(
            accounts,
            Passwords(
                memory_kib=settings.argon2_memory_kib,
                time_cost=settings.argon2_time_cost,
                parallelism=settings.argon2_parallelism,
                threads=settings.argon2_threads,
            ),
            sessions,
            tries,
            _now,
        )
        foreign = StoredForeign(self._database)
        issuers = Issuers((_issuer(it) for it in settings.jwt_issuers), _now)
        self._exchange = IssuerLogins(issuers, foreign, sessions, tries, _now)
        self._health = Readiness(DatabaseHealth(self._healing, lambda: self._writer.trouble), self._peers)
        rest = create_rest_app(
            Deps(
                writer=writer,
                reader=reader,
                accounts=accounts,
                logins=ToldLogins(self._logins, measures),
                sessions=ToldSessions(sessions, measures),
                registration=Registration(settings.registration, StoredInvites(self._database), tries, _now),
                authenticator=authenticator,
                receipts=receipts,
                health=self._health,
                measures=measures,
                metrics=self.operating.metrics,
                cursors=cursors,
                rates=rates,
                shared_rates=self._peers.rates,
                origin_allowed=origins.allows,
                lets_in=admission.lets_in,
                speech=speech,
                reports=StoredReports(self._database),
                contacts=PhoneContacts(accounts),
                backend=KeyBackend(StoredKeys(self._database), foreign, sessions, tries, _now),
                exchange=ToldExchange(self._exchange, measures),
                limits=limits,
                terms={
                    "version": settings.terms_version,
                    "url": settings.terms_url,
                    "contact": settings.contact,
                },
                clock=_now,
            )
        )
        self._asgi = EngineApp(self.engine, traces.requests(_with_lifespan(rest, self)))
        self._running = AsyncExitStack()
        """What there is to take down, the last one first."""

        watch(measures, roster, self.engine, self._writer, self._database, self._followers)
        self._peers.watch(measures)
        support = Support(roster, engine_sockets)
        self.operating.answers.update(user=support.user, follow=support.follow)

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
        async with AsyncExitStack() as running:
            self.claim()
            if self._alone is not None:
                running.callback(self._alone.release)
                await asyncio.to_thread(upgrade, self._url)
            running.push_async_callback(_briefly, self._database.close)
            running.push_async_callback(_briefly, self._healing.close)
            running.callback(self._logins.close)
            running.callback(self._exchange.close)
            running.push_async_callback(_briefly, self._stop_followers)
            for follower in self._followers:
                follower.start()
            running.push_async_callback(_briefly, self._traces.close)
            self._peers.start(self.engine)
            running.push_async_callback(_briefly, self._peers.close)
            running.callback(self._fanout.close)
            self._presence.start()
            running.push_async_callback(_briefly, self._presence.close)
            self._poll.start()
            running.callback(self._poll.close)
            self._maintenance.start()
            running.callback(self._maintenance.close)
            self._writer.start()
            running.push_async_callback(_briefly, self._writer.stop)
            self._erasure.start()
            running.callback(self._erasure.close)
            running.push_async_callback(self._dispatcher.drain, FINISH_S)
            running.callback(self._typing.close)
            running.callback(self._rights.close)
            running.callback(self._connections.close)
            self.operating.start()
            running.push_async_callback(_briefly, self.operating.close)
            self._running = running.pop_all()
        if self._settings.is_production and "forwarded_allow_ips" not in self._settings.model_fields_set:
            log.warning(
                "no_proxy_is_named", advice="behind one, set FORWARDED_ALLOW_IPS: its clients count as one"
            )
        log.info(
            "started",
            process=os.getpid(),
            database=self._url.partition(":")[0],
            redis=self._settings.redis_url is not None,
            compiled=COMPILED,
        )

    async def drain(self) -> None:
        """Answer what was accepted, then close the sockets, spread over the drain time."""
        await self._dispatcher.drain(FINISH_S)
        await self._connections.drain(self._settings.drain_seconds)

    async def stop(self) -> None:
        """Take the parts down, in the order in which they lean on each other."""
        await self._running.aclose()
        log.info("stopped")

    async def _stop_followers(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(follower.stop) for follower in self._followers))

    async def _disconnect(self, sid: str, reason: str) -> None:
        await self._connections.disconnect(sid, self.engine.rooms(sid), reason)


def create_app(settings: Settings | None = None) -> Chat:
    """The application, for any ASGI server; without settings those of the environment.

    Raises:
        ConfigError: they do not allow a start.
    """
    settings = settings or load_settings()
    configure(settings.log_level, settings.log_format)
    return Chat(settings)


async def _briefly(close: Callable[[], Awaitable[None]]) -> None:
    """Wait for a part to close, but not for ever: nothing keeps a server from ending."""
    closing = asyncio.ensure_future(close())
    _, pending = await asyncio.wait((closing,), timeout=STOP_S)
    if pending:
        log.error("part_does_not_close", part=close.__qualname__, after_s=STOP_S)
        closing.cancel()
    elif closing.exception() is not None:
        log.error("part_closed_badly", part=close.__qualname__, exc_info=closing.exception())


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


def _issuer(it: JwtIssuer) -> Issuer:
    keys = IssuerKeys(it.jwks_url)
    return Issuer(
        it.issuer, it.audience, keys, it.id_claim, it.name_claim, it.avatar_claim, max_age_s=it.max_age_s
    )


def _peers(settings: Settings, keys: Sequence[bytes], measures: Measures) -> Peers:
    if settings.redis_url_with_ca is None:
        return NoPeers(settings.rate_table)
    url = settings.redis_url_with_ca.get_secret_value()
    return RedisPeers(url, settings.redis_prefix, keys, settings.rate_table, measures)


def _now() -> Millis:
    return time.time_ns() // 1_000_000
