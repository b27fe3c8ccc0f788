"""What is encoded is what the contract says, for any value of core."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.contract import encode
from gochat.contract.errors import error_classes
from gochat.core.delta import Delta, MeChange
from gochat.core.errors import ChatError
from gochat.core.model import Message, Session, User
from gochat.core.queries import ConversationView, MeDelta
from gochat.core.receipts import Receipt
from tests.contract.schema import validate_ack, validate_event, validate_shape
from tests.unit.contract import values


@given(values.messages)
def test_message(message: Message) -> None:
    ack = {"ok": True, "data": {"message": encode.message_out(message), "duplicate": False}}
    validate_ack("message:send", ack)


@given(values.broadcasts)
def test_broadcast_delta_says_nothing_personal(delta: Delta) -> None:
    shape = encode.delta_out(delta)
    validate_event("conversation:changes", shape)
    assert not {"me", "last_message"} & shape.get("conversation", {}).keys()


@given(values.personal_deltas)
def test_delta_for_one_user_has_his_own_side(delta: Delta) -> None:
    shape = encode.delta_out(delta)
    validate_ack("conversation:join", {"ok": True, "data": shape})
    assert {"me", "last_message"} <= shape["conversation"].keys()


@given(values.broadcasts)
def test_delta_leaves_out_what_it_has_not(delta: Delta) -> None:
    shape = encode.delta_out(delta)
    assert ("conversation" in shape) == (delta.conversation is not None)
    assert shape.get("members", []) == [encode.member_out(member) for member in delta.members]
    assert shape.get("messages", []) == [encode.message_out(message) for message in delta.messages]
    assert (shape.get("gap"), shape.get("removed")) == (delta.gap or None, delta.removed or None)
    assert all(shape.get(name, [True]) for name in ("members", "messages"))


@given(values.views)
def test_conversation_as_a_member_sees_it(view: ConversationView) -> None:
    validate_ack("conversation:create", {"ok": True, "data": {"conversation": encode.view_out(view)}})


@given(values.me_changes)
def test_me_changed(change: MeChange) -> None:
    validate_event("me:changed", encode.me_delta_out(change))


@given(values.me_deltas)
def test_me_of_a_sync(me: MeDelta) -> None:
    shape = encode.me_delta_out(me)
    validate_shape("MeDelta", shape)
    assert ("gap" in shape) == me.gap


@given(values.receipts)
def test_receipt(receipt: Receipt) -> None:
    validate_ack("receipt:read", {"ok": True, "data": encode.receipt_out(receipt)})


@given(values.users)
def test_user(user: User) -> None:
    validate_shape("User", encode.user_out(user))


@given(values.sessions, st.booleans())
def test_session(session: Session, current: bool) -> None:
    validate_shape("Session", encode.session_out(session, current=current))


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.code)
def test_error(kind: type[ChatError]) -> None:
    for error in (kind(), kind("Why.", field="body", details={"limit": 3}, retry_after_ms=100)):
        shape = encode.error_out(error, "request")
        validate_shape("Error", shape)
        assert (shape["code"], shape["retryable"]) == (kind.code, kind.retryable)
