"""Phones that a program on an official client library plays."""

import asyncio
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from tests.contract.schema import validate_ack, validate_event
from tests.services.dialogue import Dialogue

TIMEOUT_S = 60
ACK_TIMEOUT_MS = 45_000
DEFAULT: list[str] = []
"""The library's own choice of transports: polling, then an upgrade to websocket."""


class Phones:
    """The phones of one program; tests/js/client.js tells how it is talked to."""

    def __init__(self, program: Dialogue) -> None:
        self._program = program
        self._phones: dict[str, OfficialPhone] = {}
        self._ids = count()

    def open(self, name: str, url: str, token: str, transports: list[str], **how: Any) -> "OfficialPhone":
        """A new phone, which connects; with `wait=True` only once it is told."""
        phone = self._phones[name] = OfficialPhone(self, name)
        chosen = {"transports": transports} if transports else {}
        self.order(name, do="open", url=url, token=token, **chosen, **how)
        return phone

    def order(self, name: str, **order: Any) -> None:
        """Have a phone do something."""
        self._program.send({"phone": name, **order})

    def emit(self, name: str, event: str, payload: Any, timeout_ms: int) -> int:
        """Have a phone emit; return the id of the answer to come."""
        id_ = next(self._ids)
        self.order(name, do="emit", id=id_, event=event, payload=payload, timeout_ms=timeout_ms)
        return id_

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Listen until it is so. Raises TimeoutError."""
        deadline = time.monotonic() + TIMEOUT_S
        while not is_so():
            line = await asyncio.to_thread(self._program.receive, max(0.0, deadline - time.monotonic()))
            self._phones[line["phone"]].take(line)


class OfficialPhone:
    """One phone. Everything that it says of itself is kept, in order."""

    def __init__(self, phones: Phones, name: str) -> None:
        self._phones = phones
        self._name = name
        self._acks: dict[int, Any] = {}
        self.heard: list[tuple[str, Any]] = []
        self.states: list[tuple[str, Any]] = []

    def take(self, line: dict[str, Any]) -> None:
        """What the program said of this phone."""
        if "ack" in line:
            self._acks[line["ack"]] = line.get("payload")
        elif "state" in line:
            self.states.append((line["state"], line.get("payload")))
        else:
            validate_event(line["event"], line["payload"])
            self.heard.append((line["event"], line["payload"]))

    @property
    def transport(self) -> Any:
        """What carries its messages now."""
        return next((payload for state, payload in reversed(self.states) if state == "transport"), None)

    def use(self, token: str) -> None:
        """From the next CONNECT on, another token."""
        self._phones.order(self._name, do="token", token=token)

    def connect(self) -> None:
        """Connect, as an app does after a refusal."""
        self._phones.order(self._name, do="connect")

    async def expect_state(self, state: str, times: int = 1) -> Any:
        """Wait until it has said so that many times; return what it said of it last."""
        await self._phones.until(lambda: self._times(state) >= times)
        return next(payload for said, payload in reversed(self.states) if said == state)

    def _times(self, state: str) -> int:
        return sum(said == state for said, _ in self.states)

    def start(self, event: str, payload: Any, timeout_ms: int = ACK_TIMEOUT_MS) -> int:
        """Emit; `answer` has the rest."""
        return self._phones.emit(self._name, event, payload, timeout_ms)

    async def answer(self, id_: int) -> Any:
        """The ack of what was started; None if there was none in time."""
        await self._phones.until(lambda: id_ in self._acks)
        return self._acks.pop(id_)

    async def expect_ok(self, event: str, payload: Any) -> Any:
        """Send an event that succeeds; return the data of its ack."""
        ack = await self.answer(self.start(event, payload))
        validate_ack(event, ack)
        assert ack["ok"], ack
        return ack["data"]

    async def expect_error(self, event: str, payload: Any, code: str) -> None:
        """Send an event that is refused with a code."""
        ack = await self.answer(self.start(event, payload))
        validate_ack(event, ack)
        assert ack.get("error", {}).get("code") == code, ack

    async def expect_event(self, event: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """The payload of the first such event heard, before or from now on."""
        found: list[Any] = []

        def heard() -> bool:
            found[:] = [payload for name, payload in self.heard if name == event and wanted(payload)]
            return bool(found)

        await self._phones.until(heard)
        return found[0]
