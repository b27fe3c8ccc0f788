"""The examples of both documents are what a server says: recorded anew, they are the same."""

import json
from typing import Any

import pytest

from gochat.contract.errors import error_table
from gochat.contract.events import CLIENT_EVENTS, SERVER_EVENTS
from gochat.contract.examples import PATH
from gochat.contract.routes import PREFIX, ROUTES
from tests.contract.schema import validate_ack, validate_event, validate_response, validate_shape
from tests.wire.recorded import PROTOCOL, record, shown

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ELSEWHERE = {"exchange_token"}
"""What needs an issuer of tokens beside the server: tests/wire has its tests."""
FAULTS = {"overloaded", "unavailable", "internal", "request_timeout"}
"""What no run has at will: the document makes it up."""


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    return record()


def test_everything_has_an_example(recorded: dict[str, Any]) -> None:
    assert set(recorded["events"]) == set(CLIENT_EVENTS)
    assert set(recorded["told"]) == set(SERVER_EVENTS)
    assert set(recorded["routes"]) == {route.name for route in ROUTES} - ELSEWHERE
    assert set(recorded["errors"]) == {row["code"] for row in error_table()} - FAULTS


def test_they_are_those_of_the_documents(recorded: dict[str, Any]) -> None:
    assert recorded == json.loads(PATH.read_text("utf-8")), "run `make examples`"
    page = PROTOCOL.read_text("utf-8")
    assert shown(page, recorded) == page, "run `make examples`"


def test_they_are_as_the_contract_says(recorded: dict[str, Any]) -> None:
    for name, event in recorded["events"].items():
        validate_ack(name, event["ack"])
        CLIENT_EVENTS[name].request.model_validate(event["request"])
    for name, payload in recorded["told"].items():
        validate_event(name, payload)
    for route in ROUTES:
        if route.name in recorded["routes"]:
            done = 202 if route.accepted else 200
            path = PREFIX + route.path.replace("{seq}", "1")
            validate_response(route.method, path, done, recorded["routes"][route.name]["answer"])
    for error in recorded["errors"].values():
        validate_shape("Error", error)
