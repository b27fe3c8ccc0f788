"""Role by command: who may bring in, take out and raise whom, and what exactly comes of it."""

from dataclasses import replace

import pytest

from gochat.core.delta import Why
from gochat.core.members import AddMembers, RemoveMember, SetRole
from gochat.core.model import ConversationExtras, History, Member, Role, UserId, Who
from gochat.core.state import Decision
from tests.unit.core.memory import Memory
from tests.unit.core.world import (
    ADMIN,
    DIRECT,
    EVERYBODY,
    FORBIDDEN,
    GONE,
    GROUP,
    LAST,
    LATE,
    MEMBER,
    NOBODY,
    NOT_THERE,
    NOW,
    NOWHERE,
    OTHER_ADMIN,
    OTHER_MEMBER,
    OWNER,
    REVISION,
    STRANGER,
    group,
    member,
    world,
)

NO_MEMBER = ("not_found", "user_id")
NO_USER = ("not_found", "user_ids")
UNWELCOME = ("forbidden", "user_ids", {"reason": "who_can_add"})
MANY = range(50, 60)
"""Users who are nowhere."""


ONLY_ADMINS = ("forbidden", None, {"reason": "who_adds"})


def too_many(name: str, limit: int) -> object:
    return "limit_exceeded", "user_ids", {"name": name, "limit": limit}


@pytest.mark.parametrize(
    ("who", "outcome"),
    [
        (OWNER, "ok"),
        (ADMIN, "ok"),
        (MEMBER, ONLY_ADMINS),
        (LATE, ONLY_ADMINS),
        (GONE, NOT_THERE),
        (STRANGER, NOT_THERE),
        (NOBODY, NOT_THERE),
    ],
)
@pytest.mark.parametrize("whom", [STRANGER, GONE])
@pytest.mark.parametrize("who_adds", Who)
def test_who_may_add(who: UserId, whom: UserId, who_adds: Who, outcome: object) -> None:
    memory = world()
    memory.conversations[GROUP] = replace(group(), extras=ConversationExtras(who_adds=who_adds))
    if who_adds is Who.ALL and outcome == ONLY_ADMINS:
        outcome = "ok"
    assert memory.outcome(AddMembers(GROUP, who, (whom,))) == outcome
    if who_adds is Who.ADMINS:
        assert world().outcome(AddMembers(GROUP, who, (whom,))) == outcome


@pytest.mark.parametrize(
    ("cid", "whom", "outcome"),
    [
        (GROUP, (), "ok"),
        (GROUP, (MEMBER,), "ok"),
        (GROUP, (STRANGER, NOBODY), NO_USER),
        (GROUP, (MEMBER, STRANGER, STRANGER), "ok"),
        (GROUP, tuple(MANY[:3]), "ok"),
        (GROUP, tuple(MANY[:4]), too_many("members_added", 3)),
        (DIRECT, (STRANGER,), FORBIDDEN),
        (NOWHERE, (STRANGER,), NOT_THERE),
    ],
)
def test_who_may_be_added(cid: int, whom: tuple[UserId, ...], outcome: object) -> None:
    memory = world()
    memory.me |= dict.fromkeys(MANY, 0)
    assert memory.outcome(AddMembers(cid, OWNER, whom)) == outcome


@pytest.mark.parametrize(("count", "outcome"), [(6, "ok"), (7, too_many("group_members", 9))])
def test_a_group_is_full(count: int, outcome: object) -> None:
    memory = world()
    memory.me |= dict.fromkeys(MANY, 0)
    memory.conversations[GROUP] = replace(group(), member_count=count)
    assert memory.outcome(AddMembers(GROUP, OWNER, tuple(MANY[:3]))) == outcome


@pytest.mark.parametrize(("count", "outcome"), [(2, "ok"), (3, too_many("conversations", 3))])
def test_a_user_is_in_as_many_conversations_as_may_be(count: int, outcome: object) -> None:
    memory = world()
    memory.me |= dict.fromkeys(MANY, 0)
    memory.members |= {(cid, STRANGER): member(cid, STRANGER) for cid in range(100, 100 + count)}
    assert memory.outcome(AddMembers(GROUP, OWNER, (MANY[0], STRANGER, MANY[1]))) == outcome


def test_who_has_blocked_looks_as_if_not_there_and_who_lets_nobody_says_so() -> None:
    memory = world()
    memory.blocks = {(STRANGER, OWNER), (ADMIN, GONE)}
    assert memory.outcome(AddMembers(GROUP, OWNER, (GONE, STRANGER))) == NO_USER
    assert memory.outcome(AddMembers(GROUP, ADMIN, (GONE, STRANGER))) == "ok"
    memory.unwelcome = {(GONE, ADMIN), (MEMBER, OWNER)}
    assert memory.outcome(AddMembers(GROUP, ADMIN, (STRANGER, GONE))) == UNWELCOME
    assert memory.outcome(AddMembers(GROUP, OWNER, (MEMBER, GONE))) == "ok"


@pytest.mark.parametrize("history", History)
def test_an_addition(history: History) -> None:
    memory = world()
    memory.conversations[GROUP] = before = replace(group(), history=history)
    gone = memory.members[GROUP, GONE]
    memory.members[GROUP, GONE] = replace(gone, me_revision=5, skipped=2, role=Role.ADMIN)
    grown = replace(before, revision=REVISION + 1, member_count=len(EVERYBODY) + 2)

    def joined(user_id: UserId, me_revision: int) -> Member:
        return Member(
            GROUP,
            user_id,
            Role.MEMBER,
            active=True,
            revision=REVISION + 1,
            joined_revision=REVISION + 1,
            visible_from_seq=1 if history is History.FROM_START else LAST + 1,
            delivered_seq=LAST,
            read_seq=LAST,
            skipped=0,
            shown_delivered_seq=LAST,
            shown_read_seq=LAST,
            me_revision=me_revision,
        )

    assert memory.decide(AddMembers(GROUP, ADMIN, (GONE, MEMBER, STRANGER)), NOW) == Decision(
        grown,
        Why.MEMBER_ADDED,
        grown,
        members=(joined(GONE, 5), joined(STRANGER, 0)),
        joined=(GONE, STRANGER),
        restated=True,
    )
    assert memory.decide(AddMembers(GROUP, ADMIN, (MEMBER,)), NOW) == Decision(before)


@pytest.mark.parametrize(
    ("who", "whom", "outcome"),
    [
        (OWNER, OWNER, "ok"),
        (OWNER, ADMIN, "ok"),
        (OWNER, MEMBER, "ok"),
        (OWNER, GONE, NO_MEMBER),
        (OWNER, STRANGER, NO_MEMBER),
        (ADMIN, OWNER, FORBIDDEN),
        (ADMIN, ADMIN, "ok"),
        (ADMIN, OTHER_ADMIN, FORBIDDEN),
        (ADMIN, MEMBER, "ok"),
        (ADMIN, GONE, NO_MEMBER),
        (MEMBER, OWNER, FORBIDDEN),
        (MEMBER, ADMIN, FORBIDDEN),
        (MEMBER, MEMBER, "ok"),
        (MEMBER, OTHER_MEMBER, FORBIDDEN),
        (MEMBER, NOBODY, NO_MEMBER),
        (GONE, GONE, NOT_THERE),
        (STRANGER, MEMBER, NOT_THERE),
    ],
)
def test_who_may_remove_whom(who: UserId, whom: UserId, outcome: object) -> None:
    assert world().outcome(RemoveMember(GROUP, who, whom)) == outcome


@pytest.mark.parametrize("whom", [OWNER, MEMBER])
def test_nobody_leaves_a_direct_conversation(whom: UserId) -> None:
    assert world().outcome(RemoveMember(DIRECT, OWNER, whom)) == FORBIDDEN


def removal(memory: Memory, whom: UserId, *more: Member) -> Decision[object]:
    shrunk = replace(group(), revision=REVISION + 1, member_count=len(EVERYBODY) - 1)
    gone = replace(memory.members[GROUP, whom], active=False, role=Role.MEMBER, revision=REVISION + 1)
    return Decision(shrunk, Why.MEMBER_REMOVED, shrunk, members=(gone, *more), left=(whom,), restated=True)


@pytest.mark.parametrize(("who", "whom"), [(OWNER, ADMIN), (ADMIN, ADMIN), (ADMIN, MEMBER), (MEMBER, MEMBER)])
def test_a_removal(who: UserId, whom: UserId) -> None:
    assert world().decide(RemoveMember(GROUP, who, whom), NOW) == removal(world(), whom)


@pytest.mark.parametrize(
    ("changes", "heir"),
    [
        ({}, ADMIN),
        ({ADMIN: {"joined_revision": 40}}, OTHER_ADMIN),
        ({ADMIN: {"joined_revision": 40}, OTHER_ADMIN: {"joined_revision": 40}}, ADMIN),
        ({ADMIN: {"active": False}}, OTHER_ADMIN),
        ({ADMIN: {"role": Role.MEMBER}, OTHER_ADMIN: {"role": Role.MEMBER, "joined_revision": 40}}, ADMIN),
        ({ADMIN: {"active": False}, OTHER_ADMIN: {"active": False}}, MEMBER),
    ],
)
def test_the_owner_quits_and_the_first_by_standing_and_time_inherits(
    changes: dict[UserId, dict[str, object]], heir: UserId
) -> None:
    memory = world()
    for user_id, change in changes.items():
        memory.members[GROUP, user_id] = replace(memory.members[GROUP, user_id], **change)  # type: ignore[arg-type]
    after = replace(memory.members[GROUP, heir], role=Role.OWNER, revision=REVISION + 1)
    assert memory.decide(RemoveMember(GROUP, OWNER, OWNER), NOW) == removal(memory, OWNER, after)


@pytest.mark.parametrize("others", range(4))
def test_the_first_inherits_though_a_batch_has_more_to_choose_from(others: int) -> None:
    memory = world()
    memory.members[GROUP, ADMIN] = replace(memory.members[GROUP, ADMIN], joined_revision=40)
    refused = [RemoveMember(GROUP, GONE, GONE)] * others
    memory.run([RemoveMember(GROUP, OWNER, OWNER), *refused], NOW)
    assert [it.user_id for it in memory.active(GROUP) if it.role is Role.OWNER] == [OTHER_ADMIN]


def test_the_last_one_leaves_nobody_behind() -> None:
    memory = world()
    for user_id in EVERYBODY[1:]:
        memory.members[GROUP, user_id] = replace(memory.members[GROUP, user_id], active=False)
    assert memory.decide(RemoveMember(GROUP, OWNER, OWNER), NOW) == removal(memory, OWNER)


@pytest.mark.parametrize(
    ("who", "whom", "role", "outcome"),
    [
        (OWNER, MEMBER, Role.ADMIN, "ok"),
        (OWNER, MEMBER, Role.OWNER, "ok"),
        (OWNER, ADMIN, Role.MEMBER, "ok"),
        (OWNER, OWNER, Role.OWNER, "ok"),
        (OWNER, OWNER, Role.ADMIN, FORBIDDEN),
        (OWNER, GONE, Role.ADMIN, NO_MEMBER),
        (OWNER, STRANGER, Role.ADMIN, NO_MEMBER),
        (ADMIN, MEMBER, Role.ADMIN, FORBIDDEN),
        (ADMIN, ADMIN, Role.MEMBER, FORBIDDEN),
        (MEMBER, MEMBER, Role.OWNER, FORBIDDEN),
        (MEMBER, STRANGER, Role.OWNER, FORBIDDEN),
        (GONE, MEMBER, Role.ADMIN, NOT_THERE),
        (STRANGER, MEMBER, Role.ADMIN, NOT_THERE),
    ],
)
def test_who_may_set_whose_role(who: UserId, whom: UserId, role: Role, outcome: object) -> None:
    assert world().outcome(SetRole(GROUP, who, whom, role)) == outcome


def test_a_direct_conversation_has_no_roles() -> None:
    assert world().outcome(SetRole(DIRECT, OWNER, MEMBER, Role.ADMIN)) == FORBIDDEN


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OWNER])
def test_a_new_role(role: Role) -> None:
    changed = replace(group(), revision=REVISION + 1)
    rows = [replace(member(GROUP, MEMBER), role=role, revision=REVISION + 1)]
    if role is Role.OWNER:
        rows.append(replace(member(GROUP, OWNER), role=Role.ADMIN, revision=REVISION + 1))
    assert world().decide(SetRole(GROUP, OWNER, MEMBER, role), NOW) == Decision(
        changed, Why.MEMBER_UPDATED, changed, members=tuple(rows)
    )
    assert world().decide(SetRole(GROUP, OWNER, ADMIN, Role.ADMIN), NOW) == Decision(group())
