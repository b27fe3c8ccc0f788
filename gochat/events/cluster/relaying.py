"""The two ends of a polling request that came to one process and is for a session of another."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog

from gochat.events.engine.engine import Engine
from gochat.events.engine.errors import Refused, SessionUnknown
from gochat.events.engine.exchange import Exchange, Headers
from gochat.events.engine.frames import COME_BACK
from gochat.events.engine.handshake import Request, parse_query
from gochat.events.tasks import Tasks

log = structlog.get_logger(__name__)

Give = Callable[[Mapping[str, Any], bytes], Awaitable[None]]
"""Gives an answer to the process that asked. Raises ConnectionError: that is not there any more."""


class Asked:
    """Where the client is."""

    __slots__ = ("_leave", "_release")

    def __init__(self, leave: Callable[[], object], release: Callable[[], object]) -> None:
        self._leave = leave
        self._release = release

    def leave(self) -> None:
        """The client has gone."""
        self._leave()

    def release(self) -> None:
        """Have a poll answered soon."""
        self._release()


class Answered:
    """Where the session is: an exchange as any other, whose answer is given to the process that asked.

    With a process that is killed may go what it had in its hands. Browsers, libraries and proxies ask once
    more, by themselves, when a kept connection ends under a poll: without a word, the phone would lack that.
    Given again, it would have some of it twice, for what was written may have been read. So the process that
    asked tells whether it has `taken` the answer: written it to its client's connection. Until then the
    session's next poll waits; if it does not, the session ends, and the phone asks for what it lacks.

    Args:
        confirms: whether the process that asked will tell so. The release before does not.
        patience: how long that may take, in seconds.
        end: is called when nothing more is to be heard of it.
    """

    def __init__(
        self,
        engine: Engine,
        request: Request,
        *,
        confirms: bool,
        patience: float,
        give: Give,
        end: Callable[[], object],
        tasks: Tasks,
    ) -> None:
        self._engine = engine
        self._request = request
        self._confirms = confirms
        self._patience = patience
        self._give = give
        self._end = end
        self._tasks = tasks
        self._taken: asyncio.Future[bool] = engine.loop.create_future()
        self._exchange = Exchange(engine, request, self._respond, _nothing)

    def begin(self, body: bytes) -> None:
        """Answer, now or later."""
        try:
            if self._engine.owner(parse_query(self._request.query)) is not None:
                raise SessionUnknown
            self._exchange.begin()
            self._exchange.feed(body, last=True)
        except Refused as refused:
            self._exchange.refuse(refused)
        except Exception:
            log.exception("relay_failed")
            self._exchange.refuse(Refused(500, 3, "Internal server error"))

    def heard(self, kind: str) -> None:
        """What the process says that asked: `taken`, `gone` (the client, or itself) or `release`."""
        if kind == "release":
            self._exchange.release()
        elif self._exchange.over:
            self._settle(taken=kind == "taken")
        else:
            self._end()
            self._exchange.leave()

    def doubt(self) -> None:
        """Some of what it said may have been lost."""
        if self._exchange.over:
            self._settle(taken=False)

    def _settle(self, *, taken: bool) -> None:
        if not self._taken.done():
            self._taken.set_result(taken)

    def _respond(self, status: int, _headers: Headers, body: bytes) -> None:
        refused = self._exchange.refused
        if refused is None:
            self._tasks.spawn(self._answer({"status": status}, body))
        else:
            error = {"status": status, "code": refused.code, "message": refused.message}
            self._tasks.spawn(self._answer(error, b""))

    async def _answer(self, header: Mapping[str, Any], body: bytes) -> None:
        taken = False
        try:
            async with asyncio.timeout(self._patience):
                await self._give(header, body)
                taken = not self._confirms or header["status"] != 200 or await self._taken
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._end()
            if not taken:
                self._lose()
            self._exchange.written(taken)

    def _lose(self) -> None:
        log.info("relay_answer_lost", method=self._request.method)
        if self._request.method == "POST":
            with suppress(Refused):
                session = self._engine.find(parse_query(self._request.query))
                session.close("transport close", code=COME_BACK)


def _nothing() -> None:
    pass
