"""The composition root: the only module that knows all parts.

`uvicorn --factory gochat.main:create_app` serves everything; `gochat serve` adds the engine's fast path.
"""

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import structlog
from starlette.applications import Starlette

from gochat.auth.authenticator import TokenAuthenticator
from gochat.auth.login import PasswordLogins
from gochat.auth.passwords import Passwords
from gochat.auth.throttle import Throttle
from gochat.auth.tokens import Tokens
from gochat.config import Settings, load_settings
from gochat.contract.cursor import Cursors
from gochat.core.limits import Limits
from gochat.core.model import Millis
from gochat.events.connection import Roster
from gochat.events.dispatch import Dispatcher
from gochat.events.doorbell import NoDoorbell, RedisDoorbell, Ring
from gochat.events.engine import EngineApp, EngineManager, EngineServer
from gochat.events.fanout import Fanout
from gochat.events.handlers import Handlers
from gochat.events.server import Connections, EngineSockets
from gochat.events.typing import Typing
from gochat.rest.app import create_rest_app
from gochat.rest.deps import Deps
from gochat.storage.accounts import SqlAccounts
from gochat.storage.database import Database
from gochat.storage.health import DatabaseHealth
from gochat.storage.migrate import upgrade
from gochat.storage.reader import ConversationReader
from gochat.storage.receipts import ReceiptGatherer
from gochat.storage.writer import ConversationWriter

log = structlog.get_logger(__name__)

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
        self._database = Database(self._url, pool_size=settings.db_pool_size)
        reader = ConversationReader(self._database, limits)
        accounts = SqlAccounts(self._database)
        tokens = Tokens(
            keys,
            access_ttl_s=settings.access_token_ttl_s,
            refresh_ttl_s=settings.refresh_token_ttl_s,
            clock=_now,
        )
        authenticator = TokenAuthenticator(tokens, accounts)
        cursors = Cursors(keys)

        redis_url = None if settings.redis_url is None else settings.redis_url.get_secret_value()
        self._doorbell = None if redis_url is None else RedisDoorbell(redis_url, _mac_key(keys[0]), self._heard)
        manager: EngineManager | None = self._doorbell
        self.engine = EngineServer(manager, cors_allowed_origins=_origins(settings))
        sockets = EngineSockets(self.engine)
        roster = Roster()
        doorbell = self._doorbell or NoDoorbell()
        self._fanout = Fanout(sockets, roster, reader, doorbell)
        self._typing = Typing(sockets, doorbell)
        self._connections = Connections(sockets, roster, self._fanout, self._typing, authenticator)
        self._writer = ConversationWriter(self._url, self._fanout, limits)
        receipts = ReceiptGatherer(self._writer)
        handlers = Handlers(
            writer=self._writer,
            reader=reader,
            receipts=receipts,
            authenticator=authenticator,
            cursors=cursors,
            sockets=sockets,
            typing=self._typing,
            refreshed=self._connections.watch,
        )
        self._dispatcher = Dispatcher(roster, handlers.table())
        self.engine.set_dispatcher(self._dispatcher)
        self.engine.on("connect", self._connections.connect)
        self.engine.on("disconnect", self._disconnect)
        logins = PasswordLogins(
            accounts,
            Passwords(
                memory_kib=settings.argon2_memory_kib,
                time_cost=settings.argon2_time_cost,
                parallelism=settings.argon2_parallelism,
                threads=settings.argon2_threads,
            ),
            tokens,
            Throttle(settings.login_rate, redis_url),
            self._fanout,
            _now,
        )
