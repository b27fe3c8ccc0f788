"""Keys of the team's backend, and users by who they are to somebody else."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from gochat.core.model import Millis, User
from gochat.core.ports.accounts import Account
from gochat.core.ports.backend import ServerKey
from gochat.storage import rows
from gochat.storage.accounts import create
from gochat.storage.database import Database
from gochat.storage.fetch import fetch, run
from gochat.storage.operating import Act, note

USED_EVERY_MS = 3_600_000

_FIND_KEY = "SELECT id, scopes, used_at FROM server_keys WHERE key_hash = ? AND revoked_at IS NULL"
_USED = "UPDATE server_keys SET used_at = ? WHERE id = ?"
_ADD_KEY = "INSERT INTO server_keys (id, name, key_hash, scopes, created_at) VALUES (?, ?, ?, ?, ?)"
_KEYS = "SELECT id, name, scopes, created_at, used_at, revoked_at FROM server_keys ORDER BY id"
_REVOKE = "UPDATE server_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
_FOREIGN = f"""
SELECT {rows.columns(rows.USERS, "u")} FROM foreign_users f JOIN users u ON u.id = f.user_id
WHERE f.issuer = ? AND f.subject = ?
"""
_ADD_FOREIGN = "INSERT INTO foreign_users (issuer, subject, user_id) VALUES (?, ?, ?)"


class StoredKeys:
    """Implements `core.ports.backend.ServerKeys`, and what `gochat key` does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key_hash: bytes, now: Millis) -> ServerKey | None:
        """The key. It is only read but once an hour: what strangers make up waits for no writer."""
        found = await self._database.read(fetch, _FIND_KEY, key_hash)
        if not found:
            return None
        key_id, scopes, used_at = found[0]
        if used_at is None or used_at < now - USED_EVERY_MS:
            await self._database.write(_run, _USED, now, key_id)
        return ServerKey(key_id, frozenset(scopes.split()))

    async def add(self, key_id: int, name: str, key_hash: bytes, scopes: Iterable[str], act: Act) -> None:
        """Keep a key."""
        values = (key_id, name, key_hash, " ".join(scopes), act.at)
        await self._database.write(_acted, act, _ADD_KEY, *values)

    async def keys(self) -> Sequence[Sequence[Any]]:
        """Id, name, scopes, and when made, used and revoked."""
        return await self._database.read(fetch, _KEYS)

    async def revoke(self, key_id: int, act: Act) -> bool:
        """Revoke a key; whether there was one."""
        return await self._database.write(_acted, act, _REVOKE, act.at, key_id) == 1


class StoredForeign:
    """Implements `core.ports.backend.ForeignUsers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, issuer: str, subject: str) -> User | None:
        """Who that is here."""
        return await self._database.read(_foreign, issuer, subject)

    async def create(self, issuer: str, subject: str, account: Account, now: Millis) -> User:
        """Store a user, or find them."""
        return await self._database.write(_create, issuer, subject, account, now)


def _run(connection: Connection, sql: str, *values: object) -> int:
    return run(connection, sql, *values).rowcount


def _acted(connection: Connection, act: Act, sql: str, *values: object) -> int:
    """Do something, and write down the act if there was something to do."""
    done = run(connection, sql, *values).rowcount
    if done:
        note(connection, act)
    return done


def _foreign(connection: Connection, issuer: str, subject: str) -> User | None:
    if subject.endswith(" "):  # which MySQL overlooks
        return None
    found = fetch(connection, _FOREIGN, issuer, subject)
    return rows.USERS.read(found[0]) if found else None


def _create(connection: Connection, issuer: str, subject: str, account: Account, now: Millis) -> User:
    """Who comes second to a subject waits here until the first has committed, and finds their user."""
    try:
        run(connection, _ADD_FOREIGN, issuer, subject, account.user.id)
    except IntegrityError:
        found = _foreign(connection, issuer, subject)
        if found is None:
            raise
        return found
    create(connection, account, now)
    return account.user
