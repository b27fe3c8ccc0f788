"""Where sockets come in: a few at a time, however many come at once, as after a restart."""

import asyncio

AT_ONCE = 8
"""Sockets whose token is looked at in the database at the same time. What they ask for next waits for threads
together with that, so no more are let in than can be served, and those who are there notice little of it.
What waits for Redis is not in it: that may take a second for each."""
WAITING = 256
"""How many may wait before whoever comes has to come again: who waits is let in within the connect timeout,
after which there would be nobody left to look at."""


class Entrance:
    """`async with` it, a socket is looked at when it is its turn: first come, first served."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._there = 0
        """Those that are let in, or wait."""

    @property
    def crowded(self) -> bool:
        """Whether so many wait that no more should come."""
        return self._there >= self._most

    async def __aenter__(self) -> None:
        self._there += 1
        try:
            await self._places.acquire()
        except BaseException:
            self._there -= 1
            raise

    async def __aexit__(self, *_: object) -> None:
        self._there -= 1
        self._places.release()
