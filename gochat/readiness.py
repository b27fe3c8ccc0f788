"""Whether a load balancer should send anybody here."""

import asyncio
import time
from collections.abc import Mapping

from gochat.core.ports.health import Health

KEPT_S = 1.0
"""How long an answer about health is given again: anybody may ask, and each costs as much as a send."""


class Readiness:
    """`core.ports.health.Health` of all that the server leans on, asked once for all who ask at a time."""

    def __init__(self, *parts: Health) -> None:
        self._parts = parts
        self._asked_at = 0.0
        self._asked: asyncio.Task[Mapping[str, str]] | None = None
        self.ending = False
        """Whether the server is about to end, so that nobody should be sent to it."""

    async def check(self) -> Mapping[str, str]:
        """Each part, as of `KEPT_S` ago at most."""
        if self.ending:
            return {"server": "ending"}
        now = time.monotonic()
        if self._asked is None or (self._asked.done() and now - self._asked_at >= KEPT_S):
            self._asked_at = now
            self._asked = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asked)

    async def _ask(self) -> Mapping[str, str]:
        found = await asyncio.gather(*(part.check() for part in self._parts))
        return {name: state for parts in found for name, state in parts.items()}
