"""One batch of commands in one transaction: load, decide each in order, write. The commit is the caller's."""

import logging
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from enum import Enum, auto
from functools import partial
from typing import TypeVar

from gochat.core.command import AnyCommand, Gathered
from gochat.core.delta import Committed, MeChange, MeConversation
from gochat.core.errors import ChatError, Internal, InvalidPayload
from gochat.core.limits import Limits
from gochat.core.model import Conversation, ConversationId, Member, Message, Millis, Private, UserId
from gochat.core.state import State
from gochat.core.values import value
from gochat.storage import rows, sides
from gochat.storage.aside import line_of
from gochat.storage.dialects import Asked, Row
from gochat.storage.load import Loaded, Transaction, load
from gochat.storage.turns import whose_turn

log = logging.getLogger(__name__)

K = TypeVar("K")
T = TypeVar("T")

_SIDE_AT = 1 + len(rows.MEMBERS.columns)


class Held(Enum):
    """Not decided: somebody else holds a row that it needs."""

    HELD = auto()


@value(frozen=True, slots=True)
class Before:
    """Rows as they were before anything was decided."""

    conversations: Mapping[ConversationId, Conversation]
    members: Mapping[tuple[ConversationId, UserId], Member]


@value(frozen=True, slots=True)
class Outcome:
    """What became of a batch, once its transaction is committed."""

    answers: tuple[object, ...]
    """One for each command, in their order: what it is answered with, or the ChatError that refuses it."""
    committed: Committed | None
    """None: it changed nothing."""
    held: bool = False
    """Whether there is a HELD among the answers."""


def run(
    transaction: Transaction,
    commands: Sequence[AnyCommand],
    limits: Limits,
    process_id: int,
    n: int,
    *,
    wait: bool = False,
) -> Outcome:
    """Decide the commands and write what they change, with the row that proves it: batch `n` of a process.

    `wait`: for a moment, for rows that somebody else has locked. Else what needs one is answered with HELD.
    """
    loaded = load(transaction, commands, wait=wait)
    state = loaded.state
    before = Before(dict(state.conversations), dict(state.members))
    answers = _decide_all(loaded, commands, limits)
    changed = state.written
    if changed:
        for conversation_id, revision in state.revealed(limits).items():
            transaction.run(transaction.sql.reveal, revision, conversation_id)
        _write(transaction, loaded, before, process_id, n)
    totals = _total_unread(transaction, state.totals, loaded.now)
    if totals:
        told = zip(commands, answers, strict=True)
        answers = [
            it if isinstance(it, ChatError | Held) else command.told(it, totals) for command, it in told
        ]
    held = loaded.held is not None
    if not changed:
        return Outcome(tuple(answers), None, held)
    told_me = tuple(_me_changes(transaction, state, totals, loaded.now))
    return Outcome(tuple(answers), Committed(tuple(state.changes(limits)), told_me), held)


def _decide_all(loaded: Loaded, commands: Sequence[AnyCommand], limits: Limits) -> list[object]:
    """In order. What a user submitted after what is held, and must not come before it, is held too."""
    state, now = loaded.state, loaded.now
    if loaded.held is None:
        return [_decide(state, command, now, limits) for command in commands]
    answers: list[object] = []
    held: set[tuple[Hashable, int]] = set()
    for command in commands:
        theirs = None if isinstance(command, Gathered) else (line_of(command), whose_turn(command))
        if theirs in held or loaded.holds(command):
            if theirs is not None:
                held.add(theirs)
            answers.append(Held.HELD)
        else:
            answers.append(_decide(state, command, now, limits))
    return answers


def _decide(state: State, command: AnyCommand, now: Millis, limits: Limits) -> object:
    try:
        decision = command.decide(state, now, limits)
    except ChatError as refusal:
        return refusal.with_traceback(None)
    except UnicodeEncodeError:
        return InvalidPayload("It is no Unicode text.")
    except Exception:
        log.exception("A %s could not be decided.", type(command).__name__)
        return Internal()
    state.apply(decision)
    return decision.result


def _write(transaction: Transaction, loaded: Loaded, before: Before, process_id: int, n: int) -> None:
    sql, state = transaction.sql, loaded.state
    _skip(transaction, state.unreadable)
    for message in state.forgotten_reactions:
        transaction.run(sql.forget_reactions, *message)
    transaction.write(
        (
            sql.unreserve,
            [(conversation_id,) for conversation_id in sorted(loaded.reserved - state.changed.keys())],
        ),
        (sql.insert_messages, [rows.MESSAGES.write(it) for it in state.created.values()]),
        (sql.update_messages, [rows.MESSAGES.write(it) for it in state.updated.values()]),
        (sql.write_sides, [rows.SIDES.write(it) for it in state.changed_sides.values()]),
        (sql.insert_mentions, [key for key, on in state.changed_mentions.items() if on]),
        (sql.delete_mentions, [key for key, on in state.changed_mentions.items() if not on]),
        (sql.write_reactions, [(*key, at) for key, at in state.changed_reactions.items() if at]),
        (sql.delete_reactions, [key for key, at in state.changed_reactions.items() if not at]),
        *_conversation_writes(transaction, state, before.conversations),
        *_member_writes(transaction, state, before.members),
        (sql.write_users, [(user_id, state.me[user_id]) for user_id in state.me_since]),
        *_profile_writes(transaction, loaded),
        (sql.insert_batch, [(process_id, n, rows.changes_out(state), loaded.now)]),
    )


def _conversation_writes(
    transaction: Transaction, state: State, before: Mapping[ConversationId, Conversation]
) -> Iterable[Asked]:
    sql = transaction.sql
    moved, others = _moved_apart(state.changed, before, rows.MOVING)
    # Those that are new and had nothing reserved must not take another's place.
    new = [it for it in others if it.id not in before and it.unique_key is None]
    old = [it for it in others if it.id in before or it.unique_key is not None]
    return (
        (sql.insert_conversations, [rows.CONVERSATIONS.write(it) for it in new]),
        (sql.update_conversations, [rows.CONVERSATIONS.write(it) for it in old]),
        (sql.move_conversations, moved),
    )


def _member_writes(
    transaction: Transaction, state: State, before: Mapping[tuple[ConversationId, UserId], Member]
) -> Iterable[Asked]:
    sql = transaction.sql
    moved, others = _moved_apart(state.changed_members, before, rows.MOVING_MEMBERS)
    return (sql.write_members, [rows.MEMBERS.write(it) for it in others]), (sql.move_members, moved)


def _moved_apart(
    changed: Mapping[K, T], before: Mapping[K, T], moving: rows.Moving[T]
) -> tuple[list[Row], list[T]]:
    """What is written of those of which only that changed; and the others, to be written whole."""
    moved: list[Row] = []
    others: list[T] = []
    for key, it in changed.items():
        was = before.get(key)
        if was is not None and moving.will_do(was, it):
            moved.append(moving.write(it))
        else:
            others.append(it)
    return moved, others


def _profile_writes(transaction: Transaction, loaded: Loaded) -> Iterable[Asked]:
    sql, state = transaction.sql, loaded.state
    if not (state.changed_profiles or state.changed_blocks or state.changed_bans):
        return
    blocks = state.changed_blocks.items()
    yield sql.insert_blocks, [[*pair, loaded.now] for pair, on in blocks if on]
    yield sql.delete_blocks, [pair for pair, on in blocks if not on]
    bans = state.changed_bans.values()
    yield (
        sql.insert_bans,
        [(it.conversation_id, it.user_id, it.banned_by, loaded.now) for it in bans if it.on],
    )
    yield sql.delete_bans, [(it.conversation_id, it.user_id) for it in bans if not it.on]
    yield sql.write_profiles, [rows.PROFILES.write(it) for it in state.changed_profiles.values()]
    yield sql.write_decided, [(user_id, state.me[user_id]) for user_id in state.decided]


def _skip(transaction: Transaction, unreadable: Iterable[Message]) -> None:
    by_conversation: dict[ConversationId, list[Message]] = {}
    for message in unreadable:
        by_conversation.setdefault(message.conversation_id, []).append(message)
    for conversation_id, messages in by_conversation.items():
        given = (number for it in messages for number in (it.seq, it.sender_id))
        transaction.run(
            transaction.sql.skip(len(messages)), *given, conversation_id, max(it.seq for it in messages)
        )


def _total_unread(transaction: Transaction, users: Set[UserId], now: Millis) -> dict[UserId, int]:
    """As of the end of the batch."""
    if not users:
        return {}
    keys = [(user_id,) for user_id in sorted(users)]
    found, sided = transaction.find_each((transaction.sql.total_unread, keys), (transaction.sql.sided, keys))
    totals = dict.fromkeys(users, 0) | {user_id: int(total) for user_id, total in found}
    theirs = [(row[0], rows.MEMBERS.read(row[1:_SIDE_AT]), rows.SIDES.read(row[_SIDE_AT:])) for row in sided]
    for user_id, added in sides.counted(theirs, partial(_unread_mentions, transaction), now).items():
        totals[user_id] += added
    return totals


def _unread_mentions(transaction: Transaction, asked: Sequence[sides.ReadUpTo]) -> sides.Mentions:
    # Whatever is read has all before it written first; without that a plain send is written with its COMMIT.
    if not asked:
        return {}
    found = transaction.find(transaction.sql.unread_mentions, asked)
    return {(conversation_id, user_id): count for conversation_id, user_id, count in found}


def _me_changes(
    transaction: Transaction, state: State, totals: dict[UserId, int], now: Millis
) -> Iterable[MeChange]:
    if not state.me_since:
        return
    own: dict[UserId, list[Member]] = {user_id: [] for user_id in state.me_since}
    for member in state.changed_members.values():
        if member.user_id in own and member.me_revision > state.me_since[member.user_id]:
            own[member.user_id].append(member)
    # One question for them all: while it is asked, everybody else's writes wait.
    behind = [
        (it.conversation_id, it.user_id, it.read_seq)
        for theirs in own.values()
        for it in theirs
        if it.unread(state.conversations[it.conversation_id].last_seq)
    ]
    mentions = _unread_mentions(transaction, behind)
    decided = set(state.decided)
    for user_id, since in state.me_since.items():
        told = tuple(_own(state, own[user_id], mentions, now))
        total, profile = totals.get(user_id, 0), user_id in decided
        said = state.said.get(user_id, 0)
        yield MeChange(user_id, since, state.me[user_id], told, total, profile, said)


def _own(
    state: State, members: Sequence[Member], mentions: sides.Mentions, now: Millis
) -> Iterable[MeConversation]:
    """A user's own sides of conversations, as of the end of the batch."""
    for member in members:
        key = member.conversation_id, member.user_id
        last_seq = state.conversations[member.conversation_id].last_seq
        private = Private.of(state.sides.find(key), member, last_seq, mentions.get(key, 0), now)
        yield MeConversation(member, member.unread(last_seq), private)
