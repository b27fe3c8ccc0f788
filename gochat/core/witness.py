"""What a process knows to have been committed, to find out whether the database still has it.

A failover to a replica that lagged, or a restore, takes committed batches away. Phones then hold revisions
that will be given out again for something else, so the database's history needs a new name: its epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gochat.core.values import value

KEPT_S = 1800.0
"""For how long a process is in the log for certain, in seconds, after its last batch."""
KEPT_ROWS = 1_000
"""The newest batches of a process, which are never deleted while it lives: by number, whatever clocks say."""
MAX_PROCESSES = 10_000
"""Processes remembered; those heard of first are forgotten."""


@value(frozen=True, slots=True)
class Span:
    """Batches of one process: their numbers have no holes, so all of them are there, or history was lost."""

    process_id: int
    first: int
    last: int


@dataclass(slots=True)
class Witness:
    """The last batch of each process that was seen, and when, by a clock of seconds that never goes back.

    The highest number proves little: a process that lost its last batches goes on with the next number, and
    overtakes what was seen before anybody looks. So what came since the last look is counted.
    """

    seen: dict[int, tuple[int, float]] = field(default_factory=dict)
    looked: dict[int, int] = field(default_factory=dict)
    """The last batch of each process when the database was looked at last."""

    def saw(self, process_id: int, n: int, at: float) -> None:
        """A batch is committed. `at`: not after the time of its commit; `-inf` if that is not known."""
        known, _ = self.seen.get(process_id, (0, at))
        if n > known:
            self.seen[process_id] = n, at
        if len(self.seen) > MAX_PROCESSES:
            forgotten = next(iter(self.seen))
            del self.seen[forgotten]
            self.looked.pop(forgotten, None)

    def misses(self, heads: Mapping[int, int], now: float) -> bool:
        """Whether something seen is not there. `heads`: by process, the last batch that the database has."""
        return any(
            heads[process_id] < n if process_id in heads else now - at < KEPT_S
            for process_id, (n, at) in self.seen.items()
        )

    def spans(self, heads: Mapping[int, int]) -> tuple[Span, ...]:
        """What has to be there wholly, if nothing of it was lost."""
        return tuple(
            Span(process_id, self.looked[process_id], last)
            for process_id, last in heads.items()
            if 0 < last - self.looked.get(process_id, last) < KEPT_ROWS
        )

    def look(self, heads: Mapping[int, int], at: float) -> None:
        """All of it was there. `at`: when it was looked at before."""
        for process_id, n in heads.items():
            self.saw(process_id, n, at)
        self.looked = {process_id: heads[process_id] for process_id in self.seen if process_id in heads}

    def start_anew(self, heads: Mapping[int, int]) -> None:
        """Take what there is now for what there should be."""
        self.seen = {process_id: (n, float("-inf")) for process_id, n in heads.items()}
        self.looked = dict(heads)
