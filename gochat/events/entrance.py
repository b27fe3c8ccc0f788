"""Where sockets come in: a few at a time, however many come at once, as after a restart."""

import asyncio
import time
from collections.abc import Callable

AT_ONCE = 3
"""Sockets whose token is looked at in the database at the same time. What they ask for next waits for threads
together with that, so no more are let in than can be served, and those who are there notice little of it:
each thread that has something to do keeps the event loop waiting for the interpreter. What waits for Redis is
not in it: that may take a second for each."""
WAIT_S = 6.0
"""Who would wait for longer has to come again: well within the connect timeout, after which there would be
nobody left to look at, and longer than the client libraries pause, so that the line does not run empty. To
wait costs nothing, to come again does."""
STAY = 1.5
"""So many times as long those may have to wait who have a websocket already: to send them away would cost
more than to let them in. It is less than the engine gives them to be connected (`connect_timeout`)."""
FEWEST = 64
"""So many may wait however slowly it goes."""
EXPECTED_S = 1.0
"""For so long whoever was let through to the door counts as if they waited, while they have not said who they
are."""
PACE_S = 0.005
"""From one who is let in to the next, until it is known better."""
WEIGHT = 0.02
"""Of the last one in what is known, when there were many: a moment in which the machine does something else
says little of the next ones."""


class Entrance:
    """`async with` it, a socket is looked at when it is its turn: first come, first served.

    Args:
        at_once, fewest, wait_s: how many are looked at together, how many may wait however slowly it goes,
            and for how long others may have to.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        at_once: int = AT_ONCE,
        fewest: int = FEWEST,
        wait_s: float = WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._at_once = at_once
        self._fewest = fewest
        self._wait_s = wait_s
        self._clock = clock
        self._there = 0
        """Those that are let in, or wait."""
        self._pace_s = PACE_S
        """From one who leaves to the next, while others wait."""
        self._paced = 1
        """How often it was measured."""
        self._left_at: float | None = None
        """When the last one left, if others waited then."""
        self._expected = [0, 0]
        """Those who are about to come: since a moment, and from the moment before."""
        self._since = 0.0
        """When that moment began."""

    def expects(self) -> bool:
        """Whether one more may come; if so, they are expected."""
        now = self._clock()
        if now - self._since > EXPECTED_S:
            self._expected = [0, self._expected[0] if now - self._since < 2 * EXPECTED_S else 0]
            self._since = now
        if self._is_long(self._there + sum(self._expected), self._wait_s):
            return False
        self._expected[0] += 1
        return True

    @property
    def crowded(self) -> bool:
        """Whether so many wait that who comes now has to come again, though they have a websocket."""
        return self._is_long(self._there, self._wait_s * STAY)

    def _is_long(self, there: int, wait_s: float) -> bool:
        waiting = there - self._at_once
        return waiting >= self._fewest and waiting * self._pace_s > wait_s

    async def __aenter__(self) -> None:
        self._there += 1
        self._come()
        try:
            await self._places.acquire()
        except BaseException:
            self._there -= 1
            raise

    async def __aexit__(self, *_: object) -> None:
        now = self._clock()
        if self._left_at is not None:
            self._paced += 1
            self._pace_s += max(WEIGHT, 1 / self._paced) * (now - self._left_at - self._pace_s)
        self._left_at = now if self._there > self._at_once else None
        self._there -= 1
        self._places.release()

    def _come(self) -> None:
        """Who was expected is there."""
        for moment in (1, 0):
            if self._expected[moment]:
                self._expected[moment] -= 1
                return
