"""Sockets that read more slowly than there is to say, and when they have caught up."""

import asyncio

from gochat.events.sockets import Sockets

EVERY_S = 0.1
"""How often the slow ones are looked at, all together."""


class Slow:
    """Bounded by the sockets that are behind."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._waiting: dict[str, asyncio.Event] = {}

    async def caught_up(self, sid: str) -> None:
        """Return when a socket is not behind, or gone."""
        if not self._sockets.is_behind(sid):
            return
        if not self._waiting:
            asyncio.get_running_loop().call_later(EVERY_S, self._look)
        await self._waiting.setdefault(sid, asyncio.Event()).wait()

    def _look(self) -> None:
        for sid in [it for it in self._waiting if not self._sockets.is_behind(it)]:
            self._waiting.pop(sid).set()
        if self._waiting:
            asyncio.get_running_loop().call_later(EVERY_S, self._look)
