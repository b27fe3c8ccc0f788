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


class Aside:
    """A line for each conversation, in order, before whatever comes after. Used by the writer's thread."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, _Line] = {}

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return any(line.waiting for line in self._lines.values())

    def entries(self) -> list[Entry]:
        """All of them. Any thread may ask."""
        return [entry for line in tuple(self._lines.values()) for entry in tuple(line.waiting)]

    def put(self, held: Sequence[Entry], now: float, took: float) -> None:
        """Set commands aside that were tried in vain, again or for the first time.

        Args:
            now: by `time.monotonic`.
            took: seconds that others had to wait for it.
        """
        lines: dict[Hashable, _Line] = {}
        for entry in reversed(held):
            key = _line_of(entry.command)
            lines[key] = self._lines.setdefault(key, _Line())
            lines[key].waiting.appendleft(entry)
        for line in lines.values():
            line.pause = min(2 * line.pause, LONGEST_SECONDS) or FIRST_SECONDS
            line.due = now + max(line.pause, took / SHARE)

    def join(self, entries: Sequence[Entry]) -> list[Entry]:
        """Put those behind the others whose conversation has a line; the rest."""
        rest: list[Entry] = []
        for entry in entries:
            line = self._lines.get(_line_of(entry.command))
            (rest if line is None else line.waiting).append(entry)
        return rest

    def take(self, now: float, rows: int) -> list[Entry]:
        """What is to be tried now, of one conversation; without those who were answered meanwhile."""
        for key, line in tuple(self._lines.items()):
            while line.waiting and line.waiting[0].future.done():
                line.waiting.popleft()
            if line.due > now:
                continue
            if not line.waiting:
                del self._lines[key]
            else:
                return [line.waiting.popleft() for _ in range(min(rows, len(line.waiting)))]
        return []

    def wait(self, now: float) -> float:
        """Seconds until there is something to be tried; without end if there is nothing."""
        return max(0.0, min((line.due for line in self._lines.values()), default=inf) - now)


def _line_of(command: AnyCommand) -> Hashable:
    """What the order of commands is kept in; None: it waits for nobody.

    Receipts have lines of their own: what holds them is a user's row more often than the conversation's.
    """
    if isinstance(command, AdvanceReceipts):
        return AdvanceReceipts, command.conversation_id
    if isinstance(command, Reserving):
        return command.unique_key
    place: Hashable = getattr(command, "conversation_id", None) or whose_turn(command)
    return place
