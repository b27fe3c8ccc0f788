"""One way in for every event: checked, handled, answered. The one try/except of the Socket.IO face."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Generic, TypeVar

import structlog

from gochat.contract.encode import error_out
from gochat.contract.events import CLIENT_EVENTS
from gochat.contract.requests import Request, parse
from gochat.core.errors import ChatError, Internal, InvalidPayload, RateLimited, UnknownEvent
from gochat.core.rates import OTHER, Key, Rates
from gochat.events.connection import Connection, Roster
from gochat.events.engine import Unfit
from gochat.events.sockets import Ack

log = structlog.get_logger(__name__)

REFRESH = "auth:refresh"
"""What an expired connection may still send."""
HELD_S = 1.0
"""How long the answer of an event that came too often is held back, and with it one of the places that a
connection has for unanswered events: a flood fills them all, and then its socket is read no faster."""

R = TypeVar("R", bound=Request)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
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

    def __init__(self, roster: Roster, handlers: Mapping[str, Handler[Any, Any]], rates: Rates) -> None:
        if wrong := handlers.keys() ^ CLIENT_EVENTS.keys():
            raise ValueError(f"events without handler, or handlers without event: {sorted(wrong)}")
        self._roster = roster
        self._handlers = handlers
        self._rates = rates
        self._in_flight: set[asyncio.Future[Any]] = set()

    def __call__(self, sid: str, event: str, args: list[Any], ack: Ack | None) -> None:
        """Handle one event of a connected socket."""
        connection = self._roster.get(sid)
        if connection is None:  # it left while its event was on the way
            return
        call = _Call(event, connection, ack)
        handler = self._handlers.get(event)
        if handler is None:
            call.settle(self._unknown, call)
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
        if not isinstance(outcome, Awaitable):
            return handler.encode(outcome)
        future = asyncio.ensure_future(outcome)
        self._in_flight.add(future)
        future.add_done_callback(lambda done: self._finish(call, handler, done))
        return None

    def _unknown(self, call: "_Call") -> None:
        self._rates.take(OTHER, Key.USER, call.connection.user_id)
        raise UnknownEvent(field=call.event[:64])

    def _finish(self, call: "_Call", handler: Handler[Any, Any], done: asyncio.Future[Any]) -> None:
        self._in_flight.discard(done)
        call.settle(lambda: handler.encode(done.result()))


@dataclass(slots=True)
class _Call:
    event: str
    connection: Connection
    ack: Ack | None

    def settle(self, attempt: Callable[..., Mapping[str, Any] | None], *args: Any) -> None:
        """Answer with what the attempt returns or raises; None: the answer comes later."""
        try:
            data = attempt(*args)
        except RateLimited as error:
            held_s = min(HELD_S, (error.retry_after_ms or 0) / 1000)
            asyncio.get_running_loop().call_later(held_s, self._refused, error)
        except ChatError as error:
            self._refused(error)
        except asyncio.CancelledError:
            self._refused(Internal())
        except Exception:
            request_id = self._refused(Internal())
            log.exception("event_failed", event_name=self.event, request_id=request_id)
        else:
            if data is not None and self.ack is not None:
                self.ack({"ok": True, "data": data})

    def _refused(self, error: ChatError) -> str:
        request_id = token_hex(8)
        if self.ack is not None:
            self.ack({"ok": False, "error": error_out(error, request_id)})
        return request_id


def _unfit(found: Unfit) -> InvalidPayload:
    return InvalidPayload(
        f"The event is not what JSON can hold: {found.reason}.",
        field=found.path or None,
        details={"errors": [{"field": found.path, "reason": found.reason}]},
    )
