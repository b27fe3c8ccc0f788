"""The sockets of this process: who may connect, what each socket hears, and how it ends."""

import asyncio
import random
import time
from collections.abc import Iterable, Mapping
from secrets import token_hex
from typing import Any

import structlog
from socketio.exceptions import ConnectionRefusedError

from gochat.contract.encode import error_out
from gochat.contract.events import AUTH_EXPIRING, SERVER_DRAINING
from gochat.contract.ids import time_out
from gochat.core.errors import ChatError, Internal, Overloaded, RateLimited, Unauthenticated
from gochat.core.measures import Measures
from gochat.core.ports.logins import Authenticator
from gochat.core.rates import CONNECT, Key, Rates
from gochat.events.clients import client_of
from gochat.events.connection import Connection, Roster, State
from gochat.events.delivery.fanout import Fanout
from gochat.events.delivery.presence import PresenceWatch
from gochat.events.delivery.typing import Typing
from gochat.events.entrance import Entrance
from gochat.events.sockets import Sockets, conversation_of
from gochat.events.tasks import Tasks

log = structlog.get_logger(__name__)

WARN_BEFORE_S = 60.0
"""How long before its end a token's phone is told."""
GRACE_S = 30.0
"""How long a connection outlives its token."""
ATTACH_TIMEOUT_S = 10.0
RESTART_S = 5.0
"""Over how long sockets are closed that have to come again."""


class Connections:
    """Connections from CONNECT to their end."""

    def __init__(
        self,
        sockets: Sockets,
        roster: Roster,
        fanout: Fanout,
        typing: Typing,
        presence: PresenceWatch,
        authenticator: Authenticator,
        rates: Rates,
        most_of_user: int,
        measures: Measures | None = None,
    ) -> None:
        measures = measures or Measures()
        self._connects, self._limits = measures.connects, measures.limits
        self._sockets = sockets
        self._roster = roster
        self._fanout = fanout
        self._typing = typing
        self._presence = presence
        self._authenticator = authenticator
        self._rates = rates
        self._most_of_user = most_of_user
        self._tasks = Tasks()
        self.entrance = Entrance()
        self._draining = False
        """The server goes: it lets nobody in."""

    async def connect(self, sid: str, environ: Mapping[str, Any], auth: object) -> None:
        """Let a socket in, or refuse it with an error in `connect_error.data`.

        A genuine but expired token comes in too, but hears nothing until it is refreshed. What is no fault of
        the client's closes the transport: the libraries take a refusal for final, and come again after this.
        """
        client = client_of(environ.get("HTTP_USER_AGENT", ""))
        known: dict[str, object] = {"connection": sid, "client": client}
        try:
            if self._draining:
                raise Overloaded("The server is going down.")
            if self.entrance.crowded:  # they came together; to wait for longer would be to wait in vain
                raise Overloaded
            async with self.entrance:
                identity = await self._authenticator.authenticate(_token(environ, auth), allow_expired=True)
            known["user"] = identity.user_id
            self._rates.take(CONNECT, Key.USER, identity.user_id)
        except Unauthenticated as error:
            self._connects.add(error.code, client)
            request_id = token_hex(8)
            log.info("connect_refused", code=error.code, request_id=request_id, **known)
            raise ConnectionRefusedError(error.message, error_out(error, request_id)) from None
        except ChatError as error:
            self._connects.add(error.code, client)
            if isinstance(error, RateLimited):
                self._limits.add(CONNECT)
            log.info("connect_postponed", code=error.code, **known)
            self._sockets.evict(sid, "postponed")
            raise ConnectionRefusedError(error.message) from None
        except Exception:
            self._connects.add(Internal.code, client)
            log.exception("connect_postponed", code=Internal.code, connection=sid)
            self._sockets.evict(sid, "postponed")
            raise ConnectionRefusedError(Internal.text) from None
        connection = Connection(sid, identity, client, time.monotonic())
        self._connects.add("ok", client)
        log.info(
            "connected", connection=sid, user=identity.user_id, session=identity.session_id, client=client
        )
        self._roster.add(connection)
        for oldest in self._roster.of((identity.user_id,))[: -self._most_of_user]:
            # With DISCONNECT, after which the libraries stay away: else each would push another one out.
            log.info("socket_pushed_out", user=identity.user_id, connection=oldest.sid)
            self._sockets.dismiss(oldest.sid)
        self.admit(connection)

    async def disconnect(self, sid: str, rooms: Iterable[str], reason: str) -> None:
        """A socket went; `rooms` are those it was in."""
        connection = self._roster.remove(sid)
        if connection is None:
            return
        seconds = round(time.monotonic() - connection.since)
        connection.tell({"what": "disconnected", "cause": reason})
        log.info("disconnected", connection=sid, user=connection.user_id, cause=reason, seconds=seconds)
        if connection.timer is not None:
            connection.timer.cancel()
        self._presence.went(connection)
        for conversation_id in connection.typing:
            self._typing.stop(conversation_id, connection.user_id)
        places = [conversation_of(room) for room in rooms]
        conversations = [conversation_id for conversation_id in places if conversation_id is not None]
        # The server takes it out of its rooms when this returns.
        asyncio.get_running_loop().call_soon(self._fanout.detach, connection, conversations)

    def admit(self, connection: Connection) -> None:
        """It came, or has a fresh token: from when that has not expired, it hears what its user may hear."""
        if self._roster.get(connection.sid) is not connection:
            return
        self._watch(connection)
        if not connection.is_admitted and not connection.has_expired(int(time.time() * 1000)):
            connection.state = State.ADMITTED
            self._presence.came(connection.user_id)
            self._tasks.spawn(self._attach(connection))

    def _watch(self, connection: Connection) -> None:
        """Wait for the end of its token: warn a minute before it, close half a minute after it."""
        if connection.timer is not None:
            connection.timer.cancel()
        left = connection.identity.expires_at / 1000 - time.time()
        connection.timer = asyncio.get_running_loop().call_later(
            max(0.0, left - WARN_BEFORE_S), self._warn, connection
        )

    async def drain(self, seconds: float) -> None:
        """Tell all sockets that the server goes, and when each is closed, spread over that time.

        They are closed without DISCONNECT, so that the client libraries come back, to another process.
        """
        self._draining = True
        connections = list(self._roster)
        log.info("draining", sockets=len(connections), seconds=seconds)
        random.shuffle(connections)
        pause = seconds / max(1, len(connections))
        for place, connection in enumerate(connections):
            told = SERVER_DRAINING.told({"retry_after_ms": int(pause * place * 1000)})
            self._sockets.broadcast(told, connection.sid)
        await self._close(connections, pause)

    def start_anew(self) -> None:
        """The database tells another history: have every socket come again, and ask for what it lacks."""
        self._fanout.start_anew()
        connections = list(self._roster)
        random.shuffle(connections)
        self._tasks.spawn(self._close(connections, RESTART_S / max(1, len(connections))))

    def close(self) -> None:
        """Stop what is under way."""
        self._tasks.cancel()

    async def _close(self, connections: Iterable[Connection], pause: float) -> None:
        """Close one after the other, so that they do not all return at the same moment."""
        start = time.monotonic()
        for done, connection in enumerate(connections, 1):
            self._sockets.drain(connection.sid)
            ahead = start + pause * done - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)

    async def _attach(self, connection: Connection) -> None:
        """Bring it into its rooms; if that can't be done in time, it has to come again."""
        try:
            async with asyncio.timeout(ATTACH_TIMEOUT_S):
                await self._fanout.attach(connection)
        except (ChatError, TimeoutError) as error:
            log.warning("attach_failed", user=connection.user_id, error=type(error).__name__)
            self._sockets.evict(connection.sid, "not attached")
        except Exception:
            log.exception("attach_failed", user=connection.user_id)
            self._sockets.evict(connection.sid, "not attached")

    def _warn(self, connection: Connection) -> None:
        expires_at = connection.identity.expires_at
        told = AUTH_EXPIRING.told({"expires_at": time_out(expires_at)})
        self._sockets.broadcast(told, connection.sid)
        left = expires_at / 1000 + GRACE_S - time.time()
        connection.timer = asyncio.get_running_loop().call_later(
            left if left > 0 else GRACE_S, self._sockets.evict, connection.sid, "token expired"
        )


def _token(environ: Mapping[str, Any], auth: object) -> str | None:
    """The access token: `auth.token`, else `Authorization: Bearer` (RFC 6750, section 2.1)."""
    if isinstance(auth, dict):
        token = auth.get("token")
        if isinstance(token, str):
            return token
    scheme, _, token = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
