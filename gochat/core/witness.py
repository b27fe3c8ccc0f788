"""What a process knows to have been committed, to find out whether the database still has it.

A failover to a replica that lagged, or a restore, takes committed batches away. Phones then hold revisions
that will be given out again for something else, so the database's history needs a new name: its epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

KEPT_S = 1800.0
"""For how long a batch is in the log for certain, in seconds; its rows are deleted after an hour."""
MAX_PROCESSES = 10_000
"""Processes remembered; those heard of first are forgotten."""


@dataclass(slots=True)
class Witness:
    """The last batch of each process that was seen, and when, by a clock of seconds that never goes back."""

    seen: dict[int, tuple[int, float]] = field(default_factory=dict)

    def saw(self, process_id: int, n: int, at: float) -> None:
        """A batch is committed. `at`: not after the time of its commit; `-inf` if that is not known."""
        known, _ = self.seen.get(process_id, (0, at))
        if n > known:
            self.seen[process_id] = n, at
        if len(self.seen) > MAX_PROCESSES:
            del self.seen[next(iter(self.seen))]

    def misses(self, heads: Mapping[int, int], now: float) -> bool:
        """Whether something seen is not there. `heads`: by process, the last batch that the database has."""
        return any(
            heads[process_id] < n if process_id in heads else now - at < KEPT_S
            for process_id, (n, at) in self.seen.items()
        )

    def start_anew(self, heads: Mapping[int, int]) -> None:
        """Take what there is now for what there should be."""
        self.seen = {process_id: (n, float("-inf")) for process_id, n in heads.items()}
