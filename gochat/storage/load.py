"""Loads what a batch needs, inside its transaction: first of all the locks, then rows as they are now."""

from collections.abc import Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from gochat.core.command import AnyCommand, Reserving
from gochat.core.model import Conversation, ConversationId, History, Kind, Millis, Role, UserId
from gochat.core.needs import Needs
from gochat.core.reactions import SHOWN
from gochat.core.state import State
from gochat.storage import rows
from gochat.storage.dialects import Asked, Driver, Row, Statement
from gochat.storage.statements import Statements


class Transaction:
    """A transaction under way on a connection: the driver's, without SQLAlchemy's share of each statement.

    What it writes travels with the COMMIT, in one round trip, unless something is read before.
    """

    def __init__(self, connection: Driver, sql: Statements) -> None:
        self._connection = connection
        self.sql = sql
        self._unwritten: list[Asked] = []

    def find(self, statement: Statement, keys: Sequence[Row]) -> Sequence[Any]:
        """The rows of some keys."""
        (found,) = self.find_each((statement, keys))
        return found

    def find_each(self, *asked: Asked) -> list[Sequence[Any]]:
        """The rows of each statement, in one round trip, read one after the other. No keys find no rows."""
        self._write()
        wanted = [it for it in asked if it[1]]
        found = iter(self.sql.dialect.find(self._connection, wanted) if wanted else ())
        return [next(found) if keys else () for _, keys in asked]

    def rows(self, statement: str, *parameters: object) -> Sequence[Any]:
        """What a SELECT finds."""
        self._write()
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(statement, parameters)
            found: Sequence[Any] = cursor.fetchall()
            return found

    def write(self, *writes: Asked) -> None:
        """Write the rows of each statement, in that order. No rows write nothing."""
        self._unwritten += [it for it in writes if it[1]]

    def _write(self) -> None:
        if self._unwritten:
            writes, self._unwritten = self._unwritten, []
            self.sql.dialect.write(self._connection, writes)

    def run(self, statement: str, *parameters: object) -> None:
        """Run a statement that finds nothing."""
        self._write()
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(statement, parameters)

    def commit(self) -> None:
        """Make it durable. Without an answer it may be or not."""
        self.sql.dialect.commit(self._connection, self._unwritten)

    def look(self) -> None:
        """See whether the connection lives, and keep it alive; nothing is begun."""
        self.sql.dialect.look(self._connection)

    def rollback(self) -> None:
        """Let go of its locks; nothing of it is left."""
        self._connection.rollback()


@dataclass(slots=True)
class Loaded:
    """The state that a batch is decided on, and the database's clock."""

    state: State
    now: Millis
    reserved: set[ConversationId] = field(default_factory=set)
    """Rows that hold the place of conversations which this batch may create."""
    held: Needs | None = None
    """The conversations and users whose rows somebody else has locked."""

    def holds(self, command: AnyCommand) -> bool:
        """Whether a command needs a row that is held."""
        assert self.held is not None
        needs = Needs()
        command.need(needs)
        needs.conversations.update(self.state.by_key[key] for key in needs.unique_keys)
        return not (
            needs.conversations.isdisjoint(self.held.conversations) and needs.me.isdisjoint(self.held.me)
        )


def load(transaction: Transaction, commands: Sequence[AnyCommand], *, wait: bool = False) -> Loaded:
    """Lock and read what the commands need: all of them reserve conversations, or none does.

    `wait`: for a moment, for rows that somebody else has locked; else they are `held`.

    Locks are taken in one order by every process: reservations by unique key (by batches that hold no lock
    yet), conversations by id, users by id. What was read before its lock would be stale.
    """
    needs = Needs()
    for command in commands:
        command.need(needs)
    loaded = Loaded(State(needs), 0)
    if needs.unique_keys:
        _reserve(transaction, commands, loaded)
        needs.conversations.update(loaded.state.by_key.values())
    _read(transaction, needs, loaded, wait=wait)
    state = loaded.state
    for conversation_id in needs.successors:
        _read_successors(transaction, conversation_id, len(commands), state)
    for key in needs.reactors:
        most = SHOWN + len(needs.reactions)
        state.reactors[key] = tuple(row[0] for row in transaction.rows(transaction.sql.reactors, *key, most))
    if needs.deleted_after:
        _count_deleted(transaction, needs, state)
    return loaded


def _reserve(transaction: Transaction, commands: Sequence[AnyCommand], loaded: Loaded) -> None:
    """Find the conversations of the unique keys; put a row of revision 0 where there is none.

    Whoever comes second to a key waits here until the first has committed, and finds its row.
    """
    sql = transaction.sql
    new = {c.unique_key: c.new_id for c in reversed(commands) if isinstance(c, Reserving)}
    by_key = loaded.state.by_key
    keys = sorted(key for key in new if key is not None)
    by_key.update(tuple(row) for row in transaction.find(sql.find_keys, [[key] for key in keys]))
    missing = [key for key in keys if key not in by_key]
    if missing:
        places = [rows.CONVERSATIONS.write(_place(new[key], key)) for key in missing]
        transaction.write((sql.reserve, places))
        found = transaction.find(sql.find_keys, [[key] for key in missing])
        by_key.update(tuple(row) for row in found)
        loaded.reserved = {new[key] for key in missing if by_key[key] == new[key]}


def _place(conversation_id: ConversationId, key: str) -> Conversation:
    return Conversation(
        conversation_id, Kind.GROUP, None, History.FROM_START, 0, 0, 0, 0, 0, 0, key, bytes(16)
    )


def _read(transaction: Transaction, needs: Needs, loaded: Loaded, *, wait: bool) -> None:
    """Lock, then read, all at once."""
    sql, state = transaction.sql, loaded.state
    conversations, users, sent, members, sides, messages, existing, profiles, *others = transaction.find_each(
        (sql.lock_conversations if wait else sql.try_conversations, _singles(needs.conversations)),
        (sql.lock_users if wait else sql.try_users, _singles(needs.me)),
        (sql.sent, [(sender_id, key.hex()) for sender_id, key in needs.sent]),
        (sql.members, list(needs.members)),
        (sql.sides, list(needs.sides)),
        (sql.messages, list(needs.messages)),
        (sql.users, _singles(needs.users)),
        (sql.profiles, _singles(needs.profiles)),
        (sql.blocks, sorted(needs.blocks)),
        (sql.blockers, _singles(needs.blockers)),
        (sql.welcome, sorted(needs.welcome)),
        (sql.makers, _singles(needs.makers)),
        (sql.reactions, sorted(needs.reactions)),
        (sql.bans, sorted(needs.bans)),
    )
    for row in sql.dialect.unpack(conversations, rows.CONVERSATIONS):
        state.conversations[row[0]] = rows.CONVERSATIONS.read(row)
        loaded.now = row[-1]
    if not loaded.now:
        loaded.now = transaction.rows(sql.clock)[0][0]
    for row in users:
        state.me[row[0]], state.receipts_hidden[row[0]] = row[1], row[2] == 1
    if not wait:
        loaded.held = _find_held(
            transaction, needs.conversations - state.conversations.keys(), needs.me - state.me.keys()
        )
    _take_members(members, transaction, state)
    for row in sql.dialect.unpack(sides, rows.SIDES):
        state.sides[(row[1], row[0])] = rows.SIDES.read(row)
    _take_sent(sent, transaction, needs, state)
    for row in sql.dialect.unpack(messages, rows.MESSAGES):
        state.messages[(row[0], row[1])] = rows.MESSAGES.read(row)
    if existing or profiles or any(others):
        _take_others(existing, profiles, others, state)


def _take_others(
    existing: Sequence[Any], profiles: Sequence[Any], others: Sequence[Sequence[Any]], state: State
) -> None:
    """What a plain message has nothing of."""
    blocks, blockers, welcome, makers, reactions, bans = others
    state.users.update(tuple(row) for row in existing)
    state.profiles.update((row[0], rows.PROFILES.read(row)) for row in profiles)
    state.blocks.update(((row[0], row[1]), True) for row in blocks)
    state.blockers.update(tuple(row) for row in blockers)
    state.welcome.update(((row[0], row[1]), row[2] == 1) for row in welcome)
    state.makers.update(tuple(row) for row in makers)
    for *place, emoji in reactions:
        key = (place[0], place[1], place[2])
        state.reactions[key] = state.reactions.get(key, frozenset()) | {emoji}
    state.bans.update(((row[0], row[1]), True) for row in bans)


def _find_held(
    transaction: Transaction, conversations: Set[ConversationId], users: Set[UserId]
) -> Needs | None:
    """Of rows that were not locked, those that are there; None: none is."""
    if not conversations and not users:
        return None
    there, they = transaction.find_each(
        (transaction.sql.conversations, _singles(conversations)), (transaction.sql.users, _singles(users))
    )
    held = Needs(conversations={row[0] for row in there}, me={row[0] for row in they})
    return held if held.conversations or held.me else None


def _singles(ids: Set[int]) -> list[Row]:
    return [(id_,) for id_ in sorted(ids)]


def _take_members(found: Sequence[Any], transaction: Transaction, state: State) -> None:
    for row in transaction.sql.dialect.unpack(found, rows.MEMBERS):
        state.members[(row[0], row[1])] = rows.MEMBERS.read(row)


def _take_sent(found: Sequence[Any], transaction: Transaction, needs: Needs, state: State) -> None:
    """Messages sent before; where one is not of the conversation that is named now, its sender's row too."""
    elsewhere = set()
    for message in map(rows.MESSAGES.read, transaction.sql.dialect.unpack(found, rows.MESSAGES)):
        state.sent[(message.sender_id, message.client_message_id)] = message
        elsewhere.add((message.conversation_id, message.sender_id))
    if missing := elsewhere - needs.members:
        needs.members |= missing
        _take_members(transaction.find(transaction.sql.members, list(missing)), transaction, state)


def _read_successors(
    transaction: Transaction, conversation_id: ConversationId, count: int, state: State
) -> None:
    """As many as the batch may take out, and one: but only if its commands can reach the owner at all."""
    if any(key[0] == conversation_id and member.role is Role.OWNER for key, member in state.members.items()):
        for row in transaction.rows(transaction.sql.successors, conversation_id, count + 1):
            state.members[(conversation_id, row[1])] = rows.MEMBERS.read(row)


def _count_deleted(transaction: Transaction, needs: Needs, state: State) -> None:
    """Deleted messages after each seq: counted there, or before it back to `read_seq`, if that is shorter."""
    spans = {}
    for conversation_id, user_id, seq in needs.deleted_after:
        state.deleted_after[(conversation_id, user_id, seq)] = 0
        member, conversation = (
            state.members.get((conversation_id, user_id)),
            state.conversations.get(conversation_id),
        )
        if member is None or conversation is None or not member.skipped:
            continue
        if member.read_seq < seq < conversation.last_seq:
            before = seq - member.read_seq < conversation.last_seq - seq
            span = (member.read_seq, seq) if before else (seq, conversation.last_seq)
            spans[(conversation_id, user_id, seq)] = (*span, member.skipped if before else 0)
    if not spans:
        return
    asked = [(*key, first, last) for key, (first, last, _) in spans.items()]
    for conversation_id, user_id, seq, count in transaction.find(transaction.sql.deleted, asked):
        skipped = spans[(conversation_id, user_id, seq)][2]
        state.deleted_after[(conversation_id, user_id, seq)] = skipped - count if skipped else count
