"""Processor time, percentiles and medians."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def clock(pid: int) -> Callable[[], float]:
    """Tells the processor time that a process has used, user and kernel, over all its threads, in seconds."""
    return partial(time.clock_gettime, (~pid << 3) | 2)  # see clock_getcpuclockid(3)


def resident(pid: int) -> int:
    """A process's resident memory in KiB (proc(5))."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of values in ascending order; 0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


@dataclass(frozen=True)
class Cost:
    """What sending messages cost, each from submit to ack. Times of processors in µs for one message."""

    cpu: float
    """Of the process that serves."""
    database: float
    """Of the database; 0 where it is in the process."""
    commits: float
    rate: float
    """Messages in a second."""
    p50: float
    """Milliseconds from submit to ack."""
    p99: float


def median(runs: Sequence[T]) -> T:
    """Of each figure of some dataclasses by itself."""
    values: dict[str, Any] = {
        field.name: statistics.median(getattr(run, field.name) for run in runs) for field in fields(runs[0])
    }
    return replace(runs[0], **values)
