"""The commands that wait to be taken into a batch: users in turn, and none for long."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any

from gochat.core.command import AnyCommand, Gathered, Reserving
from gochat.core.conversations import CreateConversation
from gochat.core.lateness import ACK_S, come_back, too_late
from gochat.core.messages import SendMessage

WAIT_SECONDS = 2.0
"""How long a command waits at most; and how long one round may take before whoever comes is refused."""
BATCH_ROWS = 256
FALL = 0.9
"""What a batch is thought to take rises at once with one that takes longer, and falls to so much at most with
one that does not: a small batch says little of how long a full one takes."""

_WHOSE: dict[type, Callable[[AnyCommand], int]] = {
    CreateConversation: attrgetter("creator_id"),
    SendMessage: attrgetter("sender_id"),
}
_USER: Callable[[AnyCommand], int] = attrgetter("user_id")


@dataclass(slots=True, eq=False)
class Entry:
    """A command that was accepted, and whoever waits for its answer."""

    command: AnyCommand
    future: asyncio.Future[Any]
    at: float
    """When it was accepted, by `time.monotonic`."""
    whose: int
    """Whose turn it takes: that of a user; of a conversation, if several users' were gathered."""
    size: int
    rows: int
    """How many rows of a batch it counts for."""
    reserves: bool
    """Whether it comes in a batch of those that reserve a unique key."""
    round: int = 0

    @property
    def is_answered(self) -> bool:
        """Whether somebody was told already, by the clock, that it may be stored or not. Any thread may ask.

        Who waits no more was told nothing: theirs is stored all the same.
        """
        return self.future.done() and not self.future.cancelled()


def whose_turn(command: AnyCommand) -> int:
    """Who takes turns with others."""
    if isinstance(command, Gathered):
        return command.conversation_id
    return _WHOSE.get(type(command), _USER)(command)


def entry_of(command: AnyCommand, future: asyncio.Future[Any]) -> Entry:
    """A command that comes in now."""
    if type(command) is SendMessage:  # most are
        return Entry(command, future, time.monotonic(), command.sender_id, command.size, 1, False)
    rows = command.rows if isinstance(command, Gathered) else 1
    reserves = isinstance(command, Reserving)
    return Entry(command, future, time.monotonic(), whose_turn(command), command.size, rows, reserves)


class Turns:
    """In rounds: each user has one command in each, in the order in which they came. Used by any thread.

    Who comes waits for the round that is under way, and then for one command of each of the others, however
    many they have waiting. What one user submits stays in order.

    Args:
        most: commands that may wait.
        most_each: of one user.
        rows: how many go into a batch.
        ack_s: see `core.lateness.too_late`.
    """

    def __init__(self, most: int, most_each: int, rows: int = BATCH_ROWS, ack_s: float = ACK_S) -> None:
        self._most = most
        self._most_each = most_each
        self._rows = rows
        self._ack_s = ack_s
        self._lock = threading.Lock()
        self._rounds: deque[deque[Entry]] = deque([deque()])
        """The first is under way: nobody comes into it any more."""
        self._round = 0
        """The number of the first."""
        self._turned_at = 0.0
        """When that began; or, if nobody waited, when the first came after."""
        self._last: dict[int, int] = {}
        """By whose: the round of the last command that waits."""
        self._count = 0
        self._batch_s = 0.0
        """How long a batch takes from when it is taken, of late."""
        self._taken_at: float | None = None
        """When the batch under way was taken; None: there is none."""

    def __len__(self) -> int:
        return self._count

    def put(self, entry: Entry, *, patient: bool = False) -> None:
        """Let a command wait for its turn. `patient`: however long the round takes.

        Raises:
            Overloaded: too many wait, or too many of this user's, or it would wait for too long.
        """
        with self._lock:
            before = self._last.get(entry.whose, self._round)
            ahead = before + 1 - self._round
            if not self._count:
                self._turned_at = entry.at
            full = self._count >= self._most or ahead > self._most_each
            if full or (not patient and self._is_late(entry.at, ahead)):
                raise come_back(entry.whose)
            entry.round = self._last[entry.whose] = before + 1
            if ahead == len(self._rounds):
                self._rounds.append(deque())
            self._rounds[ahead].append(entry)
            self._count += 1

    def _is_late(self, now: float, ahead: int) -> bool:
        """Whether what comes into the round that is so many after this one would be committed too late."""
        if now - self._turned_at > WAIT_SECONDS:
            return True
        if self._count < self._rows:  # mostly
            return False
        before = self._count if ahead > 1 else sum(len(it) for it in islice(self._rounds, 2))
        under_way = 0.0 if self._taken_at is None else now - self._taken_at
        return too_late(before, self._rows, max(self._batch_s, under_way), self._ack_s)

    def done(self) -> None:
        """What was taken last is done with."""
        with self._lock:
            if self._taken_at is not None:
                self._batch_s = max(time.monotonic() - self._taken_at, self._batch_s * FALL)
                self._taken_at = None

    def take(self, rows: int, size: int) -> list[Entry]:
        """The next commands, of so many rows and bytes or one larger one: all that reserve, or none.

        Until `done` they are a batch under way.
        """
        taken: list[Entry] = []
        with self._lock:
            while self._count:
                if not self._rounds[0]:
                    self._turn()
                    continue
                entry = self._rounds[0][0]
                rows -= entry.rows
                size -= entry.size
                if taken and (rows < 0 or size < 0 or entry.reserves != taken[0].reserves):
                    break
                taken.append(self._rounds[0].popleft())
                self._leave(entry)
            self._taken_at = time.monotonic() if taken else None
        return taken

    def expire(self, before: float) -> list[Entry]:
        """Take out what came before that time."""
        expired: list[Entry] = []
        with self._lock:
            for waiting in self._rounds:
                while waiting and waiting[0].at < before:
                    expired.append(waiting.popleft())
                    self._leave(expired[-1])
        return expired

    def oldest_s(self, now: float) -> float:
        """How long the one has waited that has waited longest; 0 if nobody waits."""
        with self._lock:
            return max((now - waiting[0].at for waiting in self._rounds if waiting), default=0.0)

    def _turn(self) -> None:
        """The next round begins."""
        self._rounds.popleft()
        self._round += 1
        self._turned_at = time.monotonic()

    def _leave(self, entry: Entry) -> None:
        self._count -= 1
        if self._last[entry.whose] == entry.round:
            del self._last[entry.whose]
