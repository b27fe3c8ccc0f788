"""The logins of users, as they are stored."""

from collections.abc import Callable, Collection
from typing import Protocol

from gochat.core.model import Device, Millis, Session, SessionId, Standing, UserId
from gochat.core.values import value


@value(frozen=True, slots=True)
class Beginning:
    """A new login. `password_hash`: the one that the password was right for; None: none was asked for."""

    session: Session
    refresh_hash: bytes
    """32 bytes: the hash of its first refresh token."""
    expires_at: Millis
    password_hash: str | None = None


@value(frozen=True, slots=True)
class RefreshUse:
    """A refresh token, as it is used; see `core.refresh.use`. `expires_at`: the end of the next one."""

    token: bytes
    fresh: bytes
    successor: Callable[[bytes], bytes]
    expires_at: Millis


class SessionStore(Protocol):
    """Logins, as they are stored. Raises `Unavailable` if the database does not answer in time."""

    async def begin(self, beginning: Beginning) -> tuple[SessionId, ...]:
        """Store a login; the answer is which ones it ended.

        Those of the same installation of the app, and what a user has too many of.

        Raises:
            InvalidCredentials: the user is gone, or their password is another one by now.
            AccountDisabled: an operator has closed the account.
        """
        ...

    async def refresh(self, session_id: SessionId, use: RefreshUse, now: Millis) -> tuple[Session, bytes]:
        """Go on with a session by the rule of `core.refresh`, in one transaction.

        Answers with the seed by which the next token follows from the one used.

        Raises:
            TokenInvalid: no such session.
            TokenExpired: its time has passed.
            SessionRevoked: the session was ended, or is by this.
        """
        ...

    async def session(self, session_id: SessionId) -> Session | None:
        """One session, revoked ones too."""
        ...

    async def login(self, session_id: SessionId) -> tuple[Session, Standing] | None:
        """One session, revoked ones too, with what its user may say; None: it or its user is gone."""
        ...

    async def alive(self, user_id: UserId, now: Millis) -> tuple[Session, ...]:
        """The sessions of a user that were neither ended nor left to expire, last seen first."""
        ...

    async def knows(self, user_id: UserId, installation_id: bytes) -> bool:
        """Whether a user ever logged in from an installation of the app, as far as that is kept."""
        ...

    async def saw(self, session_ids: Collection[SessionId], now: Millis, before: Millis) -> None:
        """Note that sessions are in use, those that were last seen before then."""
        ...

    async def describe(self, session_id: SessionId, device: Device) -> None:
        """Change what is said of its device; its installation stays."""
        ...

    async def revoke(self, session_id: SessionId, now: Millis) -> None:
        """End a session; ending it again changes nothing."""
        ...

    async def revoke_all(
        self, user_id: UserId, now: Millis, keep: SessionId | None = None
    ) -> tuple[SessionId, ...]:
        """End the sessions of a user, all but one; the answer is which ones."""
        ...
