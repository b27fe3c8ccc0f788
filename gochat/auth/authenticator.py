"""The one check of an access token."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace

import structlog

from gochat.auth.tokens import Tokens
from gochat.core.errors import ChatError, SessionRevoked, TokenInvalid, TokenMissing
from gochat.core.model import Millis, SessionId
from gochat.core.ports.logins import Identity
from gochat.core.ports.sessions import SessionStore

SEEN_EVERY_MS = 3_600_000
"""How often it is written that a session is in use."""
GATHER_S = 0.25
"""How long it waits for others of which the same is to be written, where it can: after a restart all come at
once, and a transaction for each costs as much as all else that is done for them."""
MOST = 1_000
"""Written together."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class TokenAuthenticator:
    """`core.ports.logins.Authenticator`: the token is genuine and in time, and its session alive."""

    def __init__(self, tokens: Tokens, store: SessionStore, clock: Callable[[], Millis]) -> None:
        self._tokens = tokens
        self._store = store
        self._clock = clock
        self._seen: set[SessionId] = set()
        """Sessions in use, of which that is about to be written."""
        self._writing: set[asyncio.Task[None]] = set()
        """Tasks that write it."""

    async def authenticate(self, token: str | None, *, allow_expired: bool = False) -> Identity:
        """Who a token speaks for."""
        if not token:
            raise TokenMissing
        identity = self._tokens.read_access(token, allow_expired=allow_expired)
        found = await self._store.login(identity.session_id)
        if found is None or found[0].user_id != identity.user_id:
            raise TokenInvalid
        session, standing = found
        if session.revoked_at is not None:
            raise SessionRevoked
        now = self._clock()
        if identity.expires_at > now and session.last_seen_at <= now - SEEN_EVERY_MS:
            if allow_expired:
                self._see_soon(session.id)
            else:
                await self._write((session.id,))
        return replace(identity, standing=standing)

    def _see_soon(self, session_id: SessionId) -> None:
        if not self._seen:
            asyncio.get_running_loop().call_later(GATHER_S, self._write_seen)
        self._seen.add(session_id)

    def _write_seen(self) -> None:
        seen = sorted(self._seen)
        self._seen.clear()
        for first in range(0, len(seen), MOST):
            task = asyncio.create_task(self._write(seen[first : first + MOST]))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _write(self, session_ids: Collection[SessionId]) -> None:
        """Who asks is not refused because this can't be written."""
        now = self._clock()
        try:
            await self._store.saw(session_ids, now, now - SEEN_EVERY_MS)
        except ChatError as error:
            log.warning("last_seen_not_written", code=error.code)
