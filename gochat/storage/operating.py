"""What whoever runs the server looks at and does: metadata only, never a body. Each act is written down."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from gochat.core.model import ConversationId, Millis, SessionId, UserId
from gochat.core.ports.accounts import Account
from gochat.core.values import value
from gochat.ids import new_id
from gochat.storage.accounts import create, store_reset
from gochat.storage.database import Database
from gochat.storage.fetch import fetch, run
from gochat.storage.sessions import revoke_all

MOST = 50
"""Rows of one answer."""

_ACT = "INSERT INTO operator_acts (id, at, who, act, target, why) VALUES (?, ?, ?, ?, ?, ?)"
_ACTS = f"SELECT at, who, act, target, why FROM operator_acts ORDER BY id DESC LIMIT {MOST}"
_ACTS_ON = (
    f"SELECT at, who, act, target, why FROM operator_acts WHERE target = ? ORDER BY id DESC LIMIT {MOST}"
)
_ADD_INVITE = "INSERT INTO invites (code_hash, expires_at, uses_left) VALUES (?, ?, ?)"
_TAKE_INVITE = """
UPDATE invites SET uses_left = uses_left - 1 WHERE code_hash = ? AND uses_left > 0 AND expires_at > ?
"""
_GIVE_BACK = "UPDATE invites SET uses_left = uses_left + 1 WHERE code_hash = ?"
_FIND = f"""
SELECT id, username, created_at FROM users WHERE username >= ? AND username < ? ORDER BY username LIMIT {MOST}
"""
_USER = """
SELECT username, phone IS NOT NULL, created_at, me_revision,
  (SELECT COUNT(*) FROM members m WHERE m.user_id = u.id AND m.active = 1),
  (SELECT COUNT(*) FROM blocks b WHERE b.user_id = u.id),
  deleted, deletes_at, disabled_at, muted_until
FROM users u WHERE u.id = ?
"""
_IS_USER = "SELECT 1 FROM users WHERE id = ?"
_SESSIONS = f"""
SELECT id, device_platform, device_app_version, created_at, last_seen_at, expires_at, revoked_at
FROM sessions WHERE user_id = ? ORDER BY last_seen_at DESC LIMIT {MOST}
"""
_WHOSE = "SELECT user_id FROM sessions WHERE id = ?"
_REVOKE = "UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL"
_CONVERSATION = """
SELECT kind, revision, last_seq, last_message_at, member_count, created_at, created_by
FROM conversations WHERE id = ?
"""
_MEMBERS = f"""
SELECT user_id, role, active, delivered_seq, read_seq FROM members
WHERE conversation_id = ? ORDER BY active DESC, user_id LIMIT {MOST}
"""


@value(frozen=True, slots=True)
class Act:
    """What an operator did. `target`: the id of a user, session or conversation as phones have it."""

    at: Millis
    who: str
    act: str
    target: str
    why: str


class Operator:
    """Over the database, whether or not a server runs on it. What it changes itself is in one transaction
    with its act."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, prefix: str) -> Sequence[Sequence[Any]]:
        """Id, username and time of making of users whose name begins so."""
        return await self._database.read(fetch, _FIND, prefix, prefix + "\U0010ffff")

    async def user(self, user_id: UserId) -> Sequence[Any] | None:
        """Username, whether there is a number, when made, revision, conversations and blocks; whether it is
        deleted, and when it will be, when it was closed, and until when it is muted."""
        found = await self._database.read(fetch, _USER, user_id)
        return found[0] if found else None

    async def is_user(self, user_id: UserId) -> bool:
        """Whether there is, or was, such a user."""
        return bool(await self._database.read(fetch, _IS_USER, user_id))

    async def sessions(self, user_id: UserId) -> Sequence[Sequence[Any]]:
        """The newest logins of a user, ended ones too."""
        return await self._database.read(fetch, _SESSIONS, user_id)

    async def conversation(self, conversation_id: ConversationId) -> Sequence[Any] | None:
        """Kind, revision, last seq and its time, members, when made and by whom."""
        found = await self._database.read(fetch, _CONVERSATION, conversation_id)
        return found[0] if found else None

    async def members(self, conversation_id: ConversationId) -> Sequence[Sequence[Any]]:
        """Who is in it and how far they are."""
        return await self._database.read(fetch, _MEMBERS, conversation_id)

    async def acts(self, target: str | None) -> list[Act]:
        """The newest acts, of all or on one target."""
        values = () if target is None else (target,)
        found = await self._database.read(fetch, _ACTS if target is None else _ACTS_ON, *values)
        return [Act(*row) for row in found]

    async def log_out(self, user_id: UserId, act: Act) -> tuple[SessionId, ...]:
        """End all logins of a user. Servers notice within seconds."""
        return await self._database.write(_log_out, user_id, act)

    async def end_session(self, session_id: SessionId, act: Act) -> UserId | None:
        """End a login; whose it was, None: there is no such login."""
        return await self._database.write(_end, session_id, act)

    async def create_user(self, account: Account, code_hash: bytes, until: Millis, act: Act) -> None:
        """Make an account, with a code to set its password.

        Raises:
            UsernameTaken
        """
        await self._database.write(_create_user, account, code_hash, until, act)

    async def add_reset(self, user_id: UserId, code_hash: bytes, until: Millis, act: Act) -> None:
        """Keep a code by which a user sets their password."""
        await self._database.write(_add_reset, user_id, code_hash, until, act)

    async def add_invite(self, code_hash: bytes, uses: int, until: Millis, act: Act) -> None:
        """Keep a code by which accounts can be made."""
        await self._database.write(_add_invite, code_hash, uses, until, act)

    async def note(self, act: Act) -> None:
        """Write down what is about to be done elsewhere: nothing is done that is not written down."""
        await self._database.write(note, act)


class StoredInvites:
    """Implements `core.ports.registration.Invites`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, code_hash: bytes, now: Millis) -> bool:
        """Use it once."""
        return await self._database.write(_take_invite, code_hash, now)

    async def give_back(self, code_hash: bytes) -> None:
        """It was not used."""
        await self._database.write(_run, _GIVE_BACK, code_hash)


def _run(connection: Connection, sql: str, *values: object) -> None:
    run(connection, sql, *values)


def _take_invite(connection: Connection, code_hash: bytes, now: Millis) -> bool:
    return run(connection, _TAKE_INVITE, code_hash, now).rowcount == 1


def note(connection: Connection, act: Act) -> None:
    """Write down an act, in the transaction that does it."""
    run(connection, _ACT, new_id(), act.at, act.who, act.act, act.target, act.why)


def _create_user(connection: Connection, account: Account, code_hash: bytes, until: Millis, act: Act) -> None:
    create(connection, account, act.at)
    store_reset(connection, account.user.id, code_hash, until)
    note(connection, act)


def _add_reset(connection: Connection, user_id: UserId, code_hash: bytes, until: Millis, act: Act) -> None:
    store_reset(connection, user_id, code_hash, until)
    note(connection, act)


def _add_invite(connection: Connection, code_hash: bytes, uses: int, until: Millis, act: Act) -> None:
    run(connection, _ADD_INVITE, code_hash, until, uses)
    note(connection, act)


def _log_out(connection: Connection, user_id: UserId, act: Act) -> tuple[SessionId, ...]:
    ended = revoke_all(connection, user_id, act.at, None)
    note(connection, act)
    return ended


def _end(connection: Connection, session_id: SessionId, act: Act) -> UserId | None:
    found = fetch(connection, _WHOSE, session_id)
    if not found:
        return None
    run(connection, _REVOKE, act.at, session_id)
    note(connection, act)
    return int(found[0][0])
