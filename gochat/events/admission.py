"""Admission before work: what the event loop could only do late is refused before anything is done for it.

A turn of the loop reads all sockets that have something. What is read in it waits for what was read before,
and whatever comes meanwhile waits in the network for the turn to end, so how long one turn takes in is how
late the next one is. Work already accepted is never refused: its commit, its ack, its delivery.
"""

import asyncio
import time
from collections.abc import Callable

from gochat.core.measures import Measures

EACH_TURN = 64
"""Events and requests that every turn takes in, however late it is: so much is always done."""
TURN_S = 0.01
"""More of them are taken in for so much of the loop's processor time, unless the turn before had to refuse
some. What other processes of the machine take counts for nothing: for that nobody is refused."""
BURST_S = 0.1
"""For so much more a turn may take in, or several together until one does not: then the load stands, and does
not pass, and turns are to be short."""
LATE_S = 1.0
"""For so long nobody new is let in after some had to be refused, and no turn is a burst."""


class Admission:
    """One per event loop.

    Args:
        clock: seconds that never go back.
        worked: seconds of processor time of the thread that asks.
        soon: has something called when the loop begins its next turn.
    """

    def __init__(
        self,
        measures: Measures,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
        soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._shed = measures.shed
        self._clock = clock
        self._worked = worked
        self._soon = soon
        self._count = 0
        """How much came in this turn."""
        self._until = 0.0
        """Until when this turn takes in more than each, by the work that was done."""
        self._over = 0.0
        """What this turn did beyond that."""
        self._left = BURST_S
        """What may still be done beyond it."""
        self._stands = False
        """Whether the turn before had to refuse some."""
        self._refused = False
        """Whether this one had to."""
        self._late_until = 0.0
        """Until when nobody else should come."""

    def lets_in(self) -> bool:
        """Whether what comes now is let in, be it an event or a request."""
        self._count += 1
        if self._count == 1:
            soon = self._soon or asyncio.get_running_loop().call_soon
            soon(self._turn)
            if not self._left and not self.late:  # it is long ago that some had to be refused
                self._stands, self._left = False, BURST_S
            self._until = 0.0 if self._stands else self._worked() + TURN_S
        if self._count <= EACH_TURN:
            return True
        if not self._refused:
            over = self._worked() - self._until
            if over <= 0:
                return True
            if over < self._left and not self._stands:
                self._over = over
                return True
            self._refused = True
            self._late_until = self._clock() + LATE_S
        self._shed.add("loop")
        return False

    @property
    def late(self) -> bool:
        """Whether some had to be refused a moment ago: nobody new should come then and take their place."""
        return self._clock() < self._late_until

    def _turn(self) -> None:
        """The next turn begins."""
        if self._refused:
            self._left = 0.0
        elif self._over:
            self._left -= self._over
        elif self._left < BURST_S and not self.late:
            self._left = BURST_S
        self._stands, self._refused = self._refused, False
        self._count, self._over = 0, 0.0
