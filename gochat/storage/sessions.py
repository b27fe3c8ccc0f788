"""Logins and their refresh tokens. Short transactions of their own: nobody else waits for them."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection

from gochat.core import refresh
from gochat.core.errors import (
    AccountDisabled,
    ChatError,
    InvalidCredentials,
    SessionRevoked,
    TokenExpired,
    TokenInvalid,
)
from gochat.core.model import Device, Millis, Session, SessionId, Standing, UserId
from gochat.core.ports.sessions import Beginning, RefreshUse
from gochat.storage import rows
from gochat.storage.database import Database
from gochat.storage.fetch import dialect, fetch, marks, run

MAX_ALIVE = 100
"""Of one user. One more ends that which was not seen for longest."""

_SESSION = (
    "id, user_id, device_name, device_platform, device_app_version, installation_id,"
    " created_at, last_seen_at, revoked_at"
)
_CHAIN = "refresh_hash, previous_hash, refresh_seed, refresh_seeded_at"
_LOCK_USER = "SELECT password_hash, disabled_at, deletes_at, deleted FROM users WHERE id = ?"
_ADD = f"""
INSERT INTO sessions ({_SESSION}, refresh_hash, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_GET = f"SELECT {_SESSION} FROM sessions WHERE id = ?"
_LOGIN = f"""
{{select}} {", ".join(f"s.{it.strip()}" for it in _SESSION.split(","))}, {rows.columns(rows.STANDINGS, "u")}
FROM sessions s {{join}} users u ON u.id = s.user_id WHERE s.id = ?
"""
_BESIDE = len(_SESSION.split(","))
"""Where in a row that begins with a session's columns the next one stands."""
_ALIVE = f"""
SELECT {_SESSION} FROM sessions WHERE user_id = ? AND revoked_at IS NULL AND expires_at > ?
ORDER BY last_seen_at DESC, id DESC
"""
_KNOWN = "SELECT 1 FROM sessions WHERE user_id = ? AND installation_id = ? LIMIT 1"
_LOCK = f"SELECT {_CHAIN}, expires_at, {_SESSION} FROM sessions WHERE id = ?"
_GO_ON = """
UPDATE sessions
SET refresh_hash = ?, previous_hash = ?, refresh_seed = ?, refresh_seeded_at = ?,
    last_seen_at = ?, expires_at = ?
WHERE id = ?
"""
_SAW = "UPDATE sessions SET last_seen_at = ? WHERE id IN ({}) AND last_seen_at < ?"
_DESCRIBE = "UPDATE sessions SET device_name = ?, device_platform = ?, device_app_version = ? WHERE id = ?"
_REVOKE = "UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
_REVOKE_SOME = "UPDATE sessions SET revoked_at = ? WHERE id IN ({}) AND revoked_at IS NULL"


class StoredSessions:
    """Implements `core.ports.sessions.SessionStore`, which documents the methods."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, beginning: Beginning) -> tuple[SessionId, ...]:
        """Store a login."""
        return await self._database.write(_begin, beginning)

    async def refresh(self, session_id: SessionId, use: RefreshUse, now: Millis) -> tuple[Session, bytes]:
        """Go on with a session."""
        refreshed = await self._database.write(_refresh, session_id, use, now)
        if isinstance(refreshed, ChatError):
            raise refreshed
        return refreshed

    async def session(self, session_id: SessionId) -> Session | None:
        """One session, revoked ones too."""
        return await self._database.read(_get, session_id)

    async def login(self, session_id: SessionId) -> tuple[Session, Standing] | None:
        """One session, with what its user may say."""
        return await self._database.read(_login, session_id)

    async def alive(self, user_id: UserId, now: Millis) -> tuple[Session, ...]:
        """The sessions of a user."""
        return await self._database.read(_alive, user_id, now)

    async def knows(self, user_id: UserId, installation_id: bytes) -> bool:
        """Whether a user logged in from there before."""
        return bool(await self._database.read(fetch, _KNOWN, user_id, installation_id))

    async def saw(self, session_ids: Collection[SessionId], now: Millis, before: Millis) -> None:
        """Note that sessions are in use."""
        if session_ids:
            await self._database.write(run, _SAW.format(marks(session_ids)), now, *session_ids, before)

    async def describe(self, session_id: SessionId, device: Device) -> None:
        """Change what is said of its device."""
        await self._database.write(
            run, _DESCRIBE, device.name, device.platform, device.app_version, session_id
        )

    async def revoke(self, session_id: SessionId, now: Millis) -> None:
        """End a session."""
        await self._database.write(run, _REVOKE, now, session_id)

    async def revoke_all(
        self, user_id: UserId, now: Millis, keep: SessionId | None = None
    ) -> tuple[SessionId, ...]:
        """End the sessions of a user."""
        return await self._database.write(revoke_all, user_id, now, keep)


def _begin(connection: Connection, beginning: Beginning) -> tuple[SessionId, ...]:
    """The user's row is locked: what ends all their sessions comes before this, and refuses it, or after."""
    session = beginning.session
    found = fetch(connection, _LOCK_USER + dialect(connection).for_update, session.user_id)
    if not found or beginning.password_hash not in (None, found[0][0]):
        raise InvalidCredentials
    _, disabled_at, deletes_at, deleted = found[0]
    if deleted or (deletes_at is not None and deletes_at <= session.created_at):
        raise InvalidCredentials
    if disabled_at is not None:
        raise AccountDisabled
    if deletes_at is not None:
        run(connection, "UPDATE users SET deletes_at = NULL WHERE id = ?", session.user_id)
    others = _alive(connection, session.user_id, session.created_at)
    device = session.device
    same = {
        it.id
        for it in others
        if device.installation_id and it.device.installation_id == device.installation_id
    }
    stay = [it.id for it in others if it.id not in same]
    replaced = (*same, *stay[MAX_ALIVE - 1 :])
    _revoke_some(connection, replaced, session.created_at)
    described = (device.name, device.platform, device.app_version, device.installation_id)
    times = (session.created_at, session.last_seen_at, session.revoked_at)
    values = (session.id, session.user_id, *described, *times, beginning.refresh_hash, beginning.expires_at)
    run(connection, _ADD, *values)
    return replaced


def _refresh(
    connection: Connection, session_id: SessionId, use: RefreshUse, now: Millis
) -> tuple[Session, bytes] | ChatError:
    """An error is returned, not raised: what it did to the session has to be committed."""
    found = fetch(connection, _LOCK + dialect(connection).for_update, session_id)
    if not found:
        return TokenInvalid()
    newest, before, seed, seeded_at, expires_at, *row = found[0]
    session = _session(row)
    if session.revoked_at is not None:
        return SessionRevoked()
    if expires_at <= now:
        return TokenExpired()
    known = refresh.Chain(newest, before, seed, seeded_at)
    try:
        chain = refresh.use(known, use.token, fresh=use.fresh, now=now, successor=use.successor)
    except SessionRevoked as error:
        run(connection, _REVOKE, now, session_id)
        return error
    assert chain.seed is not None  # one that was used has it
    tokens = (chain.newest, chain.before, chain.seed, chain.seeded_at)
    run(connection, _GO_ON, *tokens, now, use.expires_at, session_id)
    return _session((*row[:7], now, None)), chain.seed


def _get(connection: Connection, session_id: SessionId) -> Session | None:
    found = fetch(connection, _GET, session_id)
    return _session(found[0]) if found else None


def _login(connection: Connection, session_id: SessionId) -> tuple[Session, Standing] | None:
    words = dialect(connection)
    found = fetch(connection, _LOGIN.format(select=words.select, join=words.join), session_id)
    return (_session(found[0]), rows.STANDINGS.read(found[0][_BESIDE:])) if found else None


def _alive(connection: Connection, user_id: UserId, now: Millis) -> tuple[Session, ...]:
    return tuple(_session(row) for row in fetch(connection, _ALIVE, user_id, now))


def revoke_all(
    connection: Connection, user_id: UserId, now: Millis, keep: SessionId | None
) -> tuple[SessionId, ...]:
    """End the sessions of a user, within a transaction that holds their row, or that just began."""
    fetch(connection, _LOCK_USER + dialect(connection).for_update, user_id)
    ended = tuple(it.id for it in _alive(connection, user_id, now) if it.id != keep)
    _revoke_some(connection, ended, now)
    return ended


def _revoke_some(connection: Connection, sessions: Sequence[SessionId], now: Millis) -> None:
    if sessions:
        run(connection, _REVOKE_SOME.format(marks(sessions)), now, *sessions)


def _session(row: Sequence[Any]) -> Session:
    return Session(row[0], row[1], Device(*row[2:6]), *row[6:9])
