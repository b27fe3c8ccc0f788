"""A team's own login: the keys of its backend, and the users whom it or an issuer vouches for."""

from typing import Protocol

from gochat.core.model import Device, Millis, User
from gochat.core.ports.accounts import Account
from gochat.core.ports.logins import LoggedIn
from gochat.core.values import value

SERVER = "server"
"""Who vouches for users made with a server key, in `foreign_users`."""


@value(frozen=True, slots=True)
class ServerKey:
    """A key as it is checked. `scopes`: some of `users` and `tokens`."""

    id: int
    scopes: frozenset[str]


class ServerKeys(Protocol):
    """Keys by their hashes. Raises `Unavailable` if the database does not answer in time."""

    async def find(self, key_hash: bytes, now: Millis) -> ServerKey | None:
        """The key, if it was not revoked; that it was used is noted, at most once an hour."""
        ...


class ForeignUsers(Protocol):
    """Users by who they are to somebody else. Raises `Unavailable` if the database does not answer."""

    async def find(self, issuer: str, subject: str) -> User | None:
        """Who that is here."""
        ...

    async def create(self, issuer: str, subject: str, account: Account, now: Millis) -> User:
        """Store a user, or find the one who is there under that subject.

        Raises:
            UsernameTaken: another account has the name.
        """
        ...


class Backend(Protocol):
    """What the team's own backend may do with a key of `gochat key create`; `address`: where it asks from."""

    async def user(
        self,
        key: str | None,
        address: str | None,
        external_id: str,
        username: str | None,
        display_name: str | None,
    ) -> User:
        """Make a user, or find the one who was made for that id before.

        Raises:
            TokenMissing, TokenInvalid: no key, or none of ours.
            RateLimited: too many keys from this address were none of ours.
            Forbidden: the key may not; `details.reason` is `scope`.
            InvalidPayload, UsernameTaken: of the username.
        """
        ...

    async def log_in(
        self, key: str | None, address: str | None, external_id: str, device: Device
    ) -> LoggedIn:
        """Log a user in, on whose behalf the backend speaks.

        Raises:
            TokenMissing, TokenInvalid, RateLimited, Forbidden: of the key.
            NotFound: no user was made for that id.
            AccountDisabled
        """
        ...


class Exchange(Protocol):
    """Logins by tokens of issuers whom the operator has named: the user is made at first sight."""

    async def exchange(self, token: str, device: Device, address: str | None) -> LoggedIn:
        """Log in with an issuer's token. `address` is the client's, for the rate limit.

        Raises:
            TokenInvalid: no issuer that is named signed it, for this server.
            TokenExpired: genuine, but its time has passed.
            AccountDisabled: an operator has closed the account.
            RateLimited: too many tokens from this address were not valid.
            Unavailable: the issuer, or the database, does not answer.
        """
        ...
