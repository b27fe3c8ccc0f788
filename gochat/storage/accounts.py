"""Users, to log in and to be looked up. Short transactions of their own: nobody else waits for them."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from gochat.core.erasure import NEUTRAL_USERNAMES
from gochat.core.errors import InvalidCredentials, PhoneTaken, UsernameTaken
from gochat.core.model import Millis, Profile, SessionId, User, UserId
from gochat.core.ports.accounts import Account
from gochat.storage import rows
from gochat.storage.database import Database
from gochat.storage.fetch import dialect, fetch, marks, run
from gochat.storage.sessions import revoke_all

_USER = rows.columns(rows.USERS, "u")
_BESIDE = len(rows.USERS.columns)
"""Where in a row that begins with a user's columns the next one stands."""
_ADD_USER = f"""
INSERT INTO users ({", ".join(rows.USERS.columns)}, password_hash, phone, me_revision, created_at)
VALUES ({marks(rows.USERS.columns)}, ?, ?, 0, ?)
"""
_ACCOUNT = f"SELECT {_USER}, u.password_hash, u.phone FROM users u"
_BY_USERNAME = f"{_ACCOUNT} WHERE u.username = ?"
_BY_ID = f"{_ACCOUNT} WHERE u.id = ?"
_BY_PHONE = f"{_ACCOUNT} WHERE u.phone = ?"
_USERS = f"SELECT {_USER} FROM users u WHERE u.id IN ({{}})"
_SET_HASH = "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?"
_DISCOVERED = f"""
SELECT {_USER}, u.phone FROM users u
WHERE u.phone IN ({{}}) AND u.discoverable_by_phone = 1 AND u.id <> ?
AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = u.id AND b.blocked_id = ?)
"""
_PROFILE = f"SELECT {rows.columns(rows.PROFILES, 'u')} FROM users u WHERE u.id = ?"
_BLOCKED = f"""
{{select}} {_USER} FROM blocks b {{join}} users u ON u.id = b.blocked_id WHERE b.user_id = ?
"""
_BEGINNING = f"""
SELECT {_USER} FROM users u
WHERE u.username >= ? AND u.username < ? AND (u.username < ? OR u.username >= ?)
ORDER BY u.username LIMIT 20
"""
_AFTER_ALL = "\U0010ffff"
"""Sorts after every character of a username."""


class StoredAccounts:
    """Implements `core.ports.accounts.Accounts`, which documents the methods."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, account: Account, now: Millis) -> None:
        """Store a new user."""
        await self._database.write(create, account, now)

    async def by_username(self, username: str) -> Account | None:
        """By normalised username."""
        return await self._database.read(_account, _BY_USERNAME, username)

    async def by_phone(self, phone: str) -> Account | None:
        """By E.164 number."""
        return await self._database.read(_account, _BY_PHONE, phone)

    async def by_id(self, user_id: UserId) -> Account | None:
        """By id."""
        return await self._database.read(_account, _BY_ID, user_id)

    async def change_password(
        self, user_id: UserId, old: str, new: str, now: Millis, keep: SessionId | None
    ) -> tuple[SessionId, ...]:
        """Replace the hash of a password, and end logins."""
        return await self._database.write(_change_password, user_id, old, new, now, keep)

    async def resetting(self, code_hash: bytes, now: Millis) -> Account | None:
        """Whose code it is."""
        return await self._database.read(_resetting, code_hash, now)

    async def set_password(self, user_id: UserId, old: str, new: str) -> bool:
        """Replace the hash of a password."""
        return await self._database.write(_set_password, user_id, old, new)

    async def users(self, user_ids: Iterable[UserId]) -> tuple[User, ...]:
        """Those of the users that exist."""
        return await self._database.read(_users, tuple(user_ids))

    async def by_phones(self, user_id: UserId, phones: Sequence[str]) -> Mapping[str, User]:
        """Those who let themselves be found."""
        return await self._database.read(_by_phones, user_id, phones)

    async def profile(self, user_id: UserId) -> Profile | None:
        """What a user sees of themselves."""
        return await self._database.read(profile, user_id)

    async def blocked(self, user_id: UserId) -> tuple[User, ...]:
        """Whom a user has blocked."""
        return await self._database.read(_blocked, user_id)

    async def search(self, prefix: str) -> tuple[User, ...]:
        """By the beginning of the normalised username, of those who are not deleted."""
        return await self._database.read(_search, prefix)


def create(connection: Connection, account: Account, now: Millis) -> None:
    """Store a new user. Raises UsernameTaken, PhoneTaken."""
    user = account.user
    try:
        run(connection, _ADD_USER, *rows.USERS.write(user), account.password_hash, account.phone, now)
    except IntegrityError:
        if fetch(connection, _BY_USERNAME, user.username):
            raise UsernameTaken(field="username") from None
        if account.phone is not None and fetch(connection, _BY_PHONE, account.phone):
            raise PhoneTaken(field="phone") from None
        raise


def _account(connection: Connection, statement: str, value: str | int) -> Account | None:
    """MySQL finds "anna" for "anna ", and scans the table for a phone number that is not of ASCII."""
    if isinstance(value, str) and (value.endswith(" ") or (statement is _BY_PHONE and not value.isascii())):
        return None
    found = fetch(connection, statement, value)
    return Account(rows.USERS.read(found[0]), *found[0][_BESIDE:]) if found else None


def _change_password(
    connection: Connection, user_id: UserId, old: str, new: str, now: Millis, keep: SessionId | None
) -> tuple[SessionId, ...]:
    ended = revoke_all(connection, user_id, now, keep)
    if not _set_password(connection, user_id, old, new):
        raise InvalidCredentials
    run(connection, "DELETE FROM reset_codes WHERE user_id = ?", user_id)
    return ended


def store_reset(connection: Connection, user_id: UserId, code_hash: bytes, expires_at: Millis) -> None:
    """Keep a code by which a password is set, in the place of another."""
    run(connection, "DELETE FROM reset_codes WHERE user_id = ?", user_id)
    run(connection, "INSERT INTO reset_codes VALUES (?, ?, ?)", user_id, code_hash, expires_at)


def _resetting(connection: Connection, code_hash: bytes, now: Millis) -> Account | None:
    found = fetch(
        connection,
        "SELECT user_id FROM reset_codes WHERE code_hash = ? AND expires_at > ?",
        code_hash,
        now,
    )
    return _account(connection, _BY_ID, found[0][0]) if found else None


def _set_password(connection: Connection, user_id: UserId, old: str, new: str) -> bool:
    return run(connection, _SET_HASH, new, user_id, old).rowcount == 1


def _by_phones(connection: Connection, user_id: UserId, phones: Sequence[str]) -> dict[str, User]:
    found: dict[str, User] = {}
    for first in range(0, len(phones), 500):
        some = phones[first : first + 500]
        for row in fetch(connection, _DISCOVERED.format(marks(some)), *some, user_id, user_id):
            found[row[_BESIDE]] = rows.USERS.read(row)
    return found


def _users(connection: Connection, user_ids: Sequence[UserId]) -> tuple[User, ...]:
    if not user_ids:
        return ()
    return tuple(map(rows.USERS.read, fetch(connection, _USERS.format(marks(user_ids)), *user_ids)))


def profile(connection: Connection, user_id: UserId) -> Profile | None:
    """What a user sees of themselves."""
    found = fetch(connection, _PROFILE, user_id)
    return rows.PROFILES.read(found[0]) if found else None


def _blocked(connection: Connection, user_id: UserId) -> tuple[User, ...]:
    words = dialect(connection)
    sql = _BLOCKED.format(select=words.select, join=words.join)
    users = map(rows.USERS.read, fetch(connection, sql, user_id))
    return tuple(sorted(users, key=lambda user: user.username))


def _search(connection: Connection, prefix: str) -> tuple[User, ...]:
    found = fetch(connection, _BEGINNING, prefix, prefix + _AFTER_ALL, *NEUTRAL_USERNAMES)
    return tuple(map(rows.USERS.read, found))
