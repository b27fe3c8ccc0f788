"""Commands set aside: they need rows that somebody else holds for longer than a commit takes.

An operator's open transaction, a backup, a process that hangs: whatever it is, others go on meanwhile.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from math import inf

from gochat.core.command import AnyCommand, Reserving
from gochat.core.receipts import AdvanceReceipts
from gochat.storage.turns import Entry, whose_turn

FIRST_SECONDS = 0.01
LONGEST_SECONDS = 0.25
"""The pauses between tries double from the first to the longest."""
SHARE = 0.1
"""Of the time, at most, that goes into tries which take long."""


@dataclass(slots=True)
class _Line:
    waiting: deque[Entry] = field(default_factory=deque)
    due: float = 0.0
    pause: float = 0.0
    """Before the try that is due; none before the first, which may wait for the lock."""


class Aside:
    """A line for each conversation, in order, before whatever comes after. Used by the writer's thread."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, _Line] = {}

    def __bool__(self) -> bool:
        """Whether there is a line; there may be nobody in it."""
        return bool(self._lines)

    def entries(self) -> list[Entry]:
        """All of them."""
        return [entry for line in tuple(self._lines.values()) for entry in tuple(line.waiting)]

    def put(self, held: Sequence[Entry], now: float, *, again: bool, took: float = 0.0) -> None:
        """Set commands aside: those that need rows which somebody holds.

        Args:
            now: by `time.monotonic`.
            again: they were taken from here, and tried.
            took: seconds that others had to wait for it.
        """
        together: dict[Hashable, list[Entry]] = {}
        for entry in held:
            together.setdefault(line_of(entry.command), []).append(entry)
        for key, entries in together.items():
            line = self._lines.setdefault(key, _Line())
            line.waiting.extendleft(reversed(entries))
            if again:
                line.pause = min(2 * line.pause, LONGEST_SECONDS) or FIRST_SECONDS
            line.due = now + max(line.pause, took / SHARE)

    def join(self, entries: list[Entry]) -> list[Entry]:
        """Put those behind the others whose conversation has a line; the rest."""
        if not self._lines:
            return entries
        rest: list[Entry] = []
        for entry in entries:
            line = self._lines.get(line_of(entry.command))
            (rest if line is None else line.waiting).append(entry)
        return rest

    def take(self, now: float, rows: int, size: int) -> tuple[list[Entry], bool]:
        """What is to be tried now, and whether the try may wait for locks: as the first of each line does.

        Of so many rows and bytes, or one larger one; without those who were answered meanwhile.
        """
        taken: list[Entry] = []
        wait = False
        for key, line in tuple(self._lines.items()):
            while line.waiting and line.waiting[0].is_answered:
                line.waiting.popleft()
            if line.due > now:
                continue
            if not line.waiting:
                del self._lines[key]
                continue
            if not taken:
                wait = not line.pause
            elif wait is not (not line.pause) or line.waiting[0].reserves is not taken[0].reserves:
                continue
            while line.waiting:
                rows -= line.waiting[0].rows
                size -= line.waiting[0].size
                if taken and (rows < 0 or size < 0):
                    return taken, wait
                taken.append(line.waiting.popleft())
        return taken, wait

    def wait(self, now: float) -> float:
        """Seconds until there is something to be tried; without end if there is nothing."""
        return max(0.0, min(line.due for line in self._lines.values()) - now) if self._lines else inf


def line_of(command: AnyCommand) -> Hashable:
    """What the order of commands is kept in; None: it waits for nobody.

    Receipts have lines of their own: what holds them is a user's row more often than the conversation's.
    """
    if isinstance(command, AdvanceReceipts):
        return AdvanceReceipts, command.conversation_id
    if isinstance(command, Reserving):
        return command.unique_key
    place: Hashable = getattr(command, "conversation_id", None) or whose_turn(command)
    return place
