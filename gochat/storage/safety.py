"""Reports with what they are about, accounts that are closed, and the audit of what operators did."""
# ruff: noqa: S608 (statements are put together of nothing but this package's constants)

import orjson
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from gochat.core.model import ConversationId, Message, Millis, SessionId, UserId
from gochat.core.reports import AROUND, KEEP_MS, Filed, Report
from gochat.ids import new_id
from gochat.storage import rows
from gochat.storage.database import Database
from gochat.storage.fetch import fetch, run
from gochat.storage.operating import Act, note
from gochat.storage.sessions import revoke_all

_FILED = (
    "id, reporter_id, user_id, conversation_id, seq, reason, comment, snapshot,"
    " created_at, resolved_at, resolution"
)
_ADD = f"""
INSERT INTO reports ({_FILED}, client_report_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?)
"""
_SEEN = """
SELECT m.visible_from_seq FROM members m WHERE m.user_id = ? AND m.conversation_id = ? AND m.active = 1
"""
_MESSAGES = f"""
SELECT {rows.columns(rows.MESSAGES, "m")} FROM messages m
WHERE m.conversation_id = ? AND m.seq >= ? AND m.seq <= ? ORDER BY m.seq
"""
_PURGE = "DELETE FROM reports WHERE created_at < ?"


class StoredReports:
    """Implements `core.ports.safety.Reports`, and what operators do with reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def file(self, report: Report, now: Millis) -> UserId | None:
        """Keep a report."""
        return await self._database.write(_file, report, now)

    async def open(self, limit: int, *, resolved: bool, before: Filed | None = None) -> tuple[Filed, ...]:
        """The newest reports, those that are resolved too or not; `before`: those after it in that order."""
        return await self._database.read(_list, limit, resolved, before)

    async def filed(self, report_id: int) -> Filed | None:
        """One report."""
        return await self._database.read(_get, report_id)

    async def resolve(self, report_id: int, resolution: str, act: Act) -> bool:
        """Note what was decided; whether there is such a report."""
        return await self._database.write(_resolve, report_id, resolution, act)

    async def close_account(self, user_id: UserId, act: Act, *, closed: bool) -> tuple[SessionId, ...]:
        """Close a user's account and end its logins, or open it again; the answer is which logins ended."""
        return await self._database.write(_close_account, user_id, act, closed)


def purge(connection: Connection, now: Millis) -> int:
    """Delete the reports that were kept for long enough."""
    return run(connection, _PURGE, now - KEEP_MS).rowcount


def _file(connection: Connection, report: Report, now: Millis) -> UserId | None:
    if report.conversation_id is not None and report.seq is not None:
        found = _snapshot(connection, report.reporter_id, report.conversation_id, report.seq)
        if found is None:
            return None
        user_id, snapshot = found
    elif report.user_id is not None and fetch(connection, "SELECT 1 FROM users WHERE id = ?", report.user_id):
        user_id, snapshot = report.user_id, None
    else:
        return None
    about = (report.reporter_id, user_id, report.conversation_id, report.seq)
    values = (new_id(), *about, report.reason, report.comment, snapshot, now, report.client_report_id)
    known = "SELECT 1 FROM reports WHERE reporter_id = ? AND client_report_id = ?"
    if not fetch(connection, known, report.reporter_id, report.client_report_id):
        try:
            run(connection, _ADD, *values)
        except IntegrityError:  # the same report, at the same moment
            if not fetch(connection, known, report.reporter_id, report.client_report_id):
                raise
    return user_id


def _snapshot(
    connection: Connection, reporter_id: UserId, conversation_id: ConversationId, seq: int
) -> tuple[UserId, str] | None:
    """A message's author and the messages around it, as far as the reporter sees them."""
    seen = fetch(connection, _SEEN, reporter_id, conversation_id)
    if not seen:
        return None
    first = max(seen[0][0], seq - AROUND // 2)
    found = [
        rows.MESSAGES.read(row)
        for row in fetch(connection, _MESSAGES, conversation_id, first, seq + AROUND // 2)
    ]
    author = next((message.sender_id for message in found if message.seq == seq), None)
    if author is None:
        return None
    return author, orjson.dumps([_kept(message) for message in found]).decode()


def _kept(message: Message) -> dict[str, object]:
    return {
        "seq": message.seq,
        "sender_id": f"{message.sender_id:016x}",
        "body": message.body,
        "attachments": [attachment.url for attachment in message.attachments],
        "created_at": message.created_at,
        "edited_at": message.edited_at,
        "deleted_at": message.deleted_at,
    }


def _list(connection: Connection, limit: int, resolved: bool, before: Filed | None) -> tuple[Filed, ...]:
    where = "1 = 1" if resolved else "resolved_at IS NULL"
    values: tuple[int, ...] = ()
    if before is not None:
        where += " AND (created_at < ? OR (created_at = ? AND id < ?))"
        values = (before.created_at, before.created_at, before.id)
    sql = f"SELECT {_FILED} FROM reports WHERE {where} ORDER BY created_at DESC, id DESC LIMIT ?"
    return tuple(Filed(*row) for row in fetch(connection, sql, *values, limit))


def _get(connection: Connection, report_id: int) -> Filed | None:
    found = fetch(connection, f"SELECT {_FILED} FROM reports WHERE id = ?", report_id)
    return Filed(*found[0]) if found else None


def _resolve(connection: Connection, report_id: int, resolution: str, act: Act) -> bool:
    sql = "UPDATE reports SET resolved_at = ?, resolution = ? WHERE id = ?"
    if run(connection, sql, act.at, resolution, report_id).rowcount == 0:
        return False
    note(connection, act)
    return True


def _close_account(connection: Connection, user_id: UserId, act: Act, closed: bool) -> tuple[SessionId, ...]:
    ended = revoke_all(connection, user_id, act.at, None) if closed else ()
    run(connection, "UPDATE users SET disabled_at = ? WHERE id = ?", act.at if closed else None, user_id)
    note(connection, act)
    return ended
