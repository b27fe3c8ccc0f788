from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.contract import parameters, requests
from gochat.contract.events import CLIENT_EVENTS
from gochat.contract.ids import NO_ID, id_out, uuid_out
from gochat.contract.requests import Request, known_in, parse
from gochat.contract.routes import ROUTES
from gochat.core.errors import InvalidPayload
from tests.unit.contract.values import ids, seqs

KEY = "6f1c7c1e-6a4e-4d5a-9d39-0d4f4c1b2a3d"
SEND = {"conversation_id": id_out(7), "client_message_id": KEY, "body": "hello"}
MODELS = sorted(
    {event.request for event in CLIENT_EVENTS.values()}
    | {model for route in ROUTES for model in (route.body, route.query) if model is not None},
    key=lambda model: model.__name__,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def refused(model: type[Request], payload: object) -> InvalidPayload:
    with pytest.raises(InvalidPayload) as caught:
        parse(model, payload)
    return caught.value


def faults(error: InvalidPayload) -> list[dict[str, str]]:
    assert error.details is not None
    listed = error.details["errors"]
    assert isinstance(listed, list)
    return listed


def test_ids_and_keys_become_what_core_speaks_of() -> None:
    send = parse(requests.Send, {**SEND, "client_message_id": KEY.upper()})
    assert send.conversation_id == 7
    assert uuid_out(send.client_message_id) == KEY


def test_id_that_is_not_ours_is_well_formed_but_nothing() -> None:
    assert parse(requests.Send, {**SEND, "conversation_id": "general"}).conversation_id == NO_ID


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("hello", "Input should be a JSON object"),
        ([SEND], "Input should be a JSON object"),
        ({**SEND, "mentions": "ann"}, "mentions: Input should be a JSON object"),
        ({**SEND, "data": []}, "data: Input should be a JSON object"),
    ],
)
def test_messages_speak_of_json(payload: object, message: str) -> None:
    assert refused(requests.Send, payload).message == message


def test_messages_leave_out_what_is_pythons() -> None:
    query = {"conversation_id": id_out(7), "before_seq": "one"}
    assert refused(parameters.History, query).message == "before_seq: Input should be a decimal number"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"conversation_id": 7}, "conversation_id"),
        ({"conversation_id": ""}, "conversation_id"),
        ({"conversation_id": "x" * 65}, "conversation_id"),
        ({"client_message_id": "1"}, "client_message_id"),
        ({"client_message_id": KEY.replace("-", "")}, "client_message_id"),
        ({"client_message_id": KEY + "\n"}, "client_message_id"),
        ({"body": None}, "body"),
        ({"body": 1}, "body"),
        ({"body": "x" * 100_001}, "body"),
        ({"reply_to_seq": 0}, "reply_to_seq"),
        ({"reply_to_seq": "1"}, "reply_to_seq"),
        ({"reply_to_seq": 1.0}, "reply_to_seq"),
        ({"reply_to_seq": True}, "reply_to_seq"),
        ({"reply_to_seq": 2**53}, "reply_to_seq"),
        ({"attachments": {}}, "attachments"),
        ({"attachments": [{"url": "https://x/y"}]}, "attachments.0.mime_type"),
        ({"attachments": [{"url": "javascript:1", "mime_type": "a/b"}]}, "attachments.0.url"),
        ({"attachments": [{"url": "https://x/y", "mime_type": "a/b", "alt": ""}]}, "attachments.0.alt"),
        ({"Body": "hello"}, "Body"),
    ],
)
def test_fault_is_told_by_the_name_of_its_field(change: dict[str, Any], field: str) -> None:
    error = refused(requests.Send, {**SEND, **change})
    assert error.field == field
    assert error.message.startswith(field)
    assert faults(error)[0]["field"] == field


@pytest.mark.parametrize("missing", ["conversation_id", "client_message_id"])
def test_missing_field_is_named(missing: str) -> None:
    error = refused(requests.Send, {name: value for name, value in SEND.items() if name != missing})
    assert error.field == missing
    assert faults(error) == [{"field": missing, "reason": "missing"}]


def test_at_most_ten_faults_are_listed() -> None:
    error = refused(requests.Send, {**SEND, **{f"unknown_{n}": 1 for n in range(50)}})
    assert len(faults(error)) == 10


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_request_names_an_unknown_field(model: type[Request]) -> None:
    error = refused(model, {"no_such_field": 1})
    assert {"field": "no_such_field", "reason": "extra_forbidden"} in faults(error)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("payload", [None, True, 1, "text", [], [{}]], ids=repr)
def test_every_request_is_an_object(model: type[Request], payload: object) -> None:
    assert refused(model, payload).field is None


@given(st.sampled_from(MODELS), json_values)
def test_no_payload_but_a_refusal_escapes(model: type[Request], payload: object) -> None:
    with suppress(InvalidPayload):
        parse(model, payload)


@given(st.dictionaries(ids, seqs, max_size=5))
def test_sync_knows_only_ids_of_ours(known: dict[int, int]) -> None:
    request = parse(requests.Sync, {"known": {**{id_out(cid): at for cid, at in known.items()}, "?": 3}})
    assert known_in(request.known) == known


def test_sync_refuses_more_conversations_than_one_can_have() -> None:
    error = refused(requests.Sync, {"known": {id_out(n): 0 for n in range(1, 10_002)}})
    assert error.field == "known"


@pytest.mark.parametrize("name", ["Ann\nPhone", "a\0", "\u202egpj", "Ann\u200b"])
def test_what_an_app_calls_its_phone_is_one_visible_line(name: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        requests.parse(requests.UpdateSession, {"name": name})
    assert refused.value.field == "name"
    assert requests.parse(requests.UpdateSession, {"name": " Ann's 📱 "}).name == "Ann's 📱"
