"""Who may make and rename conversations, and what exactly comes of it."""

from dataclasses import replace
from typing import Any

import pytest

from gochat.core.conversations import CreateConversation, UpdateConversation
from gochat.core.delta import Why
from gochat.core.model import (
    Conversation,
    ConversationExtras,
    History,
    Kind,
    Member,
    Role,
    UserId,
    Who,
    direct_key,
    group_key,
)
from gochat.core.state import Decision
from tests.unit.core.world import (
    ADMIN,
    BLOCKED,
    DIRECT,
    FORBIDDEN,
    GONE,
    GROUP,
    MEMBER,
    NOBODY,
    NOT_THERE,
    NOW,
    NOWHERE,
    OWNER,
    REVISION,
    STRANGER,
    direct,
    group,
    member,
    world,
)

KEY = b"g" * 16
NO_USER = ("not_found", "member_ids")
UNWELCOME = ("forbidden", "member_ids", {"reason": "who_can_add"})
MADE = ("limit_exceeded", None, {"name": "conversations_made", "limit": 2})
FULL = ("limit_exceeded", "member_ids", {"name": "conversations", "limit": 3})
TOO_LONG = ("invalid_payload", "title", {"reason": "too_long", "limit": 10})


def a_group(*others: UserId, by: UserId = STRANGER, **more: Any) -> CreateConversation:
    return CreateConversation(77, by, Kind.GROUP, others, **more)


def a_direct(*others: UserId, by: UserId = STRANGER, **more: Any) -> CreateConversation:
    return CreateConversation(77, by, Kind.DIRECT, others, **more)


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (a_group(), "ok"),
        (a_group(MEMBER, ADMIN, GONE), "ok"),
        (a_group(MEMBER, ADMIN, GONE, OWNER), ("limit_exceeded", "member_ids", {"limit": 3})),
        (a_group(MEMBER, ADMIN, GONE, MEMBER, STRANGER), "ok"),
        (a_group(MEMBER, NOBODY), NO_USER),
        (a_group(MEMBER, by=NOBODY), NO_USER),
        (a_group(title="x" * 10), "ok"),
        (a_group(title="x" * 11), TOO_LONG),
        (a_group(title=f" {'x' * 10} "), "ok"),
        (a_direct(MEMBER), "ok"),
        (a_direct(), ("invalid_payload", "member_ids")),
        (a_direct(STRANGER), ("invalid_payload", "member_ids")),
        (a_direct(MEMBER, ADMIN), ("invalid_payload", "member_ids")),
        (a_direct(MEMBER, title="t"), ("invalid_payload", "title")),
        (a_direct(NOBODY), NO_USER),
        (a_direct(MEMBER, by=NOBODY), NO_USER),
    ],
)
def test_what_may_be_made(command: CreateConversation, outcome: object) -> None:
    assert world().outcome(command) == outcome


def test_who_blocked_whom() -> None:
    memory = world()
    memory.blocks = {(MEMBER, STRANGER)}
    assert memory.outcome(a_group(ADMIN, MEMBER)) == NO_USER
    assert memory.outcome(a_direct(MEMBER)) == NO_USER
    memory.blocks = {(STRANGER, MEMBER)}
    assert memory.outcome(a_group(MEMBER)) == "ok"
    assert memory.outcome(a_direct(MEMBER)) == BLOCKED


def test_who_lets_others_bring_them() -> None:
    memory = world()
    memory.unwelcome = {(MEMBER, STRANGER)}
    assert memory.outcome(a_group(ADMIN, MEMBER)) == UNWELCOME
    assert memory.outcome(a_direct(MEMBER)) == UNWELCOME
    assert memory.outcome(a_group(ADMIN)) == "ok"


@pytest.mark.parametrize(("made", "outcome"), [(1, "ok"), (2, MADE)])
def test_how_many_one_may_make(made: int, outcome: object) -> None:
    memory = world()
    for cid in range(100, 100 + made):
        memory.conversations[cid] = replace(group(), id=cid, created_by=STRANGER)
        memory.members[cid, STRANGER] = member(cid, STRANGER)
    assert memory.outcome(a_group(GONE)) == outcome


@pytest.mark.parametrize(("count", "outcome"), [(2, "ok"), (3, FULL)])
def test_how_many_one_may_be_brought_into(count: int, outcome: object) -> None:
    memory = world()
    memory.members |= {(cid, GONE): member(cid, GONE) for cid in range(100, 100 + count)}
    assert memory.outcome(a_group(ADMIN, GONE)) == outcome
    assert memory.outcome(a_group(ADMIN, by=GONE)) == "ok"


def first(user_id: UserId, role: Role) -> Member:
    return Member(77, user_id, role, active=True, revision=1, joined_revision=1, visible_from_seq=1)


@pytest.mark.parametrize("history", History)
def test_a_new_group(history: History) -> None:
    command = a_group(
        MEMBER, STRANGER, ADMIN, MEMBER, title=" A title ", client_conversation_id=KEY, history=history
    )
    made = Conversation(
        id=77,
        kind=Kind.GROUP,
        title="A title",
        history=history,
        revision=1,
        last_seq=0,
        last_message_at=NOW,
        member_count=3,
        created_at=NOW,
        created_by=STRANGER,
        unique_key=group_key(STRANGER, KEY),
        request_hash=command.request_hash,
    )
    members = first(STRANGER, Role.OWNER), first(MEMBER, Role.MEMBER), first(ADMIN, Role.MEMBER)
    assert world().decide(command, NOW) == Decision(
        made,
        Why.CONVERSATION_CREATED,
        made,
        members=members,
        joined=(STRANGER, MEMBER, ADMIN),
        restated=True,
    )


def test_a_new_direct_conversation() -> None:
    command = a_direct(MEMBER, history=History.FROM_JOINING)
    decision = world().decide(command, NOW)
    made = decision.result
    assert (made.id, made.kind, made.title, made.history) == (77, Kind.DIRECT, None, History.FROM_START)
    assert (made.unique_key, made.member_count) == (direct_key(MEMBER, STRANGER), 2)
    assert decision.members == (first(STRANGER, Role.MEMBER), first(MEMBER, Role.MEMBER))


def test_a_group_without_a_key_is_new_each_time() -> None:
    assert a_group(MEMBER).unique_key is None
    assert world().decide(a_group(MEMBER), NOW).result.unique_key is None


def test_what_is_there_is_found() -> None:
    memory = world()
    assert memory.decide(a_direct(MEMBER, by=OWNER), NOW) == Decision(direct())
    assert memory.decide(a_direct(OWNER, by=MEMBER), NOW) == Decision(direct())
    command = a_group(MEMBER, ADMIN, client_conversation_id=KEY)
    ((made,), _) = memory.run([command], NOW)
    assert memory.decide(replace(command, new_id=78, member_ids=(ADMIN, MEMBER)), NOW) == Decision(made)
    for change in ({"title": "t"}, {"member_ids": (ADMIN,)}, {"history": History.FROM_JOINING}):
        other = replace(command, **change)
        assert memory.outcome(other) == ("idempotency_conflict", "client_conversation_id")


def test_a_reserved_place_is_taken() -> None:
    memory = world()
    key = direct_key(MEMBER, STRANGER)
    memory.conversations[88] = replace(direct(), id=88, revision=0, unique_key=key)
    assert memory.decide(a_direct(MEMBER), NOW).result.id == 88


@pytest.mark.parametrize(
    ("who", "cid", "outcome"),
    [
        (OWNER, GROUP, "ok"),
        (ADMIN, GROUP, "ok"),
        (MEMBER, GROUP, FORBIDDEN),
        (GONE, GROUP, NOT_THERE),
        (STRANGER, GROUP, NOT_THERE),
        (OWNER, DIRECT, FORBIDDEN),
        (OWNER, NOWHERE, NOT_THERE),
    ],
)
def test_who_may_rename(who: UserId, cid: int, outcome: object) -> None:
    assert world().outcome(UpdateConversation(cid, who, {"title": "new"})) == outcome


@pytest.mark.parametrize(
    ("title", "after"), [("new", "new"), (" new ", "new"), (None, None), ("  ", None), ("x" * 10, "x" * 10)]
)
def test_a_new_title(title: str | None, after: str | None) -> None:
    renamed = replace(group(), title=after, revision=REVISION + 1)
    assert world().decide(UpdateConversation(GROUP, OWNER, {"title": title}), NOW) == Decision(
        renamed, Why.CONVERSATION_UPDATED, renamed, restated=True
    )


def test_the_same_title_changes_nothing() -> None:
    assert world().decide(UpdateConversation(GROUP, OWNER, {"title": " Group "}), NOW) == Decision(group())
    assert world().outcome(UpdateConversation(GROUP, OWNER, {"title": "x" * 11})) == TOO_LONG


def update(who: UserId = OWNER, **changes: Any) -> UpdateConversation:
    return UpdateConversation(GROUP, who, changes)


@pytest.mark.parametrize(
    ("who", "outcome"),
    [(OWNER, "ok"), (ADMIN, "ok"), (MEMBER, FORBIDDEN), (GONE, NOT_THERE), (STRANGER, NOT_THERE)],
)
@pytest.mark.parametrize(
    "changes",
    [
        {"avatar_url": "https://example.org/a.png"},
        {"avatar_url": None},
        {"data": '{"a":1}'},
        {"who_sends": Who.ADMINS},
        {"who_adds": Who.ALL},
    ],
)
def test_who_may_set_up_a_group(who: UserId, changes: dict[str, Any], outcome: object) -> None:
    assert world().outcome(update(who, **changes)) == outcome


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        (
            {"avatar_url": "http://example.org/a.png"},
            ("invalid_payload", "avatar_url", {"reason": "no_link"}),
        ),
        ({"avatar_url": "https://"}, ("invalid_payload", "avatar_url", {"reason": "no_link"})),
        ({"avatar_url": "HTTPS://example.org/a.png"}, "ok"),
        ({"data": "x" * 4_096}, "ok"),
        ({"data": "é" * 2_049}, ("invalid_payload", "data", {"reason": "too_long", "limit": 4_096})),
    ],
)
def test_what_a_group_may_be_set_up_with(changes: dict[str, Any], outcome: object) -> None:
    assert world().outcome(update(**changes)) == outcome


def test_what_is_not_named_stays_and_the_same_changes_nothing() -> None:
    memory = world()
    changes: dict[str, Any] = {
        "avatar_url": "https://example.org/a",
        "data": "{}",
        "who_sends": Who.ADMINS,
    }
    memory.run([update(**changes)], NOW)
    after = memory.conversations[GROUP]
    extras = ConversationExtras("https://example.org/a", "{}", Who.ADMINS)
    assert after == replace(group(), revision=REVISION + 1, extras=extras)
    for again in (changes, {"who_adds": Who.ADMINS}, {"title": "Group"}):
        assert memory.decide(update(**again), NOW) == Decision(after)
    memory.run([update(title="new", data=None)], NOW)
    assert memory.conversations[GROUP].extras == replace(extras, data=None)
    memory.run([update(avatar_url=None, who_sends=Who.ALL)], NOW)
    assert memory.conversations[GROUP].extras is None


def test_the_hash_of_a_request_is_the_same_for_ever() -> None:
    hashed = a_group(MEMBER, ADMIN, title="t").request_hash
    assert hashed == a_group(ADMIN, MEMBER, title="t").request_hash
    assert hashed.hex() == "b786a590df4d9571992cb00b1e122400"
