"""One batch of commands in one transaction: load, decide each in order, write. The commit is the caller's."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gochat.core.commands import Block, Command, UpdateProfile
from gochat.core.decide import decide
from gochat.core.delta import Committed, MeChange, OwnConversation
from gochat.core.errors import ChatError, Internal, InvalidPayload
from gochat.core.limits import Limits
from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.state import Receipt, Result, State
from gochat.storage import rows
from gochat.storage.dialects import Asked, Row
from gochat.storage.load import Loaded, Transaction, load

log = logging.getLogger(__name__)

Answer = Result | ChatError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch, once its transaction is committed."""

    answers: tuple[Answer, ...]
    """One for each command, in their order."""
    committed: Committed | None
    """None: it changed nothing."""


def run(
    transaction: Transaction, commands: Sequence[Command], limits: Limits, process_id: int, n: int
) -> Outcome:
    """Decide the commands and write what they change, with the row that proves it: batch `n` of a process."""
    loaded = load(transaction, commands)
    state = loaded.state
    answers = [_decide(state, command, loaded.now, limits) for command in commands]
    changed = bool(state.changed or state.changed_members or state.me_since)
    if changed:
        _write(transaction, loaded, process_id, n)
    totals = _total_unread(transaction, answers, state.profiles)
    return Outcome(
        tuple(_with_totals(answer, totals) for answer in answers) if totals else tuple(answers),
        Committed(tuple(state.changes(limits)), tuple(_me_changes(state, totals))) if changed else None,
    )


def _decide(state: State, command: Command, now: Millis, limits: Limits) -> Answer:
    try:
        decision = decide(state, command, now, limits)
    except ChatError as refusal:
        return refusal.with_traceback(None)
    except UnicodeEncodeError:
        return InvalidPayload("It is no Unicode text.")
    except Exception:
        log.exception("A %s could not be decided.", type(command).__name__)
        return Internal()
    state.apply(decision)
    return decision.result


def _write(transaction: Transaction, loaded: Loaded, process_id: int, n: int) -> None:
    sql, state = transaction.sql, loaded.state
    # Of conversations, those that are new and had nothing reserved must not take another's place.
    new: list[Row] = []
    old: list[Row] = []
    spans = state.spans()
    for cid, it in state.changed.items():
        created = cid in spans and spans[cid][0] == 0
        (new if created and it.unique_key is None else old).append(rows.CONVERSATIONS.write(it))
    _skip(transaction, state.unreadable)
    transaction.write(
        (sql.unreserve, [(cid,) for cid in sorted(loaded.reserved - state.changed.keys())]),
        (sql.insert_messages, [rows.MESSAGES.write(it) for it in state.created.values()]),
        (sql.update_messages, [rows.MESSAGES.write(it) for it in state.updated.values()]),
        (sql.insert_conversations, new),
        (sql.update_conversations, old),
        (sql.write_members, [rows.MEMBERS.write(it) for it in state.changed_members.values()]),
        (sql.write_users, [(user_id, state.me[user_id]) for user_id in state.me_since]),
        *_profile_writes(transaction, loaded),
        (sql.insert_batch, [(process_id, n, rows.changes_out(state), loaded.now)]),
    )


def _profile_writes(transaction: Transaction, loaded: Loaded) -> Iterable[Asked]:
    sql, state = transaction.sql, loaded.state
    pairs: dict[tuple[UserId, UserId], bool] = {}
    fields: list[Row] = []
    for user_id, decided in state.profiles.items():
        pairs |= {(user_id, it.other_id): it.on for it in decided if isinstance(it, Block)}
        updates = [it for it in decided if isinstance(it, UpdateProfile)]
        names = [it.display_name for it in updates if it.display_name is not None]
        hidden = [int(it.presence_hidden) for it in updates if it.presence_hidden is not None]
        last: list[object] = [names[-1] if names else None, hidden[-1] if hidden else None]
        fields.append([user_id, state.me[user_id], *last])
    yield sql.insert_blocks, [[*pair, loaded.now] for pair, on in pairs.items() if on]
    yield sql.delete_blocks, [pair for pair, on in pairs.items() if not on]
    yield sql.write_profiles, fields


def _skip(transaction: Transaction, unreadable: Iterable[tuple[ConversationId, int]]) -> None:
    by_conversation: dict[ConversationId, list[int]] = {}
    for cid, seq in unreadable:
        by_conversation.setdefault(cid, []).append(seq)
    for cid, seqs in by_conversation.items():
        transaction.run(transaction.sql.skip(len(seqs)), *seqs, cid, max(seqs))


def _total_unread(
    transaction: Transaction, answers: Iterable[Answer], others: Iterable[UserId]
) -> dict[UserId, int]:
    """Of everyone whose receipts the batch answers, and of others, as of its end."""
    users = set(others)
    for answer in answers:
        if isinstance(answer, dict):
            users.update(user_id for user_id, receipt in answer.items() if isinstance(receipt, Receipt))
    if not users:
        return {}
    found = transaction.find(transaction.sql.total_unread, [(user_id,) for user_id in sorted(users)])
    return {user_id: int(total) for user_id, total in found}


def _with_totals(answer: Answer, totals: dict[UserId, int]) -> Answer:
    if not isinstance(answer, dict):
        return answer
    return {
        user_id: replace(receipt, total_unread=totals.get(user_id, 0))
        if isinstance(receipt, Receipt)
        else receipt
        for user_id, receipt in answer.items()
    }


def _me_changes(state: State, totals: dict[UserId, int]) -> Iterable[MeChange]:
    if not state.me_since:
        return
    own: dict[UserId, list[OwnConversation]] = {user_id: [] for user_id in state.me_since}
    for member in state.changed_members.values():
        if member.user_id in own and member.me_revision > state.me_since[member.user_id]:
            last_seq = state.conversations[member.conversation_id].last_seq
            own[member.user_id].append(OwnConversation(member, member.unread(last_seq)))
    for user_id, since in state.me_since.items():
        total, profile = totals.get(user_id, 0), user_id in state.profiles
        yield MeChange(user_id, since, state.me[user_id], tuple(own[user_id]), total, profile)
