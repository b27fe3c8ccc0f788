"""The check that all tests lean on can fail."""

from typing import Any

import pytest

from tests.contract.schema import validate_ack, validate_connect_error, validate_event, validate_response

MESSAGE = {
    "conversation_id": "0" * 15 + "1",
    "seq": 1,
    "revision": 1,
    "sender_id": "0" * 15 + "2",
    "client_message_id": "6f1c7c1e-6a4e-4d5a-9d39-0d4f4c1b2a3d",
    "body": "hello",
    "attachments": [],
    "created_at": "2026-01-31T12:00:00.000Z",
    "edited_at": None,
    "deleted_at": None,
    "reply_to_seq": None,
    "kind": "text",
    "data": None,
    "mentions": None,
    "silent": False,
    "forwarded_from": None,
    "reactions": [],
}
DELTA = {"conversation_id": "0" * 15 + "1", "since": 0, "revision": 1, "messages": [MESSAGE]}
ERROR = {"code": "not_found", "message": "Not found.", "retryable": False, "request_id": "1"}
PROBLEM = {**ERROR, "type": "about:blank", "title": "Not found", "status": 404}
HISTORY = {"messages": [MESSAGE], "has_more_before": False, "has_more_after": False}


@pytest.mark.parametrize(
    "change",
    [
        {"undeclared": 1},
        {"since": -1},
        {"revision": "1"},
        {"gap": False},
        {"messages": [{**MESSAGE, "undeclared": 1}]},
        {"messages": [{**MESSAGE, "created_at": "2026-01-31T12:00:00Z"}]},
        {"messages": [{**MESSAGE, "sender_id": 2}]},
        {"messages": [{name: value for name, value in MESSAGE.items() if name != "body"}]},
    ],
    ids=str,
)
def test_undeclared_content_of_an_event_fails(change: dict[str, Any]) -> None:
    validate_event("message:created", DELTA)
    with pytest.raises(AssertionError):
        validate_event("message:created", {**DELTA, **change})


def test_undeclared_event_fails() -> None:
    with pytest.raises(AssertionError):
        validate_event("message:sent", DELTA)


@pytest.mark.parametrize(
    "ack",
    [
        DELTA,
        {"ok": True},
        {"ok": False, "data": DELTA},
        {"ok": True, "data": DELTA, "error": ERROR},
        {"ok": False, "error": {**ERROR, "traceback": ""}},
        {"ok": False, "error": {**ERROR, "code": "username_taken"}},
    ],
    ids=lambda ack: "-".join(ack),
)
def test_ack_is_declared_data_or_a_declared_error(ack: dict[str, Any]) -> None:
    validate_ack("conversation:join", {"ok": True, "data": DELTA})
    validate_ack("conversation:join", {"ok": False, "error": ERROR})
    with pytest.raises(AssertionError):
        validate_ack("conversation:join", ack)


def test_unknown_event_is_refused_as_such() -> None:
    validate_ack("message:shout", {"ok": False, "error": {**ERROR, "code": "unknown_event"}})
    for ack in ({"ok": True, "data": {}}, {"ok": False, "error": ERROR}):
        with pytest.raises(AssertionError):
            validate_ack("message:shout", ack)


def test_refused_connection_has_a_declared_error() -> None:
    validate_connect_error({"message": "A token is needed.", "data": {**ERROR, "code": "token_missing"}})
    for error in ({"message": "no"}, {"message": "no", "data": ERROR}):
        with pytest.raises(AssertionError):
            validate_connect_error(error)


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/api/v1/messages", 200, {**HISTORY, "undeclared": 1}),
        ("GET", "/api/v1/messages", 201, HISTORY),
        ("GET", "/api/v1/message", 200, HISTORY),
        ("PUT", "/api/v1/messages", 200, HISTORY),
        ("GET", "/api/v1/messages", 404, ERROR),
        ("GET", "/api/v1/messages", 404, {**PROBLEM, "code": "username_taken"}),
    ],
)
def test_undeclared_response_fails(method: str, path: str, status: int, body: dict[str, Any]) -> None:
    validate_response("GET", "/api/v1/messages?limit=1", 200, HISTORY)
    validate_response("GET", "/api/v1/conversations/0000000000000001/members", 404, PROBLEM)
    with pytest.raises(AssertionError):
        validate_response(method, path, status, body)
