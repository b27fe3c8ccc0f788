"""The one check of an access token."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from gochat.auth.tokens import Tokens
from gochat.core.errors import ChatError, SessionRevoked, TokenInvalid, TokenMissing
from gochat.core.model import Millis, Session
from gochat.core.ports.logins import Identity
from gochat.core.ports.sessions import SessionStore

SEEN_EVERY_MS = 3_600_000
"""How often it is written that a session is in use."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class TokenAuthenticator:
    """`core.ports.logins.Authenticator`: the token is genuine and in time, and its session alive."""

    def __init__(self, tokens: Tokens, store: SessionStore, clock: Callable[[], Millis]) -> None:
        self._tokens = tokens
        self._store = store
        self._clock = clock

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
        if identity.expires_at > self._clock():
            await self._see(session)
        return replace(identity, standing=standing)

    async def _see(self, session: Session) -> None:
        """Who asks is not refused because this can't be written."""
        now = self._clock()
        if session.last_seen_at > now - SEEN_EVERY_MS:
            return
        try:
            await self._store.saw(session.id, now, now - SEEN_EVERY_MS)
        except ChatError as error:
            log.warning("last_seen_not_written", code=error.code)
