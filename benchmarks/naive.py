"""How most write it: a session, a transaction and a commit for each message, in a pool of threads."""

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, event, make_url
from sqlmodel import Session, create_engine, select

from gochat.core.messages import SendMessage
from gochat.storage.tables import ConversationRow, MemberRow, MessageRow

THREADS = 32


class TransactionEach:
    """SQLModel. The same rules and the same durable work as ours, the row of `batches` apart."""

    def __init__(self, url: str) -> None:
        sqlite = url.startswith("sqlite")
        threads = 1 if sqlite else THREADS
        self._engine = create_engine(
            url,
            pool_size=threads,
            max_overflow=0,
            **({} if sqlite else {"isolation_level": "READ COMMITTED"}),
        )
        if sqlite:
            _prepare_sqlite(self._engine)
        self._threads = ThreadPoolExecutor(threads)

    def submit(self, command: SendMessage) -> asyncio.Future[int]:
        """Send a message; its seq."""
        return asyncio.get_running_loop().run_in_executor(self._threads, self._send, command)

    def _send(self, command: SendMessage) -> int:
        cid, user_id = command.conversation_id, command.sender_id
        with Session(self._engine) as session:
            conversation = session.exec(
                select(ConversationRow).where(ConversationRow.id == cid).with_for_update()
            ).one()
            sent = session.exec(
                select(MessageRow).where(
                    MessageRow.sender_id == user_id, MessageRow.client_message_id == command.client_message_id
                )
            ).first()
            if sent is not None:
                return int(sent.seq)
            member = session.get(MemberRow, (user_id, cid))
            if member is None or not member.active or not command.body.strip():
                raise PermissionError
            conversation.last_seq += 1
            conversation.revision += 1
            conversation.last_message_at = max(time.time_ns() // 1_000_000, conversation.last_message_at)
            member.read_seq = member.delivered_seq = seq = conversation.last_seq
            member.skipped = 0
            session.add(
                MessageRow(
                    conversation_id=cid,
                    seq=seq,
                    revision=conversation.revision,
                    sender_id=user_id,
                    client_message_id=command.client_message_id,
                    request_hash=command.request_hash,
                    body=command.body,
                    created_at=conversation.last_message_at,
                )
            )
            session.commit()
            return int(seq)

    def close(self) -> None:
        """End its threads and connections."""
        self._threads.shutdown()
        self._engine.dispose()


def _prepare_sqlite(engine: Engine) -> None:
    """As durable as ours, and the write lock taken first."""

    @event.listens_for(engine, "connect")
    def prepare(connection, record) -> None:  # type: ignore[no-untyped-def]
        connection.isolation_level = None
        for setting in ("journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begin(connection) -> None:  # type: ignore[no-untyped-def]
        connection.exec_driver_sql("BEGIN IMMEDIATE")


class PlainTransactionEach:
    """`sqlite3` by itself, in one thread: the same rules and rows, in as few statements as that takes."""

    def __init__(self, url: str) -> None:
        self._threads = ThreadPoolExecutor(1)
        self._connection = sqlite3.connect(
            make_url(url).database or "", isolation_level=None, check_same_thread=False, timeout=10
        )
        for setting in ("journal_mode = WAL", "synchronous = FULL"):
            self._connection.execute(f"PRAGMA {setting}")

    def submit(self, command: SendMessage) -> asyncio.Future[int]:
        """Send a message; its seq."""
        return asyncio.get_running_loop().run_in_executor(self._threads, self._send, command)

    def _send(self, command: SendMessage) -> int:
        run, cid, user_id = self._connection.execute, command.conversation_id, command.sender_id
        run("BEGIN IMMEDIATE")
        seq, revision, at = run(
            "SELECT last_seq + 1, revision + 1, last_message_at FROM conversations WHERE id = ?", (cid,)
        ).fetchone()
        sent = run(
            "SELECT seq FROM messages WHERE sender_id = ? AND client_message_id = ?",
            (user_id, command.client_message_id),
        ).fetchone()
        member = run(
            "SELECT active FROM members WHERE user_id = ? AND conversation_id = ?", (user_id, cid)
        ).fetchone()
        if sent is not None or member != (1,) or not command.body.strip():
            run("ROLLBACK")
            raise PermissionError
        at = max(time.time_ns() // 1_000_000, at)
        key, request_hash = command.client_message_id, command.request_hash
        run(
            "INSERT INTO messages (conversation_id, seq, revision, sender_id, client_message_id,"
            " request_hash, body, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (cid, seq, revision, user_id, key, request_hash, command.body, at),
        )
        run(
            "UPDATE conversations SET last_seq = ?, revision = ?, last_message_at = ? WHERE id = ?",
            (seq, revision, at, cid),
        )
        run(
            "UPDATE members SET delivered_seq = ?, read_seq = ?, skipped = 0"
            " WHERE user_id = ? AND conversation_id = ?",
            (seq, seq, user_id, cid),
        )
        run("COMMIT")
        return int(seq)

    def close(self) -> None:
        """End its thread and its connection."""
        self._threads.shutdown()
        self._connection.close()
