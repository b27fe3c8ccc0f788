"""One way in for every event: checked, handled, answered. The one try/except of the Socket.IO face."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from time import perf_counter
from typing import Any, Generic, TypeVar

import structlog

from gochat.contract.encode import error_out
from gochat.contract.events import CLIENT_EVENTS
from gochat.contract.ids import id_in
from gochat.contract.requests import Request, parse
from gochat.contract.unique import stands_twice
from gochat.core.errors import (
    ChatError,
    Internal,
    InvalidPayload,
    Overloaded,
    RateLimited,
    Unavailable,
    UnknownEvent,
)
from gochat.core.lateness import come_back
from gochat.core.measures import Measures
from gochat.core.rates import OTHER, Key, Rates
from gochat.core.values import value
from gochat.events.admission import Admission
from gochat.events.connection import Connection, Roster
from gochat.events.engine import Unfit
from gochat.events.sockets import Ack

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

REFRESH = "auth:refresh"
"""What an expired connection may still send."""
HELD_S = 1.0
"""How long the answer of an event that came too often is held back, and with it one of the places that a
connection has for unanswered events: a flood fills them all, and then its socket is read no faster."""

R = TypeVar("R", bound=Request)
T = TypeVar("T")


@value(frozen=True, slots=True)
class Handler(Generic[R, T]):
    """What an event does. `run` begins before the client's next event; `encode` shapes the answer.

    What `encode` returns is the answer that the contract has for the event.
    """

    run: Callable[[Connection, R], T | Awaitable[T]]
    encode: Callable[[T], Mapping[str, Any]]


class Dispatcher:
    """Finds the handler of each event and gives each exactly one answer.

    Commands enter the writer in the order in which their events came: `run` is called synchronously, and
    nothing waits for the commit of the one before. The engine bounds what one client may have unanswered.
    """

    def __init__(
        self,
        roster: Roster,
        handlers: Mapping[str, Handler[Any, Any]],
        rates: Rates,
        measures: Measures | None = None,
        admission: Admission | None = None,
    ) -> None:
        if wrong := handlers.keys() ^ CLIENT_EVENTS.keys():
            raise ValueError(f"events without handler, or handlers without event: {sorted(wrong)}")
        self._roster = roster
        self._handlers = handlers
        self._rates = rates
        self._measures = measures or Measures()
        self._admission = admission
        self._in_flight: set[asyncio.Future[Any]] = set()

    def __call__(self, sid: str, event: str, args: list[Any], ack: Ack | None) -> None:
        """Handle one event of a connected socket."""
        connection = self._roster.get(sid)
        if connection is None:  # it left while its event was on the way
            return
        handler = self._handlers.get(event)
        name = event if handler is not None else OTHER
        call = _Call(name, connection, args, ack, self._measures, perf_counter())
        if self._admission is not None and event != REFRESH and not self._admission.lets_in():
            call.refuse(come_back(connection.user_id))
            return
        if handler is None:
            call.settle(self._unknown, call, event)
            return
        call.settle(self._start, call, handler, args)

    async def drain(self, seconds: float) -> None:
        """Wait until what was accepted is answered, for at most that long."""
        if self._in_flight:
            await asyncio.wait(tuple(self._in_flight), timeout=seconds)

    def _start(self, call: "_Call", handler: Handler[Any, Any], args: list[Any]) -> Mapping[str, Any] | None:
        connection = call.connection
        if call.event != REFRESH:
            connection.require_token(int(time.time() * 1000))
        described = CLIENT_EVENTS[call.event]
        payload = args[0] if len(args) == 1 else None
        self._rates.take(call.event, Key.USER, connection.user_id, described.cost(payload))
        if len(args) != 1:
            raise InvalidPayload("An event takes one JSON object.")
        if type(payload) is Unfit:
            raise _unfit(payload)
        outcome = handler.run(connection, parse(described.request, payload))
        if isinstance(outcome, asyncio.Future):  # as a send is: it takes a few calls less
            future = outcome
        elif isinstance(outcome, Awaitable):
            future = asyncio.ensure_future(outcome)
        else:
            return handler.encode(outcome)
        self._in_flight.add(future)
        future.add_done_callback(partial(self._finish, call, handler))
        return None

    def _unknown(self, call: "_Call", event: str) -> None:
        self._rates.take(OTHER, Key.USER, call.connection.user_id)
        raise UnknownEvent(field=event[:64])

    def _finish(self, call: "_Call", handler: Handler[Any, Any], done: asyncio.Future[Any]) -> None:
        self._in_flight.discard(done)
        call.settle(_encoded, handler.encode, done)


def _encoded(encode: Callable[[T], Mapping[str, Any]], done: "asyncio.Future[T]") -> Mapping[str, Any]:
    return encode(done.result())


@dataclass(slots=True)
class _Call:
    event: str
    """Its name, or `other`: nobody can make up names for the measures."""
    connection: Connection
    args: list[Any]
    ack: Ack | None
    measures: Measures
    began: float

    def settle(self, attempt: Callable[..., Mapping[str, Any] | None], *args: Any) -> None:
        """Answer with what the attempt returns or raises; None: the answer comes later."""
        try:
            data = attempt(*args)
        except RateLimited as error:
            self.measures.limits.add(self.event)
            held_s = min(HELD_S, (error.retry_after_ms or 0) / 1000)
            asyncio.get_running_loop().call_later(held_s, self.refuse, error)
        except ChatError as error:
            self.refuse(error)
        except asyncio.CancelledError:
            self.refuse(Internal())
        except Exception:
            log.exception("event_failed", **self._place(self.refuse(Internal())))
        else:
            if data is not None:
                if self.ack is not None:
                    self.ack({"ok": True, "data": data})
                self._took("ok")

    def refuse(self, error: ChatError) -> str:
        """Answer with an error; the request's id, which its line has."""
        request_id = token_hex(8)
        if self.ack is not None:
            self.ack({"ok": False, "error": error_out(error, request_id)})
        self.connection.last_error = (self.event, error.code, request_id)
        self._took(error.code, request_id)
        level = _LEVELS.get(error.code, logging.DEBUG)
        if log.is_enabled_for(level):
            log.log(level, "event_refused", code=error.code, **self._place(request_id))
        return request_id

    def _took(self, result: str, request_id: str | None = None) -> None:
        seconds = perf_counter() - self.began
        self.measures.events.note(seconds, self.event, result)
        if self.connection.follower is not None:
            ms = round(seconds * 1000, 1)
            self.connection.tell({"what": "event", "result": result, "ms": ms, **self._place(request_id)})
        if seconds > self.measures.slow_s:
            log.warning("slow_event", ms=round(seconds * 1000), result=result, **self._place())

    def _place(self, request_id: str | None = None) -> dict[str, object]:
        """What leads from a line to the phone, and from the phone's error to the line."""
        payload = self.args[0] if self.args else None
        conversation_id = id_in(str(payload.get("conversation_id"))) if isinstance(payload, dict) else None
        places = {
            "event_name": self.event,
            "request_id": request_id,
            "connection": self.connection.sid,
            "user": self.connection.user_id,
            "conversation": conversation_id,
        }
        return {name: value for name, value in places.items() if value is not None}


_LEVELS = {
    Internal.code: logging.ERROR,
    Overloaded.code: logging.WARNING,
    Unavailable.code: logging.WARNING,
    RateLimited.code: logging.INFO,
}
"""Of refusals that are worth a line; others are the app's affair, and told at `debug` only."""


def _unfit(found: Unfit) -> InvalidPayload:
    if found.reason == "twice":
        return stands_twice(found.path)
    return InvalidPayload(
        f"The event is not what JSON can hold: {found.reason}.",
        field=found.path or None,
        details={"errors": [{"field": found.path, "reason": found.reason}]},
    )
