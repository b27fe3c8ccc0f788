"""What values are without anything set, and what is left of them where less is told."""

from dataclasses import replace

import pytest

from gochat.core.model import (
    NOTHING_SET,
    Member,
    Message,
    MuteLevel,
    Private,
    Settings,
    Side,
    Standing,
    User,
    WhoCanAdd,
)
from gochat.core.queries import Membership
from tests.unit.core.filled import filled


def test_of_ones_own_side_nothing_is_set() -> None:
    assert (
        Private(
            unread_mentions=0,
            muted_until=None,
            mute_level=MuteLevel.ALL,
            archived=False,
            pinned=False,
            marked_unread=False,
            draft=None,
            draft_at=0,
        )
        == NOTHING_SET
    )


def test_a_message_that_its_sender_sees_no_more_says_that_it_was_stored_and_no_more() -> None:
    message = filled(Message)
    assert message.as_stored() == Message(
        message.conversation_id,
        message.seq,
        message.revision,
        message.sender_id,
        message.client_message_id,
        message.request_hash,
        None,
        (),
        message.created_at,
        edited_at=None,
        deleted_at=None,
        reply_to_seq=None,
        extras=None,
    )


def test_a_user_and_their_settings_are_open_from_the_start_but_for_their_number() -> None:
    assert User(1, "ann", "Ann") == User(
        1, "ann", "Ann", None, None, None, deleted=False, revision=0, updated_at=0
    )
    expected = Settings(
        presence_hidden=False,
        who_can_add=WhoCanAdd.EVERYONE,
        receipts_hidden=False,
        discoverable_by_phone=False,
    )
    assert Settings() == expected


@pytest.mark.parametrize(("pinned_at", "pinned"), [(0, False), (1, True)])
def test_a_conversation_is_pinned_from_the_moment_on_that_it_was(pinned_at: int, pinned: bool) -> None:
    side = replace(filled(Side), pinned_at=pinned_at)
    assert Private.of(side, filled(Member), 5, 0, 0).pinned is pinned


@pytest.mark.parametrize("mentions", [0, 2])
def test_who_has_set_nothing_is_told_of_mentions_alone(mentions: int) -> None:
    assert Private.of(None, filled(Member), 5, mentions, 0) == replace(NOTHING_SET, unread_mentions=mentions)


@pytest.mark.parametrize(
    ("now", "until", "level"), [(99, 100, MuteLevel.MENTIONS), (100, None, MuteLevel.ALL)]
)
def test_a_conversation_is_told_as_muted_until_it_is_not(
    now: int, until: int | None, level: MuteLevel
) -> None:
    side = replace(filled(Side), muted_until=100, mute_level=MuteLevel.MENTIONS)
    told = Private.of(side, filled(Member), 5, 0, now)
    assert (told.muted_until, told.mute_level) == (until, level)


def test_whoever_is_made_without_a_word_may_speak_and_is_blocked_by_nobody() -> None:
    assert Standing() == Standing(0, None, None)
    assert Membership(1, 2, 3) == Membership(1, 2, 3, blocked=False)
