"""Logins begin, go on and end: the use-cases over the stored sessions."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from gochat.auth.tokens import Tokens
from gochat.auth.tries import Tries
from gochat.core.errors import NotFound, SessionRevoked, TokenInvalid
from gochat.core.model import Device, Millis, Session, SessionId, User, UserId
from gochat.core.ports.accounts import Accounts, Erasure
from gochat.core.ports.logins import Identity, LoggedIn
from gochat.core.ports.sessions import Beginning, RefreshUse, SessionStore
from gochat.core.ports.writing import Publisher
from gochat.ids import new_id


class TokenSessions:
    """`core.ports.logins.Sessions`, with tokens of our own."""

    def __init__(
        self,
        store: SessionStore,
        accounts: Accounts,
        tokens: Tokens,
        tries: Tries,
        publisher: Publisher,
        clock: Callable[[], Millis],
        erasure: Erasure,
        grace_ms: Millis,
    ) -> None:
        self._erasure = erasure
        self._grace_ms = grace_ms
        self._store = store
        self._accounts = accounts
        self._tokens = tokens
        self._tries = tries
        self._publisher = publisher
        self._clock = clock

    async def begin(self, user: User, device: Device, password_hash: str | None = None) -> LoggedIn:
        """Log a user in.

        Raises:
            InvalidCredentials: they are gone, or their password is another one by now.
        """
        now = self._clock()
        session = Session(new_id(), user.id, device, created_at=now, last_seen_at=now)
        jti = self._tokens.first_jti()
        ended = await self._store.begin(Beginning(session, _hash(jti), self._refresh_end(), password_hash))
        self.tell(user.id, ended)
        return self._logged_in(user, session, jti)

    async def is_known(self, user_id: UserId, device: Device) -> bool:
        """Whether a device was logged in to an account before."""
        return device.installation_id is not None and await self._store.knows(user_id, device.installation_id)

    async def refresh(self, refresh_token: str) -> LoggedIn:
        """Exchange a refresh token for fresh tokens."""
        session_id, jti = self._tokens.read_refresh(refresh_token)
        await self._tries.refresh(session_id)
        use = RefreshUse(
            token=_hash(jti),
            fresh=secrets.token_bytes(16),
            successor=lambda seed: _hash(self._tokens.next_jti(jti, seed)),
            expires_at=self._refresh_end(),
        )
        try:
            session, seed = await self._store.refresh(session_id, use, self._clock())
        except SessionRevoked:
            await self._tell_revoked(session_id)
            raise
        users = await self._accounts.users((session.user_id,))
        if not users:
            raise TokenInvalid
        return self._logged_in(users[0], session, self._tokens.next_jti(jti, seed))

    async def current(self, identity: Identity) -> Session:
        """This login."""
        session = await self._store.session(identity.session_id)
        if session is None:
            raise TokenInvalid
        return session

    async def alive(self, identity: Identity) -> tuple[Session, ...]:
        """The user's logins."""
        return await self._store.alive(identity.user_id, self._clock())

    async def describe(self, identity: Identity, changes: Mapping[str, Any]) -> Session:
        """Change what is said of this login's device."""
        session = await self.current(identity)
        described = replace(session, device=replace(session.device, **changes))
        await self._store.describe(session.id, described.device)
        return described

    async def end(self, identity: Identity, session_id: SessionId) -> None:
        """End a login."""
        session = await self._store.session(session_id)
        if session is None or session.user_id != identity.user_id:
            raise NotFound("There is no such session.")
        await self._store.revoke(session_id, self._clock())
        self.tell(identity.user_id, (session_id,))

    async def delete_account(self, identity: Identity) -> Millis:
        """Note that the user wants to be deleted."""
        now = self._clock()
        deletes_at = now + self._grace_ms
        self.tell(identity.user_id, await self._erasure.wish(identity.user_id, deletes_at, now))
        return deletes_at

    async def end_others(self, identity: Identity) -> None:
        """End all but this one."""
        ended = await self._store.revoke_all(identity.user_id, self._clock(), identity.session_id)
        self.tell(identity.user_id, ended)

    async def _tell_revoked(self, session_id: SessionId) -> None:
        """The sockets of a session that a stolen token ended."""
        session = await self._store.session(session_id)
        if session is not None:
            self.tell(session.user_id, (session_id,))

    def tell(self, user_id: UserId, ended: Iterable[SessionId]) -> None:
        """Dismiss the sockets of logins that were ended."""
        for session_id in ended:
            self._publisher.revoked(user_id, session_id, SessionRevoked.code)

    def _logged_in(self, user: User, session: Session, jti: str) -> LoggedIn:
        return LoggedIn(
            user=user,
            session=session,
            access_token=self._tokens.access(user.id, session.id),
            refresh_token=self._tokens.refresh(session.id, jti),
            expires_in=self._tokens.access_ttl_s,
        )

    def _refresh_end(self) -> Millis:
        return self._clock() + self._tokens.refresh_ttl_s * 1000


def _hash(jti: str) -> bytes:
    """32 bytes, all that is stored of a refresh token. Nobody can guess it: a plain hash keeps it secret."""
    return hashlib.sha256(jti.encode()).digest()
