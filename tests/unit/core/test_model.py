"""What values are without anything set, and what is left of them where less is told."""

from gochat.core.model import NOTHING_SET, Message, MuteLevel, Private
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
