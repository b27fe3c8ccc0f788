import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
import structlog

from gochat.contract.events import CLIENT_EVENTS
from gochat.core.errors import NotFound
from gochat.core.ports.logins import Identity
from gochat.core.rates import OTHER, Buckets, Rate
from gochat.events import dispatch
from gochat.events.connection import Connection, Roster
from gochat.events.dispatch import Dispatcher, Handler
from gochat.events.engine import Unfit

CONVERSATION = {"conversation_id": "0" * 15 + "1"}


class Desk:
    """A dispatcher with one connection; every handler does what `run` says."""

    def __init__(self, run: Any, expires_in: float = 60, rates: tuple[Rate, ...] = ()) -> None:
        self._news = asyncio.Event()
        self.acks: list[Mapping[str, Any]] = []
        roster = Roster()
        self.connection = Connection("s", Identity(1, 2, int((time.time() + expires_in) * 1000)))
        roster.add(self.connection)
        handler = Handler(run, lambda data: data)
        self.dispatcher = Dispatcher(
            roster, dict.fromkeys(CLIENT_EVENTS, handler), Buckets(rates, time.monotonic)
        )

    def emit(self, event: str, *args: object) -> None:
        self.dispatcher("s", event, list(args), self._ack)

    async def answered(self, count: int) -> None:
        """Wait until so many events are."""
        async with asyncio.timeout(10):
            while len(self.acks) < count:
                self._news.clear()
                await self._news.wait()

    def _ack(self, answer: Mapping[str, Any]) -> None:
        self.acks.append(answer)
        self._news.set()

    @property
    def codes(self) -> list[str]:
        return [ack["error"]["code"] for ack in self.acks]


def test_every_event_of_the_contract_needs_a_handler() -> None:
    with pytest.raises(ValueError, match="typing:stop"):
        Dispatcher(Roster(), {}, Buckets((), time.monotonic))


@pytest.mark.parametrize("event", ["nope", "", "connect", "message", "x" * 5000])
def test_an_unknown_event_is_answered(event: str) -> None:
    desk = Desk(lambda connection, request: {})
    desk.emit(event, {})
    assert desk.codes == ["unknown_event"]


@pytest.mark.parametrize(
    "args", [[], [None], ["text"], [[]], [1], [CONVERSATION, {}], [{**CONVERSATION, "more": 1}], [{}]]
)
def test_anything_but_one_valid_object_is_refused(args: list[object]) -> None:
    desk = Desk(lambda connection, request: {})
    desk.emit("typing:start", *args)
    assert desk.codes == ["invalid_payload"]


def test_what_json_cannot_hold_is_named() -> None:
    desk = Desk(lambda connection, request: {})
    desk.emit("message:send", Unfit("not_unicode", "attachments.0.name"))
    desk.emit("nope", Unfit("too_complex"))
    assert desk.codes == ["invalid_payload", "unknown_event"]
    error = desk.acks[0]["error"]
    assert (error["field"], error["retryable"]) == ("attachments.0.name", False)
    assert error["details"]["errors"] == [{"field": "attachments.0.name", "reason": "not_unicode"}]


def test_an_unknown_field_is_named() -> None:
    desk = Desk(lambda connection, request: {})
    desk.emit("typing:start", {**CONVERSATION, "colour": "red"})
    assert desk.acks[0]["error"]["field"] == "colour"


def test_a_refusal_and_a_fault_are_answered_and_the_fault_tells_nothing() -> None:
    def refuse(connection: Connection, request: object) -> Mapping[str, Any]:
        raise NotFound

    def fail(connection: Connection, request: object) -> Mapping[str, Any]:
        raise ZeroDivisionError("inside")

    for run, code in ((refuse, "not_found"), (fail, "internal")):
        desk = Desk(run)
        with structlog.testing.capture_logs():
            desk.emit("typing:start", CONVERSATION)
        assert desk.codes == [code]
        assert "inside" not in str(desk.acks)


def test_a_fault_after_a_wait_is_answered_too() -> None:
    async def fail(connection: Connection, request: object) -> Mapping[str, Any]:
        await asyncio.sleep(0)
        raise ZeroDivisionError("inside")

    async def scene() -> Desk:
        desk = Desk(fail)
        desk.emit("typing:start", CONVERSATION)
        await desk.dispatcher.drain(5)
        await asyncio.sleep(0)
        return desk

    with structlog.testing.capture_logs():
        desk = asyncio.run(scene())
    assert desk.codes == ["internal"]


def test_after_its_token_ended_a_connection_may_only_refresh() -> None:
    desk = Desk(lambda connection, request: {}, expires_in=-1)
    desk.emit("typing:start", CONVERSATION)
    assert desk.codes == ["token_expired"]
    desk.emit("auth:refresh", {"token": "t"})
    assert desk.acks[1] == {"ok": True, "data": {}}


def test_commands_begin_in_order_and_do_not_wait_for_each_other() -> None:
    begun: list[int] = []
    answers: list[asyncio.Future[Mapping[str, Any]]] = []

    def run(connection: Connection, request: Any) -> asyncio.Future[Mapping[str, Any]]:
        begun.append(request.seq)
        answers.append(asyncio.get_running_loop().create_future())
        return answers[-1]

    async def scene() -> Desk:
        desk = Desk(run)
        for seq in range(1, 4):
            desk.emit("message:delete", {**CONVERSATION, "seq": seq})
        assert begun == [1, 2, 3]
        for n in (2, 0, 1):
            answers[n].set_result({"n": n})
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return desk

    desk = asyncio.run(scene())
    assert [ack["data"]["n"] for ack in desk.acks] == [2, 0, 1]


@pytest.mark.parametrize("event", ["typing:start", "nope"])
async def test_what_comes_too_often_is_answered_so_after_a_while_and_not_run(
    event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "HELD_S", 0.01)
    runs: list[object] = []

    def run(*asked: object) -> Mapping[str, Any]:
        runs.append(asked)
        return {}

    desk = Desk(run, rates=(Rate("typing:start", 2, 60), Rate(OTHER, 2, 60)))
    for _ in range(5):
        desk.emit(event, CONVERSATION)
    assert len(desk.acks) == 2  # the others keep their places among the unanswered events
    await desk.answered(5)
    refused = [ack["error"] for ack in desk.acks[2:]]
    assert [error["code"] for error in refused] == ["rate_limited"] * 3
    assert all(error["retryable"] and 0 < error["retry_after_ms"] <= 30_000 for error in refused)
    assert len(runs) == (2 if event == "typing:start" else 0)


async def test_what_is_not_valid_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "HELD_S", 0.01)
    desk = Desk(lambda *_: {}, rates=(Rate("typing:start", 2, 60),))
    for _ in range(3):
        desk.emit("typing:start", {})
    assert desk.codes == ["invalid_payload"] * 2


async def test_a_sync_that_names_much_counts_as_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "HELD_S", 0.01)
    desk = Desk(lambda *_: {}, rates=(Rate("sync", 24, 60),))
    known = {f"{number:016x}": 1 for number in range(1, 10_001)}
    for _ in range(2):
        desk.emit("sync", {"known": known})
    assert len(desk.acks) == 1
    for _ in range(3):
        desk.emit("sync", {})
    assert len(desk.acks) == 4
    desk.emit("sync", {})
    assert len(desk.acks) == 4
