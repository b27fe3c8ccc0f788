"""What a process counts and times of itself, for whoever looks at it from outside.

Recording is on the way of every message, so it is plain numbers: no lock, no library, no clock of its own.
Each instrument is recorded into by one thread. How they leave the process is `gochat.metrics`'s affair.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

Labels: TypeAlias = tuple[str, ...]

FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds in seconds, for what a phone waits for."""
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
MOST_LABELS = 1_000
"""Rows of one instrument; what comes beyond them is counted as `other`."""


class Count:
    """How often something happened, by labels."""

    __slots__ = ("labels", "name", "rows", "text")
    kind = "counter"

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name = name
        self.text = text
        self.labels = labels
        self.rows: dict[Labels, int] = {} if labels else {(): 0}

    def add(self, *labels: str, n: int = 1) -> None:
        """It happened, or `n` times."""
        rows = self.rows
        if labels in rows:
            rows[labels] += n
        else:
            labels = _room(rows, labels)
            rows[labels] = rows.get(labels, 0) + n


class Spread:
    """How values are spread over bounds, by labels: times in seconds, or sizes."""

    __slots__ = ("bounds", "labels", "name", "rows", "text")
    kind = "histogram"

    def __init__(self, name: str, text: str, *labels: str, bounds: tuple[float, ...] = FAST_S) -> None:
        self.name = name
        self.text = text
        self.labels = labels
        self.bounds = bounds
        self.rows: dict[Labels, list[float]] = {} if labels else {(): self._empty()}
        """How many are at most each bound and above the one before, how many are above all, and their sum."""

    def note(self, value: float, *labels: str) -> None:
        """One more value."""
        row = self.rows.get(labels)
        if row is None:
            row = self.rows.setdefault(_room(self.rows, labels), self._empty())
        row[bisect_left(self.bounds, value)] += 1
        row[-1] += value

    def _empty(self) -> list[float]:
        return [0] * (len(self.bounds) + 1) + [0.0]


class Level:
    """What stands at some height now: read when somebody asks."""

    __slots__ = ("kind", "labels", "name", "read", "text")

    def __init__(
        self,
        name: str,
        text: str,
        read: Callable[[], float | Mapping[Labels, float]],
        *labels: str,
        counted: bool = False,
    ) -> None:
        self.kind = "counter" if counted else "gauge"
        self.name = name
        self.text = text
        self.labels = labels
        self.read = read

    @property
    def rows(self) -> Mapping[Labels, float]:
        """As of now, by labels."""
        found = self.read()
        return found if isinstance(found, Mapping) else {(): found}


Instrument: TypeAlias = Count | Spread | Level


class Measures:
    """All that one process measures.

    Args:
        slow_s: from how many seconds on an event, a batch or a read is slow, and worth a line in the log.
    """

    def __init__(self, slow_s: float = 1.0) -> None:
        self.slow_s = slow_s
        self.events = Spread(
            "gochat_event_seconds", "From an event's arrival to its answer.", "event", "result"
        )
        self.requests = Spread(
            "gochat_request_seconds", "From a REST request's arrival to its answer.", "route", "status"
        )
        self.batches = Spread(
            "gochat_batch_commands", "Commands that were committed in one transaction.", bounds=SIZES
        )
        self.waits = Spread(
            "gochat_writer_wait_seconds", "How long the oldest command of a batch waited for the writer."
        )
        self.runs = Spread(
            "gochat_batch_run_seconds", "From a batch's begin to before its COMMIT: locks, reads, writes."
        )
        self.commits = Spread("gochat_commit_seconds", "The COMMIT of a batch.")
        self.publishes = Spread(
            "gochat_publish_seconds",
            "From a batch's COMMIT until this process's sockets were written to.",
        )
        self.batch_failures = Count(
            "gochat_batch_failures", "Batches that failed and were run again or given up.", "fault"
        )
        self.deliveries = Count("gochat_deliveries", "Events written to sockets.", "event")
        self.lag = Spread(
            "gochat_delivery_lag_seconds",
            "From the ring of another process until its change was handed on here, by both clocks.",
        )
        self.repairs = Count(
            "gochat_repairs",
            "Changes that were read back since they did not arrive.",
            "kind",
            "cause",
            "result",
        )
        self.polls = Spread("gochat_poll_seconds", "Reading the log of all processes.", "result")
        self.connects = Count("gochat_connects", "Sockets that asked to be let in.", "result", "client")
        self.shed = Count("gochat_shed", "What was refused as overloaded, by what was late.", "late")
        self.limits = Count("gochat_limits_hit", "Uses that were refused as too many.", "rate")
        self.logins = Count("gochat_auth", "Logins, refreshes and logouts.", "act", "result")
        self.reads = Spread(
            "gochat_read_seconds", "Reads and short writes of accounts, in a thread.", "statement", "result"
        )
        self.read_waits = Spread("gochat_read_wait_seconds", "How long reads waited for a thread.")
        self.loop_lag = Spread("gochat_loop_lag_seconds", "How late the event loop ran a timer.")
        self._levels: dict[str, Level] = {}

    def watch(
        self,
        name: str,
        text: str,
        read: Callable[[], float | Mapping[Labels, float]],
        *labels: str,
        counted: bool = False,
    ) -> None:
        """Have a level read whenever somebody asks; `counted`: it only rises, as a part counts it by
        itself."""
        self._levels[name] = Level(name, text, read, *labels, counted=counted)

    def __iter__(self) -> Iterator[Instrument]:
        yield from (it for it in vars(self).values() if isinstance(it, Count | Spread))
        yield from self._levels.values()


def _room(rows: Mapping[Labels, object], labels: Labels) -> Labels:
    return labels if len(rows) < MOST_LABELS else ("other",) * len(labels)
