"""Who by what: an account that is deleted leaves nothing that tells of its user."""

from dataclasses import replace

import pytest

from gochat.core.erasure import EraseMessage, EraseReaction, EraseUser, neutral_username
from gochat.core.model import Profile, Settings, Standing, User, UserId, WhoCanAdd
from gochat.core.reactions import React
from gochat.core.state import Decision
from tests.unit.core.world import (
    DELETED,
    DIRECT,
    GONE,
    GROUP,
    MEMBER,
    NOBODY,
    NOW,
    NOWHERE,
    OWNER,
    world,
)

NO = ("not_found", None)
THUMB = "👍"


@pytest.mark.parametrize(
    ("cid", "whose", "seq", "outcome"),
    [
        (GROUP, OWNER, 1, "ok"),
        (GROUP, GONE, 9, "ok"),
        (DIRECT, OWNER, 1, "ok"),
        (GROUP, MEMBER, 1, NO),
        (GROUP, OWNER, 2, NO),
        (GROUP, OWNER, 99, NO),
        (NOWHERE, OWNER, 1, NO),
        (GROUP, NOBODY, 1, NO),
    ],
)
def test_whose_message_is_emptied(cid: int, whose: UserId, seq: int, outcome: object) -> None:
    memory = world()
    assert memory.outcome(EraseMessage(cid, whose, seq)) == outcome
    if outcome == "ok":
        message = memory.decide(EraseMessage(cid, whose, seq), NOW).result
        assert (message.body, message.deleted_at, message.sender_id) == (None, NOW, whose)


def test_what_is_emptied_already_is_left() -> None:
    memory = world()
    before = memory.messages[GROUP, DELETED]
    assert memory.decide(EraseMessage(GROUP, before.sender_id, DELETED), NOW) == Decision(before)


def test_a_reaction_is_taken_back_wherever_it_is() -> None:
    memory = world()
    memory.run([React(GROUP, 1, {(MEMBER, THUMB): True, (OWNER, THUMB): True})], NOW)
    memory.run([EraseReaction(GROUP, MEMBER, 1, THUMB)], NOW)
    (left,) = memory.messages[GROUP, 1].reactions
    assert (left.emoji, left.count) == (THUMB, 1)
    assert (GROUP, MEMBER, 1, THUMB) not in memory.reactions
    revision = memory.conversations[GROUP].revision
    memory.run([EraseReaction(GROUP, MEMBER, 1, THUMB)], NOW)
    assert memory.conversations[GROUP].revision == revision
    assert memory.outcome(EraseReaction(GROUP, MEMBER, 99, THUMB)) == NO


def test_what_is_said_of_a_user_goes() -> None:
    memory = world()
    told = replace(
        memory.profiles[OWNER].user, about="x", avatar_url="https://example.com", data="{}", revision=3
    )
    settings = Settings(presence_hidden=True, who_can_add=WhoCanAdd.NOBODY)
    memory.profiles[OWNER] = Profile(told, settings, Standing(5, muted_until=6, terms_version="1"))
    nobody = User(OWNER, "deleted-0000000000000001", "Deleted user", deleted=True, revision=4, updated_at=NOW)
    assert neutral_username(OWNER) == nobody.username
    erased = Profile(nobody, Settings(), Standing(5))
    assert memory.decide(EraseUser(OWNER), NOW) == Decision(None, me=(OWNER,), profile=erased)
    memory.run([EraseUser(OWNER)], NOW)
    assert memory.profiles[OWNER] == erased
    assert memory.decide(EraseUser(OWNER), NOW + 1) == Decision(None)
    assert memory.outcome(EraseUser(NOBODY)) == NO
