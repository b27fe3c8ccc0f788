"""The rows of a database, and what must be true of them whatever happened."""

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from gochat.core.model import Conversation, ConversationId, Kind, Member, Message, Role, UserId
from gochat.storage import rows
from gochat.storage.engines import write_engine


@dataclass(frozen=True)
class Stored:
    """All of a database that the writer writes."""

    conversations: dict[ConversationId, Conversation]
    members: dict[tuple[ConversationId, UserId], Member]
    messages: dict[tuple[ConversationId, int], Message]
    batches: dict[tuple[int, int], rows.Changes]
    me_revisions: dict[UserId, int]

    def by_key(self) -> dict[tuple[UserId, bytes], Message]:
        """Messages by sender and retry key."""
        return {(it.sender_id, it.client_message_id): it for it in self.messages.values()}


def read(url: str) -> Stored:
    """Read all of it."""
    engine = write_engine(url)
    with engine.connect() as connection:
        conversations = [rows.CONVERSATIONS.read(row) for row in _all(connection, rows.CONVERSATIONS)]
        members = [rows.MEMBERS.read(row) for row in _all(connection, rows.MEMBERS)]
        messages = [rows.MESSAGES.read(row) for row in _all(connection, rows.MESSAGES)]
        batches = connection.exec_driver_sql("SELECT process_id, n, changes FROM batches").fetchall()
        users = connection.exec_driver_sql("SELECT id, me_revision FROM users").fetchall()
    engine.dispose()
    return Stored(
        {it.id: it for it in conversations},
        {(it.conversation_id, it.user_id): it for it in members},
        {(it.conversation_id, it.seq): it for it in messages},
        {(process_id, n): rows.changes_in(changes) for process_id, n, changes in batches},
        dict(tuple(row) for row in users),
    )


def check(stored: Stored) -> None:
    """Whatever was written, by however many processes, in spite of whatever faults."""
    for conversation in stored.conversations.values():
        _check_conversation(stored, conversation)
    _check_batches(stored)
    _check_skipped(stored)
    assert len(stored.by_key()) == len(stored.messages)


def _all(connection: Connection, table: rows.Table) -> list[Any]:
    statement = f"SELECT {rows.columns(table, 't')} FROM {table.name} t"
    return list(connection.exec_driver_sql(statement).fetchall())


def _check_conversation(stored: Stored, conversation: Conversation) -> None:
    cid = conversation.id
    seqs = sorted(seq for (of, seq) in stored.messages if of == cid)
    assert seqs == list(range(1, conversation.last_seq + 1))
    assert conversation.revision >= 1 + conversation.last_seq
    messages = [stored.messages[(cid, seq)] for seq in seqs]
    assert all(one.created_at <= other.created_at for one, other in itertools.pairwise(messages))
    taken = Counter(message.revision for message in messages)
    assert all(count == 1 for count in taken.values())
    assert max(taken, default=0) <= conversation.revision
    active = [it for (of, _), it in stored.members.items() if of == cid and it.active]
    assert len(active) == conversation.member_count
    owners = [it for it in active if it.role is Role.OWNER]
    assert len(owners) == (1 if conversation.kind is Kind.GROUP and active else 0)


def _check_batches(stored: Stored) -> None:
    """Numbers without a hole in each process; spans of revisions without a hole over all of them."""
    numbers = defaultdict(list)
    spans = defaultdict(list)
    for (process_id, n), changes in stored.batches.items():
        numbers[process_id].append(n)
        for cid, span in changes.conversations.items():
            spans[cid].append(span)
    for taken in numbers.values():
        assert sorted(taken) == list(range(1, len(taken) + 1))
    for cid, conversation in stored.conversations.items():
        revision = 0
        for since, until in sorted(spans[cid]):
            assert since == revision
            revision = until
        assert revision == conversation.revision
    assert spans.keys() == stored.conversations.keys()


def _check_skipped(stored: Stored) -> None:
    deleted, own = defaultdict(set), defaultdict(set)
    for (cid, seq), message in stored.messages.items():
        own[(cid, message.sender_id)].add(seq)
        if message.deleted_at is not None or message.is_system:
            deleted[cid].add(seq)
    for key, member in stored.members.items():
        if member.active:
            skipped = deleted[member.conversation_id] | own[key]
            assert member.skipped == sum(seq > member.read_seq for seq in skipped)
