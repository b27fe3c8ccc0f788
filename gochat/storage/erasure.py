"""Accounts are deleted: resumable, step by step, each of which may be done again after a kill.

A user's row says when (`deletes_at`); the last step makes it `deleted`, so until then whoever starts next
goes on. Several processes that do it at once do no harm. What changes conversations goes through the writer.
"""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any, Literal

import structlog
from sqlalchemy import Connection

from gochat.core.erasure import EraseMessage, EraseReaction, EraseUser
from gochat.core.errors import ChatError, Forbidden, NotFound
from gochat.core.members import RemoveMember
from gochat.core.model import Millis, SessionId, UserId
from gochat.core.ports.writing import Writer
from gochat.seldom import Seldom
from gochat.storage.database import Database
from gochat.storage.fetch import fetch, run
from gochat.storage.sessions import revoke_all

log = structlog.get_logger(__name__)

EVERY_SECONDS = 10.0
SETTLE_MS = 15_000
"""How long after it is due a deletion begins: by then every socket of the user is closed, at whichever
process (the poll reads ended logins every 2 s), and what it asked for is stored or refused (within 11 s)."""
STEP = 50
"""Messages or conversations that are changed at the same time."""

_DUE = f"SELECT id FROM users WHERE deletes_at <= ? AND deleted = 0 ORDER BY deletes_at LIMIT {STEP}"
_WRITTEN = f"""
SELECT conversation_id, seq FROM messages WHERE sender_id = ? AND deleted_at IS NULL LIMIT {STEP}
"""
_REACTED = f"""
SELECT r.conversation_id, r.user_id, r.seq, r.emoji
FROM members m JOIN reactions r ON r.conversation_id = m.conversation_id AND r.user_id = m.user_id
WHERE m.user_id = ? LIMIT {STEP}
"""
_GROUPS = f"""
SELECT m.conversation_id FROM members m JOIN conversations c ON c.id = m.conversation_id
WHERE m.user_id = ? AND m.active = 1 AND c.kind = 'group' LIMIT {STEP}
"""
_OWN_ROWS = (
    "DELETE FROM sessions WHERE user_id = ?",
    "DELETE FROM reset_codes WHERE user_id = ?",
    "DELETE FROM foreign_users WHERE user_id = ?",
    "DELETE FROM blocks WHERE user_id = ?",
    "DELETE FROM bans WHERE user_id = ?",
    "DELETE FROM sides WHERE user_id = ?",
    "UPDATE reports SET comment = NULL WHERE reporter_id = ?",
)
_NOBODY = "UPDATE users SET phone = NULL, password_hash = '', disabled_at = NULL WHERE id = ?"
_WISH = "UPDATE users SET deletes_at = ? WHERE id = ? AND deleted = 0"


class Erasure:
    """Implements `core.ports.accounts.Erasure`; one per process.

    Args:
        writer: for what changes conversations and profiles.
        messages: whether what they wrote is kept, under a neutral name, or erased.
    """

    def __init__(self, database: Database, writer: Writer, messages: Literal["keep", "erase"]) -> None:
        self._database = database
        self._writer = writer
        self._messages = messages
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._seldom = Seldom()

    async def wish(self, user_id: UserId, deletes_at: Millis, now: Millis) -> tuple[SessionId, ...]:
        """Note that a user wants to be deleted, and end their logins."""
        ended = await self._database.write(_wish, user_id, deletes_at, now)
        if deletes_at <= now:
            asyncio.get_running_loop().call_later(SETTLE_MS / 1_000, self._wake.set)
        return ended

    def start(self) -> None:
        """Begin; called on the event loop."""
        self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        """Stop; the next one goes on."""
        if self._task is not None:
            self._task.cancel()

    async def catch_up(self) -> None:
        """Delete the accounts that are due.

        Raises:
            ChatError: the database does not answer.
        """
        while due := await self._database.read(fetch, _DUE, time.time_ns() // 1_000_000 - SETTLE_MS):
            for (user_id,) in due:
                await self.erase(user_id)

    async def erase(self, user_id: UserId) -> None:
        """Delete one account, from wherever it was left.

        Raises:
            ChatError: the database does not answer.
        """
        if self._messages == "erase":
            while found := await self._database.read(fetch, _WRITTEN, user_id):
                await self._submit([EraseMessage(row[0], user_id, row[1]) for row in found])
            while found := await self._database.read(fetch, _REACTED, user_id):
                await self._submit([EraseReaction(*row) for row in found])
        while found := await self._database.read(fetch, _GROUPS, user_id):
            await self._submit([RemoveMember(row[0], user_id, user_id) for row in found])
        await self._database.write(_erase_rows, user_id)
        # The last that is left in the user's row, which is `deleted` from then on.
        await self._submit([EraseUser(user_id)])
        log.info("account_deleted", user=user_id)

    async def _submit(self, commands: Sequence[Any]) -> None:
        answers = await asyncio.gather(*map(self._one, commands), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def _one(self, command: Any) -> None:
        try:
            await self._writer.submit(command)
        except (NotFound, Forbidden):
            return  # another process was faster

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(EVERY_SECONDS * random.uniform(0.8, 1.2)):  # noqa: S311
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.catch_up()
            except ChatError as error:
                if self._seldom.lets(error.code):
                    log.warning("erasure_failed", code=error.code)
            except Exception:
                log.exception("erasure_failed")


def _wish(connection: Connection, user_id: UserId, deletes_at: Millis, now: Millis) -> tuple[SessionId, ...]:
    ended = revoke_all(connection, user_id, now, None)
    run(connection, _WISH, deletes_at, user_id)
    return ended


def _erase_rows(connection: Connection, user_id: UserId) -> None:
    for statement in _OWN_ROWS:
        run(connection, statement, user_id)
    run(connection, _NOBODY, user_id)
