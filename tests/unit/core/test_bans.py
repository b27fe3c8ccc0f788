"""Role by command: who may ban whom from a group, and that nobody brings them in again."""

from dataclasses import replace

import pytest

from gochat.core.bans import BanMember
from gochat.core.delta import Why
from gochat.core.members import AddMembers, RemoveMember
from gochat.core.model import Ban, Role, UserId
from gochat.core.state import Decision
from tests.unit.core.world import (
    ADMIN,
    DIRECT,
    EVERYBODY,
    FORBIDDEN,
    GONE,
    GROUP,
    LATE,
    MEMBER,
    NOBODY,
    NOT_THERE,
    NOW,
    NOWHERE,
    OTHER_ADMIN,
    OWNER,
    REVISION,
    STRANGER,
    group,
    world,
)

NO_USER = ("not_found", "user_id")
BANNED = ("forbidden", "user_ids", {"reason": "banned"})
OPERATOR = None


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize(
    ("who", "whom", "outcome"),
    [
        *((who, whom, "ok") for who in (OWNER, ADMIN, OPERATOR) for whom in (MEMBER, LATE, GONE, STRANGER)),
        (OWNER, ADMIN, "ok"),
        (OPERATOR, OWNER, "ok"),
        (OPERATOR, ADMIN, "ok"),
        (OWNER, OWNER, FORBIDDEN),
        (ADMIN, ADMIN, FORBIDDEN),
        (ADMIN, OTHER_ADMIN, FORBIDDEN),
        (ADMIN, OWNER, FORBIDDEN),
        *((MEMBER, whom, FORBIDDEN) for whom in (OWNER, ADMIN, MEMBER, LATE, GONE, STRANGER)),
        *((who, MEMBER, NOT_THERE) for who in (GONE, STRANGER, NOBODY)),
        (OWNER, NOBODY, NO_USER),
        (OPERATOR, NOBODY, NO_USER),
    ],
)
def test_who_may_ban(who: UserId | None, whom: UserId, outcome: object, on: bool) -> None:
    memory = world()
    if not on and (GROUP, whom) not in memory.members:
        memory.bans = {(GROUP, whom)}
    assert memory.outcome(BanMember(GROUP, who, whom, on)) == outcome


@pytest.mark.parametrize("who", [OWNER, OPERATOR])
@pytest.mark.parametrize(("cid", "outcome"), [(DIRECT, FORBIDDEN), (NOWHERE, NOT_THERE)])
def test_where_nobody_is_banned(who: UserId | None, cid: int, outcome: object) -> None:
    assert world().outcome(BanMember(cid, who, MEMBER, on=True)) == outcome


@pytest.mark.parametrize("who", [OWNER, ADMIN, OPERATOR])
def test_a_member_is_taken_out(who: UserId | None) -> None:
    shrunk = replace(group(), revision=REVISION + 1, member_count=len(EVERYBODY) - 1)
    gone = replace(world().members[GROUP, MEMBER], active=False, revision=REVISION + 1)
    assert world().decide(BanMember(GROUP, who, MEMBER, on=True), NOW) == Decision(
        shrunk,
        Why.MEMBER_REMOVED,
        shrunk,
        members=(gone,),
        ban=Ban(GROUP, MEMBER, who, on=True),
        left=(MEMBER,),
        restated=True,
    )


@pytest.mark.parametrize("whom", [GONE, STRANGER])
@pytest.mark.parametrize("on", [True, False])
def test_who_is_not_in_it(whom: UserId, on: bool) -> None:
    memory = world()
    memory.bans = set() if on else {(GROUP, whom)}
    changed = replace(group(), revision=REVISION + 1)
    ban = Ban(GROUP, whom, ADMIN, on)
    expected = Decision(changed, Why.CONVERSATION_UPDATED, changed, ban=ban, restated=True)
    assert memory.decide(BanMember(GROUP, ADMIN, whom, on), NOW) == expected
    memory.bans = {(GROUP, whom)} if on else set()
    assert memory.decide(BanMember(GROUP, ADMIN, whom, on), NOW) == Decision(group()), "it is so already"


def test_the_operator_bans_an_owner_and_somebody_inherits() -> None:
    memory = world()
    memory.run([BanMember(GROUP, OPERATOR, OWNER, on=True)], NOW)
    assert [it.user_id for it in memory.active(GROUP) if it.role is Role.OWNER] == [ADMIN]


@pytest.mark.parametrize("who", [OWNER, ADMIN])
@pytest.mark.parametrize("whom", [MEMBER, GONE, STRANGER])
def test_nobody_brings_them_in(who: UserId, whom: UserId) -> None:
    """In one batch too, until it is lifted; the others of the same command come no more than they."""
    memory = world()
    add = AddMembers(GROUP, who, (whom,))
    assert memory.outcome(add) == "ok"
    answers, _ = memory.run([BanMember(GROUP, ADMIN, whom, on=True), add], NOW)
    assert getattr(answers[1], "details", None) == {"reason": "banned"}
    assert memory.outcome(add) == BANNED
    assert memory.outcome(AddMembers(GROUP, who, (whom, GONE, STRANGER))) == BANNED
    assert (GROUP, whom) in memory.bans
    memory.run([BanMember(GROUP, OWNER, whom, on=False), add], NOW)
    assert memory.members[GROUP, whom].active


def test_who_quits_is_not_banned() -> None:
    memory = world()
    memory.run([RemoveMember(GROUP, MEMBER, MEMBER)], NOW)
    assert memory.outcome(AddMembers(GROUP, OWNER, (MEMBER,))) == "ok"
