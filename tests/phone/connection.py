"""One connection of the official Python client, from its beginning to its end."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import socketio

ACK_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0


class LostError(Exception):
    """No answer came: it may be done or not."""


class RefusedError(Exception):
    """The server said no. `error` is its error object; `retryable` and `retry_after_ms` say what helps."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["code"])
        self.error = error

    @property
    def code(self) -> str:
        """What is wrong."""
        return str(self.error["code"])


class Connection:
    """It does not come back by itself. `hear` is called with each event and its payload, in order."""

    def __init__(self, hear: Callable[[str, Any], None]) -> None:
        self.closed = asyncio.Event()
        self._client = socketio.AsyncClient(reconnection=False)
        self._client.on("*", hear)
        self._client.on("disconnect", lambda *_: self.closed.set())
        self._client.on("connect_error", lambda *refusal: self._refusals.extend(refusal))
        self._refusals: list[Any] = []
        self._waiting: set[asyncio.Future[Any]] = set()

    async def open(self, url: str, token: str) -> None:
        """Connect.

        Raises:
            RefusedError, LostError
        """
        try:
            async with asyncio.timeout(2 * CONNECT_TIMEOUT_S):
                await self._client.connect(
                    url, auth={"token": token}, transports=["websocket"], wait_timeout=CONNECT_TIMEOUT_S
                )
        except (socketio.exceptions.SocketIOError, TimeoutError) as error:
            for refusal in self._refusals:
                if isinstance(refusal, dict) and isinstance(refusal.get("data"), dict):
                    raise RefusedError(refusal["data"]) from error
            raise LostError from error

    async def call(self, event: str, payload: dict[str, Any]) -> Any:
        """Emit an event; return the `data` of its ack.

        Raises:
            RefusedError, LostError
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.add(answer)
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                await self._client.emit(event, payload, callback=lambda ack: _resolve(answer, ack))
                ack = await answer
        except (TimeoutError, socketio.exceptions.SocketIOError) as error:
            raise LostError from error
        finally:
            self._waiting.discard(answer)
        if not ack["ok"]:
            raise RefusedError(ack["error"])
        return ack["data"]

    async def close(self) -> None:
        """End it; whoever waits for an answer is told that it is lost."""
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(LostError())
        with contextlib.suppress(TimeoutError, socketio.exceptions.SocketIOError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._client.disconnect()
        session = self._client.eio.http  # it stays open if the connection never was
        if session is not None:
            await session.close()


def _resolve(answer: asyncio.Future[Any], ack: Any) -> None:
    if not answer.done():
        answer.set_result(ack)
