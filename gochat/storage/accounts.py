"""Users and their sessions. Short transactions of their own: nobody else waits for them."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from gochat.core.errors import (
    ChatError,
    PhoneTaken,
    SessionRevoked,
    TokenExpired,
    TokenInvalid,
    UsernameTaken,
)
from gochat.core.model import Device, Millis, Profile, Session, SessionId, User, UserId
from gochat.core.ports import Account
from gochat.storage import rows
from gochat.storage.database import Database
from gochat.storage.fetch import dialect, fetch, marks, run

_USER = rows.columns(rows.USERS, "u")
_BESIDE = len(rows.USERS.columns)
"""Where in a row that begins with a user's columns the next one stands."""
_SESSION = (
    "id, user_id, device_name, device_platform, device_app_version, created_at, last_seen_at, revoked_at"
)
_ADD_USER = f"""
INSERT INTO users ({", ".join(rows.USERS.columns)}, password_hash, phone, me_revision, created_at)
VALUES ({marks(rows.USERS.columns)}, ?, ?, 0, ?)
"""
_ACCOUNT = f"SELECT {_USER}, u.password_hash, u.phone FROM users u"
_BY_USERNAME = f"{_ACCOUNT} WHERE u.username = ?"
_BY_PHONE = f"{_ACCOUNT} WHERE u.phone = ?"
_USERS = f"SELECT {_USER} FROM users u WHERE u.id IN ({{}})"
_PROFILE = f"SELECT {_USER}, u.presence_hidden FROM users u WHERE u.id = ?"
_BLOCKED = f"""
{{select}} {_USER} FROM blocks b {{join}} users u ON u.id = b.blocked_id WHERE b.user_id = ?
"""
_BEGINNING = f"""
SELECT {_USER} FROM users u WHERE u.username >= ? AND u.username < ? ORDER BY u.username LIMIT 20
"""
_AFTER_ALL = "\x7f"
"""Sorts after every character of a username."""
_ADD_SESSION = f"""
INSERT INTO sessions ({_SESSION}, refresh_hash, previous_hash, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)
"""
_GET_SESSION = f"SELECT {_SESSION} FROM sessions WHERE id = ?"
_LOCK_SESSION = f"""
SELECT refresh_hash, previous_hash, expires_at, {_SESSION} FROM sessions WHERE id = ?
"""
_ROTATE = """
UPDATE sessions SET refresh_hash = ?, previous_hash = ?, last_seen_at = ?, expires_at = ? WHERE id = ?
"""
_REVOKE = "UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"


class StoredAccounts:
    """Implements `core.ports.Accounts`, which documents the methods."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, account: Account, now: Millis) -> None:
        """Store a new user."""
        await self._database.write(_create, account, now)

    async def by_username(self, username: str) -> Account | None:
        """By normalised username."""
        return await self._database.read(_account, _BY_USERNAME, username)

    async def by_phone(self, phone: str) -> Account | None:
        """By E.164 number."""
        return await self._database.read(_account, _BY_PHONE, phone)

    async def users(self, user_ids: Iterable[UserId]) -> tuple[User, ...]:
        """Those of the users that exist."""
        return await self._database.read(_users, tuple(user_ids))

    async def profile(self, user_id: UserId) -> Profile | None:
        """What he sees of himself."""
        return await self._database.read(profile, user_id)

    async def blocked(self, user_id: UserId) -> tuple[User, ...]:
        """Whom he has blocked."""
        return await self._database.read(_blocked, user_id)

    async def search(self, prefix: str) -> tuple[User, ...]:
        """By the beginning of the normalised username."""
        return await self._database.read(_search, prefix)

    async def add_session(self, session: Session, refresh_hash: bytes, expires_at: Millis) -> None:
        """Store a login."""
        await self._database.write(_add_session, session, refresh_hash, expires_at)

    async def rotate(
        self, session_id: SessionId, old: bytes, new: bytes, now: Millis, expires_at: Millis
    ) -> Session:
        """Replace a session's refresh token."""
        rotated = await self._database.write(_rotate, session_id, old, new, now=now, expires_at=expires_at)
        if isinstance(rotated, ChatError):
            raise rotated
        return rotated

    async def session(self, session_id: SessionId) -> Session | None:
        """One session, revoked ones too."""
        return await self._database.read(_get_session, session_id)

    async def revoke(self, session_id: SessionId, now: Millis) -> None:
        """End a session."""
        await self._database.write(run, _REVOKE, now, session_id)


def _create(connection: Connection, account: Account, now: Millis) -> None:
    user = account.user
    try:
        run(connection, _ADD_USER, *rows.USERS.write(user), account.password_hash, account.phone, now)
    except IntegrityError:
        if fetch(connection, _BY_USERNAME, user.username):
            raise UsernameTaken(field="username") from None
        if account.phone is not None and fetch(connection, _BY_PHONE, account.phone):
            raise PhoneTaken(field="phone") from None
        raise


def _account(connection: Connection, statement: str, value: str) -> Account | None:
    """MySQL finds "anna" for "anna ", and scans the table for what its column of ASCII can't hold."""
    if not value.isascii() or value.endswith(" "):
        return None
    found = fetch(connection, statement, value)
    return Account(rows.USERS.read(found[0]), *found[0][_BESIDE:]) if found else None


def _users(connection: Connection, user_ids: Sequence[UserId]) -> tuple[User, ...]:
    if not user_ids:
        return ()
    return tuple(map(rows.USERS.read, fetch(connection, _USERS.format(marks(user_ids)), *user_ids)))


def profile(connection: Connection, user_id: UserId) -> Profile | None:
    """What a user sees of himself."""
    found = fetch(connection, _PROFILE, user_id)
    return Profile(rows.USERS.read(found[0]), found[0][_BESIDE] == 1) if found else None


def _blocked(connection: Connection, user_id: UserId) -> tuple[User, ...]:
    words = dialect(connection)
    sql = _BLOCKED.format(select=words.select, join=words.join)
    users = map(rows.USERS.read, fetch(connection, sql, user_id))
    return tuple(sorted(users, key=lambda user: user.username))


def _search(connection: Connection, prefix: str) -> tuple[User, ...]:
    return tuple(map(rows.USERS.read, fetch(connection, _BEGINNING, prefix, prefix + _AFTER_ALL)))


def _add_session(connection: Connection, session: Session, refresh_hash: bytes, expires_at: Millis) -> None:
    device = session.device
    values = (session.id, session.user_id, device.name, device.platform, device.app_version)
    times = (session.created_at, session.last_seen_at, session.revoked_at)
    run(connection, _ADD_SESSION, *values, *times, refresh_hash, expires_at)


def _rotate(
    connection: Connection, session_id: SessionId, old: bytes, new: bytes, *, now: Millis, expires_at: Millis
) -> Session | ChatError:
    """An error is returned, not raised: what it did to the session has to be committed."""
    found = fetch(connection, _LOCK_SESSION + dialect(connection).for_update, session_id)
    if not found:
        return TokenInvalid()
    current, previous, expired_at, *row = found[0]
    session = _session(row)
    if session.revoked_at is not None:
        return SessionRevoked()
    if expired_at <= now:
        return TokenExpired()
    # The one before has a successor that was never used: its answer may have got lost, however long ago.
    if old not in (current, previous):
        run(connection, _REVOKE, now, session_id)
        return SessionRevoked()
    run(connection, _ROTATE, new, old, now, expires_at, session_id)
    return _session((*row[:6], now, None))


def _get_session(connection: Connection, session_id: SessionId) -> Session | None:
    found = fetch(connection, _GET_SESSION, session_id)
    return _session(found[0]) if found else None


def _session(row: Sequence[Any]) -> Session:
    return Session(row[0], row[1], Device(*row[2:5]), *row[5:8])
