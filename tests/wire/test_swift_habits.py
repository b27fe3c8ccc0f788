"""What the Swift client does otherwise than the others, packet by packet."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.schema import validate_ack, validate_connect_error, validate_event
from tests.services.gochat import GoChatServer
from tests.wire.account import Account
from tests.wire.engine.wire import Ws
from tests.wire.phone import message
from tests.wire.tokens import minted


@pytest.fixture
def ws(server: GoChatServer) -> Iterator[Ws]:
    """An open Engine.IO connection without a CONNECT."""
    with Ws(server.port) as ws:
        ws.open()
        yield ws


def connect(ws: Ws, token: str) -> str:
    """CONNECT as the library does, which names the main namespace; return the answer."""
    ws.send("40/," + json.dumps({"token": token}))
    return ws.text()


def refusal(answer: str) -> Any:
    assert answer.startswith("44{")
    error = json.loads(answer[2:])
    validate_connect_error(error)
    return error["data"]["code"]


def ask(ws: Ws, event: str, payload: object) -> Any:
    """The ack of an event; what is heard before it is dropped."""
    ws.send("427" + json.dumps([event, payload]))
    while not (text := ws.text()).startswith("437"):
        assert text.startswith("42")
    (ack,) = json.loads(text[3:])
    validate_ack(event, ack)
    return ack


def test_connects_to_the_namespace_by_its_name(ws: Ws, ann: Account, direct: str) -> None:
    assert connect(ws, ann.token).startswith('40{"sid":')
    assert ask(ws, "message:send", message(direct, "hello"))["ok"]


def test_connects_again_on_the_same_connection_with_a_fresh_token(ws: Ws, ann: Account) -> None:
    assert refusal(connect(ws, "stale")) == "token_invalid"
    assert refusal(connect(ws, ann.refresh_token)) == "token_invalid"
    assert connect(ws, ann.token).startswith('40{"sid":')
    assert ask(ws, "sync", {})["ok"]


def test_may_not_try_for_ever(ws: Ws) -> None:
    for _ in range(4):
        assert refusal(connect(ws, "guess")) == "token_invalid"
    ws.expect_closed()


def test_its_stale_payload_connects_and_refreshes_itself(server: GoChatServer, ann: Account) -> None:
    """On its own reconnects it sends the payload of the first connect."""
    stale = minted(ann, seconds_ago=1_000)
    for _ in range(2):
        with Ws(server.port) as ws:
            ws.open()
            assert connect(ws, stale).startswith('40{"sid":')
            event, payload = json.loads(ws.text()[2:])
            validate_event(event, payload)
            assert event == "auth:expiring"
            assert ask(ws, "sync", {})["error"]["code"] == "token_expired"
            assert ask(ws, "auth:refresh", {"token": ann.token})["ok"]
            assert ask(ws, "sync", {})["ok"]
