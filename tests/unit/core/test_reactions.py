"""Who may react to what, how often, and what a message then carries."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gochat.core.delta import Why
from gochat.core.erasure import EraseReaction
from gochat.core.errors import ChatError, InvalidPayload
from gochat.core.limits import Limits
from gochat.core.messages import DeleteMessage, EditMessage
from gochat.core.model import Conversation, History, Kind, Member, Message, Reaction, Role, UserId
from gochat.core.reactions import SHOWN, SHOWN_IN_ALL, React, kind_of, names_all, seen_by
from tests.unit.core.memory import Memory
from tests.unit.core.world import (
    ADMIN,
    DELETED,
    DIRECT,
    GONE,
    GROUP,
    LAST,
    LATE,
    LATE_FROM,
    MEMBER,
    NO_MESSAGE,
    NOBODY,
    NOT_THERE,
    NOWHERE,
    OWNER,
    REVISION,
    STRANGER,
    direct,
    world,
)

HEART, THUMB = "❤️", "👍"
KINDS = ["👍", "❤️", "😂", "custom:party"]


def test_a_message_shows_so_many_of_who_reacted() -> None:
    """Apps lay them out by it."""
    assert (SHOWN, SHOWN_IN_ALL) == (20, 120)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("👍", "👍"),
        ("❤️", "❤️"),
        ("❤", "❤️"),
        ("👍🏽", "👍🏽"),
        ("🇩🇪", "🇩🇪"),
        ("1️⃣", "1️⃣"),
        ("1⃣", "1️⃣"),
        ("👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"),
        ("🏳‍🌈", "🏳️‍🌈"),
        ("custom:party-parrot_1", "custom:party-parrot_1"),
        ("custom:" + "a" * 32, "custom:" + "a" * 32),
    ],
)
def test_a_reaction_is_one_emoji(text: str, kept: str) -> None:
    assert kind_of(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "a", "1", "#", "ok", "👍👍", "👍 ", "👍❤️", "👍\ufe0e", "🇩", "🇩🇪🇫🇷", "👍‍👎"),
        *("\u200d", "\ufe0f", "\u20e3", "🏻"),
        *("custom:", "custom:A", "custom:é", "custom:a b", "custom:" + "a" * 33, "Custom:a"),
    ],
)
def test_what_is_no_reaction(text: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        kind_of(text)
    assert (refusal.value.field, refusal.value.details) == ("emoji", {"reason": "no_emoji"})


def told(memory: Memory, command: React) -> Message | ChatError:
    (answer,) = memory.decide(command, 0).result.values()
    return answer


@pytest.mark.parametrize(
    ("who", "cid", "seq", "outcome"),
    [
        (OWNER, GROUP, 1, "ok"),
        (ADMIN, GROUP, 1, "ok"),
        (MEMBER, GROUP, 1, "ok"),
        (LATE, GROUP, LATE_FROM, "ok"),
        (LATE, GROUP, LATE_FROM - 1, NO_MESSAGE),
        (MEMBER, GROUP, LAST + 1, NO_MESSAGE),
        (MEMBER, GROUP, DELETED, ("message_deleted", "seq")),
        (GONE, GROUP, 1, NOT_THERE),
        (STRANGER, GROUP, 1, NOT_THERE),
        (NOBODY, GROUP, 1, NOT_THERE),
        (OWNER, NOWHERE, 1, NOT_THERE),
        (MEMBER, DIRECT, 1, "ok"),
        (ADMIN, DIRECT, 1, NOT_THERE),
    ],
)
@pytest.mark.parametrize("on", [True, False])
def test_who_may_react(who: UserId, cid: int, seq: int, outcome: object, on: bool) -> None:
    answer = told(world(), React(cid, seq, {(who, THUMB): on}))
    assert (answer if isinstance(answer, Message) else (answer.code, answer.field)) == outcome or (
        outcome == "ok" and isinstance(answer, Message)
    )


def test_nobody_reacts_where_one_has_blocked_the_other() -> None:
    memory = world()
    memory.conversations[DIRECT] = replace(direct(), blocked=True)
    answer = told(memory, React(DIRECT, 1, {(MEMBER, THUMB): True}))
    assert isinstance(answer, ChatError)
    assert (answer.code, answer.details) == ("forbidden", {"reason": "blocked"})


def test_a_reaction_takes_one_revision_and_the_same_again_none() -> None:
    memory = world()
    command = React(GROUP, 1, {(MEMBER, THUMB): True, (STRANGER, THUMB): True, (OWNER, HEART): True})
    (answers,), (change,) = memory.run([command], 0)
    message = memory.messages[GROUP, 1]
    assert message.reactions == (Reaction(THUMB, 1, (MEMBER,)), Reaction(HEART, 1, (OWNER,)))
    assert (message.revision, memory.conversations[GROUP].revision) == (REVISION + 1, REVISION + 1)
    assert (change.why, change.delta.messages) == (Why.MESSAGE_REACTED, (message,))
    assert answers[STRANGER, THUMB].code == "not_found"
    assert [it.mine for it in answers[MEMBER, THUMB].reactions] == [True, False]
    assert [it.mine for it in answers[OWNER, HEART].reactions] == [False, True]
    (again,), changes = memory.run([React(GROUP, 1, {(MEMBER, THUMB): True, (OWNER, THUMB): False})], 0)
    assert (changes, again[MEMBER, THUMB]) == ([], answers[MEMBER, THUMB])
    assert memory.messages[GROUP, 1] == message
    memory.run([React(GROUP, 1, {(MEMBER, THUMB): False, (OWNER, HEART): False})], 0)
    assert (memory.messages[GROUP, 1].extras, memory.reactions) == (None, {})


def test_an_edit_keeps_them_and_a_delete_takes_them_away() -> None:
    memory = world()
    memory.run([React(GROUP, 3, {(OWNER, THUMB): True})], 0)
    memory.run([EditMessage(GROUP, MEMBER, 3, "other")], 0)
    assert memory.messages[GROUP, 3].reactions == (Reaction(THUMB, 1, (OWNER,)),)
    again = React(GROUP, 3, {(ADMIN, THUMB): True})
    answers, _ = memory.run([again, DeleteMessage(GROUP, MEMBER, 3), again], 0)
    assert answers[2][ADMIN, THUMB].code == "message_deleted"
    assert (memory.messages[GROUP, 3].reactions, memory.reactions) == ((), {})


@pytest.mark.parametrize("users", [1, 2])
def test_kinds_are_bounded(users: int) -> None:
    memory = world(Limits(reactions=3, reaction_kinds=5))
    names = [f"custom:{n}" for n in range(7)]
    for n in range(3 * users - (users == 2)):
        memory.run([React(GROUP, 1, {((OWNER, MEMBER)[n // 3], names[n]): True})], 0)
    last = (OWNER, MEMBER)[users - 1]
    answer = told(memory, React(GROUP, 1, {(last, names[6]): True}))
    name, limit = (("reactions", 3), ("reaction_kinds", 5))[users - 1]
    assert isinstance(answer, ChatError)
    assert (answer.code, answer.field, answer.details) == (
        "limit_exceeded",
        "emoji",
        {"name": name, "limit": limit},
    )
    assert isinstance(told(memory, React(GROUP, 1, {(last, names[3 * users - 3]): True})), Message)
    swap = React(GROUP, 1, {(last, names[3 * users - 3]): False, (last, names[6]): True})
    assert [type(it) for it in memory.decide(swap, 0).result.values()] == [Message, Message]


def test_a_deleted_account_takes_its_reactions_along_even_from_where_it_was() -> None:
    memory = world()
    memory.run([React(GROUP, 1, {(MEMBER, THUMB): True, (OWNER, THUMB): True})], 0)
    memory.members[GROUP, MEMBER] = replace(memory.members[GROUP, MEMBER], active=False)
    erase = EraseReaction(GROUP, MEMBER, 1, THUMB)
    memory.run([erase], 0)
    assert memory.messages[GROUP, 1].reactions == (Reaction(THUMB, 1, (OWNER,)),)
    assert memory.run([erase], 0)[1] == []
    assert memory.outcome(replace(erase, seq=99)) == ("not_found", None)


def crowd(count: int) -> Memory:
    conversation = Conversation(1, Kind.GROUP, None, History.FROM_START, 1, 1, 1, count, 1, 1)
    members = [Member(1, user_id, Role.MEMBER, True, 1, 1, 1) for user_id in range(1, count + 1)]
    message = Message(1, 1, 1, 1, bytes(16), b"", "hi", (), 1)
    return Memory(
        Limits(),
        conversations={1: conversation},
        members={(1, it.user_id): it for it in members},
        messages={(1, 1): message},
    )


def test_who_is_shown_is_bounded_whatever_many_do() -> None:
    memory = crowd(400)
    for n in range(50):
        memory.run([React(1, 1, {(user_id, f"custom:{n}"): True for user_id in range(1, 401)})], 0)
        memory.reactions = {key: at for key, at in memory.reactions.items() if key[3] != f"custom:{n}"}
        reactions = memory.messages[1, 1].reactions
        assert sum(len(it.user_ids) for it in reactions) <= SHOWN_IN_ALL
        assert {it.count for it in reactions} == {400}


def shown(memory: Memory) -> list[tuple[int, ...]]:
    return [it.user_ids for it in memory.messages[1, 1].reactions]


def test_the_newest_are_shown_and_others_in_the_place_of_who_takes_it_back() -> None:
    memory = crowd(30)
    memory.run([React(1, 1, {(user_id, THUMB): True}) for user_id in range(1, 26)], 0)
    assert shown(memory) == [tuple(range(25, 5, -1))]
    memory.run([React(1, 1, {(25, THUMB): False, (24, THUMB): False, (26, THUMB): True})], 0)
    assert shown(memory) == [(26, *range(23, 4, -1))]
    memory.run([React(1, 1, {(user_id, THUMB): False for user_id in range(3, 27)})], 0)
    assert shown(memory) == [(2, 1)]
    memory.run([React(1, 1, {(1, THUMB): False, (2, THUMB): False})], 0)
    assert shown(memory) == []


@pytest.mark.parametrize(("count", "named"), [(1, True), (2, True), (3, False)])
def test_of_one_that_names_all_who_made_it_nothing_else_need_be_read(count: int, named: bool) -> None:
    """Nor is it believed: what was read besides may be older."""
    reaction = Reaction(THUMB, count, (OWNER, ADMIN))
    message = world().messages[GROUP, 1].with_reactions((reaction,))
    assert names_all(reaction) is named
    assert [it.mine for it in seen_by(message, MEMBER, {THUMB}).reactions] == [not named]
    assert [it.mine for it in seen_by(message, OWNER, ()).reactions] == [True]


@pytest.mark.parametrize(("on", "in_their_place"), [(False, 4), (True, 5)])
def test_who_took_it_back_just_before_is_not_shown_in_the_place_of_another(
    on: bool, in_their_place: int
) -> None:
    """In one batch: the rows are read as they were before it."""
    memory = crowd(30)
    memory.run([React(1, 1, {(user_id, THUMB): True}) for user_id in range(1, 26)], 0)
    memory.run([React(1, 1, {(5, THUMB): on}), React(1, 1, {(25, THUMB): False})], 0)
    assert shown(memory) == [(*range(24, 5, -1), in_their_place)]


@pytest.mark.parametrize(("kinds", "each"), [(6, 20), (7, 17), (20, 6), (120, 1), (121, 1)])
def test_of_many_kinds_each_shows_fewer(kinds: int, each: int) -> None:
    memory = crowd(30)
    memory.limits = Limits(reactions=kinds, reaction_kinds=kinds)
    for n in range(kinds):
        memory.run([React(1, 1, {(user_id, f"custom:{n}"): True for user_id in range(1, 31)})], 0)
    assert [len(it) for it in shown(memory)] == [each] * kinds
    memory.run([React(1, 1, {(30, "custom:0"): False})], 0)
    assert [len(it) for it in shown(memory)] == [each] * kinds


wishes = st.dictionaries(
    st.tuples(st.integers(1, 60), st.sampled_from(KINDS)), st.booleans(), min_size=1, max_size=80
)


@given(st.lists(st.lists(wishes, min_size=1, max_size=3), max_size=8))
def test_counts_are_exact_and_those_shown_are_the_newest(
    batches: list[list[dict[tuple[int, str], bool]]],
) -> None:
    memory = crowd(60)
    there: dict[str, dict[UserId, None]] = {}
    for batch in batches:
        answers, _ = memory.run([React(1, 1, wanted) for wanted in batch], 0)
        for wanted in batch:
            made_now: dict[str, list[UserId]] = {}
            for (user_id, emoji), on in wanted.items():
                made = there.setdefault(emoji, {})
                if on and user_id not in made:
                    made[user_id] = None
                    made_now.setdefault(emoji, []).append(user_id)
                if not on:
                    made.pop(user_id, None)
        message = memory.messages[1, 1]
        told = {it.emoji: it for it in message.reactions}
        assert {emoji: it.count for emoji, it in told.items()} == {
            emoji: len(made) for emoji, made in there.items() if made
        }
        for emoji, it in told.items():
            assert len(set(it.user_ids)) == len(it.user_ids) == min(SHOWN, it.count)
            assert set(it.user_ids) <= there[emoji].keys()
            newest = made_now.get(emoji, [])[: -SHOWN - 1 : -1]
            assert list(it.user_ids[: len(newest)]) == newest
        assert {key[1:3] + key[3:] for key in memory.reactions} == {
            (user_id, 1, emoji) for emoji, made in there.items() for user_id in made
        }
        for (user_id, emoji), answer in answers[-1].items():
            assert {it.emoji for it in answer.reactions if it.mine} == {
                kind for kind, made in there.items() if user_id in made
            }, emoji
            own = {kind for _, who, _, kind in memory.reactions if who == user_id}
            assert seen_by(message, user_id, own) == answer
