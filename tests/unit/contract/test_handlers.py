"""What handlers take and return is, by their types, what the contract says; mypy holds them to these."""

from typing import Any, get_args, get_type_hints

import pytest

from gochat.contract import parameters, requests
from gochat.contract.events import CLIENT_EVENTS
from gochat.contract.routes import ROUTES, Route
from gochat.events.dispatch import Handler
from gochat.events.handlers import Handlers
from gochat.rest import app
from gochat.rest.app import OPEN_HANDLERS, USER_HANDLERS, create_rest_app

NOTHING: Any = None
EVENTS = Handlers(*[NOTHING] * len(Handlers.__dataclass_fields__)).table()


@pytest.mark.parametrize("name", CLIENT_EVENTS)
def test_an_event_takes_its_request_and_returns_its_answer(name: str) -> None:
    handler: Handler[Any, Any] = EVENTS[name]
    run, encode = get_type_hints(handler.run), get_type_hints(handler.encode)
    assert run["request"] is CLIENT_EVENTS[name].request
    assert encode["return"] is CLIENT_EVENTS[name].answer


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_route_takes_its_request_and_returns_its_answer(route: Route) -> None:
    handler = (USER_HANDLERS if route.auth else OPEN_HANDLERS)[route.name]
    hints = get_type_hints(handler)
    (asked,) = get_args(hints["call"])
    assert asked in {route.body or route.query or requests.Request, parameters.Query}
    if route.unavailable is None and not route.lines:  # else it makes the whole response itself
        assert hints["return"] is route.answer


def test_a_route_without_handler_fails_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "USER_HANDLERS", {"nobody": NOTHING})
    with pytest.raises(ValueError, match="send_message"):
        create_rest_app(NOTHING)
