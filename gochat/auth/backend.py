"""A team's own login: their backend makes users and tokens with a key, or phones bring an issuer's token."""

import hashlib
import secrets
from collections.abc import Callable

from gochat.auth.issuers import Issuers
from gochat.auth.names import username_in
from gochat.auth.sessions import TokenSessions
from gochat.auth.tries import Tries
from gochat.core.errors import Forbidden, NotFound, TokenInvalid, TokenMissing
from gochat.core.model import Device, Millis, User
from gochat.core.ports.accounts import Account
from gochat.core.ports.backend import SERVER, ForeignUsers, ServerKeys
from gochat.core.ports.logins import LoggedIn
from gochat.core.text import line
from gochat.ids import new_id

PREFIX = "gk_"
"""Begins every key, so that one that leaked is recognised."""
SCOPES = ("users", "tokens")


class KeyBackend:
    """`core.ports.backend.Backend`."""

    def __init__(
        self,
        keys: ServerKeys,
        foreign: ForeignUsers,
        sessions: TokenSessions,
        tries: Tries,
        clock: Callable[[], Millis],
    ) -> None:
        self._keys = keys
        self._foreign = foreign
        self._sessions = sessions
        self._tries = tries
        self._clock = clock

    async def user(
        self,
        key: str | None,
        address: str | None,
        external_id: str,
        username: str | None,
        display_name: str | None,
    ) -> User:
        """Make or find a user."""
        await self._require(key, address, "users")
        known = await self._foreign.find(SERVER, external_id)
        if known is not None:
            return known
        shown = line(display_name or "", "display_name") or username
        account = vouched_account(None if username is None else username_in(username), shown)
        return await self._foreign.create(SERVER, external_id, account, self._clock())

    async def log_in(
        self, key: str | None, address: str | None, external_id: str, device: Device
    ) -> LoggedIn:
        """Log a user in."""
        await self._require(key, address, "tokens")
        user = await self._foreign.find(SERVER, external_id)
        if user is None:
            raise NotFound("No user was made for this id.", field="external_id")
        return await self._sessions.begin(user, device)

    async def _require(self, key: str | None, address: str | None, scope: str) -> None:
        if not key:
            raise TokenMissing
        found = await self._keys.find(key_hash(key), self._clock()) if key.startswith(PREFIX) else None
        if found is None:
            await self._tries.wrong_key(address)
            raise TokenInvalid
        if scope not in found.scopes:
            raise Forbidden(f"This key may not do that: it lacks {scope}.", details={"reason": "scope"})


class IssuerLogins:
    """`core.ports.backend.Exchange`: by tokens of issuers that the operator has named."""

    def __init__(
        self,
        issuers: Issuers,
        foreign: ForeignUsers,
        sessions: TokenSessions,
        tries: Tries,
        clock: Callable[[], Millis],
    ) -> None:
        self._issuers = issuers
        self._foreign = foreign
        self._sessions = sessions
        self._tries = tries
        self._clock = clock

    async def exchange(self, token: str, device: Device, address: str | None) -> LoggedIn:
        """Log in with a token of the team's own login."""
        async with self._tries.exchange(address):
            vouched = await self._issuers.read(token)
        user = await self._foreign.find(vouched.issuer, vouched.subject)
        if user is None:
            account = vouched_account(None, vouched.display_name, vouched.avatar_url)
            user = await self._foreign.create(vouched.issuer, vouched.subject, account, self._clock())
        return await self._sessions.begin(user, device)

    def close(self) -> None:
        """Stop what is under way."""
        self._issuers.close()


def vouched_account(username: str | None, display_name: str | None, avatar_url: str | None = None) -> Account:
    """Return an account without a password, for a user whom somebody else vouches for."""
    number = new_id()
    name = username or f"u{number:016x}"
    return Account(User(number, name, display_name or name, avatar_url), password_hash="")


def new_key() -> str:
    """A key: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def key_hash(key: str) -> bytes:
    """32 bytes, all that is stored of a key. Nobody can guess it: a plain hash keeps it secret."""
    return hashlib.sha256(key.encode()).digest()
