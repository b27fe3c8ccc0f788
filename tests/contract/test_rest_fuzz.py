"""Whatever is sent to whichever route: an answer that the contract has, and never a fault of ours."""

import asyncio
import json
import re
from collections import Counter
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gochat.contract.ids import id_out
from gochat.contract.routes import ROUTES, Route
from tests.contract.rest import Answer, Rest, register, running

TEXT = st.text(max_size=40) | st.sampled_from(["\x00", "👍" * 40, "x" * 9_000, "\u202e", "%", "' OR 1=1 --"])
NUMBERS = st.integers() | st.integers(-1, 3) | st.sampled_from([2**31, 2**53, 2**63 - 1, 2**63, 2**64])
IDS = st.sampled_from([id_out(1), id_out(2**63 - 1), "0" * 16, "f" * 16, "{me}", "{other}", "{conversation}"])
PLAIN = st.none() | st.booleans() | NUMBERS | st.floats() | TEXT | IDS | st.uuids().map(str)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "username": st.from_regex(r"[a-z]{3,8}", fullmatch=True),
    "password": st.text(min_size=8, max_size=20),
    "phone": st.integers(10**6, 10**11).map(lambda number: f"+49{number}"),
    "kind": st.sampled_from(["direct", "group"]),
    "history": st.sampled_from(["from_start", "from_joining"]),
    "member_ids": st.lists(IDS, max_size=3),
    "client_message_id": st.sampled_from([str(UUID(int=number)) for number in range(3)]),
    "client_conversation_id": st.sampled_from([str(UUID(int=number)) for number in range(3)]),
    "known": st.dictionaries(IDS, NUMBERS, max_size=3),
    "conversation_id": IDS,
    "body": TEXT,
    "ids": st.lists(IDS, max_size=3).map(",".join),
}


ENDING = ("logout", "delete_me")
"""After these all else is refused."""
CALLED = [route for route in ROUTES if route.name not in ENDING]


def path_of(route: Route) -> str:
    """With the one conversation, or its first message, for whatever it asks for."""
    return re.sub("{(?!seq)[^}]*}", "{conversation}", route.path).replace("{seq}", "1")


@st.composite
def calls(draw: st.DrawFn) -> tuple[Route, str, dict[str, str], Any]:
    """A route, its path, a query and a body: some parts as they should be, some not."""
    route = draw(st.sampled_from(CALLED))
    path = path_of(route)
    query = {name: str(value) for name, value in draw(fields(route.query)).items()}
    return route, path, query, draw(fields(route.body) if draw(st.integers(0, 9)) else VALUES)


def fields(model: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the fields of a request, with values that are likely to pass, and values of any kind."""
    names = list(model.model_fields) if model else []
    each = {name: LIKELY.get(name, NUMBERS) | VALUES if name in LIKELY else PLAIN | VALUES for name in names}
    required = {name: each[name] for name in names if model.model_fields[name].is_required()}
    return st.fixed_dictionaries(
        required, optional={name: each[name] for name in names if name not in required}
    )


class Scene:
    """Two users with a conversation; their ids stand for their names in what is sent."""

    def __init__(self, runner: asyncio.Runner, rest: Rest, *names: str) -> None:
        self._runner = runner
        self._me, other = (runner.run(register(rest, name)) for name in names)
        group = {"kind": "group", "member_ids": [other.id]}
        conversation = runner.run(self._me.rest.ok("POST", "/conversations", group))["conversation"]
        self._names = {"me": self._me.id, "other": other.id, "conversation": conversation["id"]}

    def call(self, route: Route, path: str, query: dict[str, str], body: Any) -> Answer:
        options: dict[str, Any] = {"params": self._filled(query)}
        if route.body is not None:
            content = json.dumps(self._filled(body)).encode()
            options |= {"content": content, "headers": {"content-type": "application/json"}}
        return self._runner.run(self._me.rest.ask(route.method, self._filled(path), **options))

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str):
            return re.sub("{(me|other|conversation)}", lambda found: self._names[found[1]], value)
        if isinstance(value, list):
            return [self._filled(part) for part in value]
        if isinstance(value, dict):
            return {self._filled(key): self._filled(part) for key, part in value.items()}
        return value


def test_no_call_is_a_fault_of_ours(database_url: str) -> None:
    statuses: Counter[int] = Counter()
    with asyncio.Runner() as runner:
        application = running(database_url)
        rest = runner.run(application.__aenter__())
        scene, once = Scene(runner, rest, "myself", "other"), Scene(runner, rest, "someone", "another")

        @settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
        @given(calls())
        def check(call: tuple[Route, str, dict[str, str], Any]) -> None:
            answer = scene.call(*call)
            assert answer.status < 500
            statuses[answer.status] += 1

        try:
            for route in (*CALLED, *(it for it in ROUTES if it.name in ENDING)):
                assert once.call(route, path_of(route), {}, {}).status < 500
            check()
        finally:
            runner.run(application.__aexit__(None, None, None))
    assert {200, 400, 404} <= set(statuses), statuses
