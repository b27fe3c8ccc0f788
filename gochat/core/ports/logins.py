"""Who somebody is: tokens, and how sessions begin, go on and end."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

from gochat.core.model import Device, Millis, Session, SessionId, Standing, User, UserId
from gochat.core.values import value


@value(frozen=True, slots=True)
class Identity:
    """Who a genuine access token speaks for. `expires_at` may be past where that was allowed."""

    user_id: UserId
    session_id: SessionId
    expires_at: Millis
    standing: Standing = field(default_factory=Standing)


class Authenticator(Protocol):
    """The one check of an access token, for REST and for the Socket.IO connection."""

    async def authenticate(self, token: str | None, *, allow_expired: bool = False) -> Identity:
        """Who a token speaks for; its session must be alive.

        Args:
            allow_expired: as for a socket that comes. That its session is in use is written a moment later,
                together with others.

        Raises:
            TokenMissing, TokenInvalid, TokenExpired, SessionRevoked
        """
        ...


@value(frozen=True, slots=True)
class LoggedIn:
    """A login with fresh tokens. `expires_in`: seconds that the access token lives."""

    user: User
    session: Session
    access_token: str
    refresh_token: str
    expires_in: int


class Logins(Protocol):
    """How sessions begin. `address` is the client's, for the rate limit.

    Every method may raise `Unavailable`; those that take a password `Overloaded`, if too many wait.
    """

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
        """Make an account and log in.

        If its answer is lost the account may be there: asking again says `UsernameTaken`, and `login` works.

        Raises:
            InvalidPayload: no phone number, a blank name, or a name or password that nobody can have;
                `details.reason` says why.
            UsernameTaken, PhoneTaken, RateLimited
        """
        ...

    async def login(
        self, *, username: str | None, phone: str | None, password: str, device: Device, address: str | None
    ) -> LoggedIn:
        """Log in by username or phone, by exactly one of them.

        Raises:
            InvalidPayload: both, neither, or no phone number.
            InvalidCredentials: no such user or not their password; both take the same time.
            RateLimited: too many tries failed, of this account or from this address. Not where the device was
                logged in to the account before: it has a count of its own.
        """
        ...

    async def change_password(self, identity: Identity, old: str, new: str, address: str | None) -> None:
        """Replace a user's password; their other logins end, and their sockets are dismissed.

        Raises:
            InvalidPayload: others would try the new one; `details.reason` says why.
            InvalidCredentials: the old one is wrong.
            RateLimited: too many wrong ones of this login.
        """
        ...

    async def reset(self, code: str, new: str, address: str | None) -> None:
        """Set a password anew by a code that an operator gave; all logins end. A code works once.

        Raises:
            InvalidPayload: others would try the new one; the code can be used again.
            InvalidCredentials: the code is wrong, was used, or has expired.
            RateLimited: too many wrong ones from this address.
        """
        ...


class Sessions(Protocol):
    """How logins go on and end. Every method may raise `Unavailable`."""

    async def refresh(self, refresh_token: str) -> LoggedIn:
        """Exchange a refresh token for fresh tokens, by the rule of `core.refresh`.

        Raises:
            TokenInvalid, TokenExpired, SessionRevoked, RateLimited
        """
        ...

    async def current(self, identity: Identity) -> Session:
        """The login that a token speaks for.

        Raises:
            TokenInvalid: it is not there any more.
        """
        ...

    async def alive(self, identity: Identity) -> tuple[Session, ...]:
        """The user's logins, last seen first."""
        ...

    async def describe(self, identity: Identity, changes: Mapping[str, Any]) -> Session:
        """Change what is said of this login's device: some of `name`, `platform` and `app_version`."""
        ...

    async def end(self, identity: Identity, session_id: SessionId) -> None:
        """End one of the user's logins; ending it again changes nothing.

        Raises:
            NotFound: the user has no such login.
        """
        ...

    async def delete_account(self, identity: Identity) -> Millis:
        """Note that the user wants to be deleted, and end all their logins; the answer is when it is done.

        Logging in before then takes it back.
        """
        ...

    async def end_others(self, identity: Identity) -> None:
        """End all of the user's logins but this one."""
        ...
