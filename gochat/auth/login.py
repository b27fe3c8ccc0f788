"""Register, login, refresh, logout: the use-cases over the stored accounts."""

import hashlib
from collections.abc import Callable

from gochat.auth.names import phone_in, username_in
from gochat.auth.passwords import Passwords
from gochat.auth.throttle import Throttle
from gochat.auth.tokens import Tokens
from gochat.core.errors import InvalidCredentials, InvalidPayload, SessionRevoked, TokenInvalid
from gochat.core.model import Device, Millis, Session, SessionId, User
from gochat.core.ports import Account, Accounts, Identity, LoggedIn, Publisher
from gochat.ids import new_id


class PasswordLogins:
    """`core.ports.Logins` by passwords."""

    def __init__(
        self,
        accounts: Accounts,
        passwords: Passwords,
        tokens: Tokens,
        throttle: Throttle,
        publisher: Publisher,
        clock: Callable[[], Millis],
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._tokens = tokens
        self._throttle = throttle
        self._publisher = publisher
        self._clock = clock

    async def register(
        self,
        *,
        username: str,
        password: str,
        display_name: str | None,
        phone: str | None,
        device: Device,
        address: str | None,
    ) -> LoggedIn:
        """Make an account and log in."""
        name = username_in(username)
        if name is None:
            raise InvalidPayload(field="username")
        number = None if phone is None else phone_in(phone)
        shown = username if display_name is None else display_name.strip()
        if not shown:
            raise InvalidPayload("display_name: is blank.", field="display_name")
        await self._throttle.check(name, address)
        user = User(id=new_id(), username=name, display_name=shown)
        account = Account(user, await self._passwords.hash(password), number)
        await self._accounts.create(account, self._clock())
        return await self._begin(user, device)

    async def login(
        self, *, username: str | None, phone: str | None, password: str, device: Device, address: str | None
    ) -> LoggedIn:
        """Log in by username or phone."""
        if username is not None and phone is None:
            name = username_in(username)
            await self._throttle.check(name or "", address)
            account = None if name is None else await self._accounts.by_username(name)
        elif phone is not None and username is None:
            number = phone_in(phone)
            await self._throttle.check(number, address)
            account = await self._accounts.by_phone(number)
        else:
            raise InvalidPayload("Either username or phone is needed.", field="username")
        if not await self._passwords.verify(None if account is None else account.password_hash, password):
            raise InvalidCredentials
        assert account is not None
        return await self._begin(account.user, device)

    async def refresh(self, refresh_token: str) -> LoggedIn:
        """Exchange a refresh token for fresh tokens."""
        session_id, jti = self._tokens.read_refresh(refresh_token)
        following = self._tokens.next_jti(jti)
        try:
            session = await self._accounts.rotate(
                session_id, _hash(jti), _hash(following), self._clock(), self._refresh_end()
            )
        except SessionRevoked:
            await self._tell_revoked(session_id)
            raise
        users = await self._accounts.users((session.user_id,))
        if not users:
            raise TokenInvalid
        return self._logged_in(users[0], session, following)

    async def logout(self, identity: Identity) -> None:
        """End a session."""
        await self._accounts.revoke(identity.session_id, self._clock())
        self._publisher.revoked(identity.user_id, identity.session_id, SessionRevoked.code)

    async def close(self) -> None:
        """Let go of the threads and connections."""
        self._passwords.close()
        await self._throttle.close()

    async def _tell_revoked(self, session_id: SessionId) -> None:
        """The sockets of a session that a stolen token ended."""
        session = await self._accounts.session(session_id)
        if session is not None:
            self._publisher.revoked(session.user_id, session_id, SessionRevoked.code)

    async def _begin(self, user: User, device: Device) -> LoggedIn:
        now = self._clock()
        session = Session(new_id(), user.id, device, created_at=now, last_seen_at=now)
        jti = self._tokens.first_jti()
        await self._accounts.add_session(session, _hash(jti), self._refresh_end())
        return self._logged_in(user, session, jti)

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
