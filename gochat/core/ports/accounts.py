"""Users as they log in and are found."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from gochat.core.model import Millis, Profile, SessionId, User, UserId
from gochat.core.values import value


@value(frozen=True, slots=True)
class Account:
    """A user as logging in needs them. `password_hash` is an argon2id PHC string."""

    user: User
    password_hash: str
    phone: str | None = None


class Accounts(Protocol):
    """Users. Raises `Unavailable` if the database does not answer in time."""

    async def create(self, account: Account, now: Millis) -> None:
        """Store a new user.

        Raises:
            UsernameTaken, PhoneTaken: another account has it, as normalised.
        """
        ...

    async def by_username(self, username: str) -> Account | None:
        """By normalised username."""
        ...

    async def by_phone(self, phone: str) -> Account | None:
        """By E.164 number."""
        ...

    async def by_id(self, user_id: UserId) -> Account | None:
        """By id."""
        ...

    async def change_password(
        self, user_id: UserId, old: str, new: str, now: Millis, keep: SessionId | None
    ) -> tuple[SessionId, ...]:
        """Replace the hash of a password if it is still the old one, and end the user's logins, all but one.

        In one transaction, before which a login with the old password came, or it is refused. Codes to set it
        anew are void. The answer is which logins were ended.

        Raises:
            InvalidCredentials: it is another one by now.
        """
        ...

    async def resetting(self, code_hash: bytes, now: Millis) -> Account | None:
        """Whose code it is, if it has not expired."""
        ...

    async def set_password(self, user_id: UserId, old: str, new: str) -> bool:
        """Replace the hash of a password, if it is still the old one; the answer is whether it was."""
        ...

    async def users(self, user_ids: Iterable[UserId]) -> tuple[User, ...]:
        """Those of the users that exist."""
        ...

    async def by_phones(self, user_id: UserId, phones: Sequence[str]) -> Mapping[str, User]:
        """By E.164 number: who lets themselves be found by it, has not blocked the user, and is another."""
        ...

    async def profile(self, user_id: UserId) -> Profile | None:
        """What a user sees of themselves; None: there is no such user."""
        ...

    async def blocked(self, user_id: UserId) -> tuple[User, ...]:
        """Whom a user has blocked, by username."""
        ...

    async def search(self, prefix: str) -> tuple[User, ...]:
        """The first 20 users whose normalised username begins so, by username."""
        ...


class Contacts(Protocol):
    """An address book, compared with the users who are here."""

    async def read(self, numbers: Sequence[str], region: str | None) -> Mapping[str, str]:
        """E.164 by number, as it was given; what is no number is left out.

        Args:
            region: the country of numbers without a country code (ISO 3166).
        """
        ...

    async def find(self, user_id: UserId, phones: Collection[str]) -> Mapping[str, User]:
        """By number of E.164: who has it, lets themselves be found, and has not blocked the user."""
        ...


class Erasure(Protocol):
    """How accounts are deleted."""

    async def wish(self, user_id: UserId, deletes_at: Millis, now: Millis) -> tuple[SessionId, ...]:
        """Note that a user wants to be deleted then, and end their logins; the answer is which ones.

        Logging in before then takes it back. Raises `Unavailable` if the database does not answer in time.
        """
        ...
