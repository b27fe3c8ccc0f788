"""Who blocks whom, what that closes, and what users set of themselves."""

from dataclasses import replace

import pytest

from gochat.core.blocks import Block
from gochat.core.model import Profile, Settings, UserId
from gochat.core.profiles import UpdateProfile
from gochat.core.state import Decision
from tests.unit.core.world import ADMIN, DIRECT, GONE, MEMBER, NOBODY, NOW, OWNER, STRANGER, direct, world


def block(who: UserId, whom: UserId, on: bool = True) -> Block:
    return Block(77, who, whom, on)


@pytest.mark.parametrize(
    ("who", "whom", "outcome"),
    [
        (OWNER, MEMBER, "ok"),
        (OWNER, STRANGER, "ok"),
        (OWNER, OWNER, ("invalid_payload", "user_id")),
        (OWNER, NOBODY, ("not_found", "user_id")),
    ],
)
@pytest.mark.parametrize("on", [True, False])
def test_whom_one_may_block(who: UserId, whom: UserId, outcome: object, on: bool) -> None:
    assert world().outcome(block(who, whom, on)) == outcome


@pytest.mark.parametrize(
    ("blocked", "outcome"), [(1, "ok"), (2, ("limit_exceeded", "user_id", {"limit": 2}))]
)
def test_how_many_one_may_block(blocked: int, outcome: object) -> None:
    memory = world()
    memory.blocks = {(OWNER, whom) for whom in (ADMIN, STRANGER)[:blocked]}
    assert memory.outcome(block(OWNER, MEMBER)) == outcome
    assert memory.outcome(block(OWNER, ADMIN, on=False)) == "ok"


@pytest.mark.parametrize(
    ("before", "back", "on", "after"),
    [
        (False, False, True, True),
        (False, True, True, True),
        (True, False, False, False),
        (True, True, False, True),
    ],
)
def test_what_a_block_closes(before: bool, back: bool, on: bool, after: bool) -> None:
    memory = world()
    memory.blocks = {pair for pair, there in (((OWNER, MEMBER), before), ((MEMBER, OWNER), back)) if there}
    conversation = replace(direct(), revision=1, blocked=before or back)
    memory.conversations[DIRECT] = conversation
    changed = replace(conversation, blocked=after)
    assert memory.decide(block(OWNER, MEMBER, on), NOW) == Decision(
        None,
        unseen=None if changed == conversation else changed,
        me=(OWNER,),
        block=(OWNER, MEMBER, on),
    )
    assert memory.decide(block(OWNER, MEMBER, before), NOW) == Decision(None)


def test_without_a_conversation_nothing_is_closed() -> None:
    memory = world()
    for who in (GONE, STRANGER):
        decision = memory.decide(block(who, ADMIN), NOW)
        assert decision == Decision(None, me=(who,), block=(who, ADMIN, True))


def test_blocks_of_one_batch_see_each_other() -> None:
    memory = world()
    memory.run([block(OWNER, MEMBER), block(OWNER, ADMIN), block(OWNER, GONE)], NOW)
    assert memory.blocks == {(OWNER, MEMBER), (OWNER, ADMIN)}
    assert memory.conversations[DIRECT].blocked
    assert memory.me[OWNER] == 9
    memory.run([block(OWNER, MEMBER, on=False), block(OWNER, GONE)], NOW)
    assert memory.blocks == {(OWNER, GONE), (OWNER, ADMIN)}
    assert not memory.conversations[DIRECT].blocked


def test_a_profile() -> None:
    memory = world()
    before = memory.profiles[OWNER]
    user = replace(before.user, display_name="New", revision=1, updated_at=NOW)
    assert memory.decide(UpdateProfile(OWNER, {"display_name": " New "}), NOW) == Decision(
        None, me=(OWNER,), profile=Profile(user, before.settings)
    )
    hidden = Settings(presence_hidden=True)
    assert memory.decide(UpdateProfile(OWNER, settings={"presence_hidden": True}), NOW) == Decision(
        None, me=(OWNER,), profile=Profile(before.user, hidden)
    )
    assert memory.decide(UpdateProfile(OWNER, {"display_name": "User 1"}), NOW) == Decision(None)
    assert memory.outcome(UpdateProfile(OWNER, {"display_name": " "})) == ("invalid_payload", "display_name")
    assert memory.outcome(UpdateProfile(NOBODY, {"display_name": "New"})) == ("not_found", None)


def test_settings_of_one_batch_add_up() -> None:
    memory = world()
    named = UpdateProfile(OWNER, {"display_name": "New"})
    memory.run([named, UpdateProfile(OWNER, settings={"presence_hidden": True}), named], NOW)
    user = replace(world().profiles[OWNER].user, display_name="New", revision=1, updated_at=NOW)
    assert memory.profiles[OWNER] == Profile(user, Settings(presence_hidden=True))
    assert memory.me[OWNER] == 9
