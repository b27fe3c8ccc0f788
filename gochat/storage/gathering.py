"""What many ask at about the same time, gathered into one command: so it costs one revision, not one each."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from gochat.core.command import Command
from gochat.core.errors import ChatError
from gochat.core.ports.writing import Writer

WINDOW_S = 0.25
"""How long the first waits for others."""
BUSY = 32
"""Of so many the next window may be longer."""

G = TypeVar("G")
"""What is gathered together: a conversation, a message."""
K = TypeVar("K")
"""Whose answer it is."""
V = TypeVar("V")
"""What they ask."""
A = TypeVar("A")
"""What they are answered."""


@dataclass(slots=True, eq=False)
class Window(Generic[K, V, A]):
    """What is gathered at present."""

    asked: dict[K, V]
    answers: asyncio.Future[dict[K, A | ChatError]]
    timer: asyncio.TimerHandle


class Gatherer(Generic[G, K, V, A]):
    """Windows of time in front of the writer. Bounded by what clients may have in flight.

    Args:
        command: for all that was gathered in one window.
        most: asked in one window; it ends then.
        busy_s: how long a window is while many come: each costs all members a delta.
    """

    def __init__(
        self,
        writer: Writer,
        command: Callable[[G, Mapping[K, V]], Command[dict[K, A | ChatError]]],
        *,
        most: int,
        busy_s: float = WINDOW_S,
    ) -> None:
        self._writer = writer
        self._command = command
        self._most = most
        self._busy_s = busy_s
        self._windows: dict[G, Window[K, V, A]] = {}
        self._busy: dict[G, asyncio.TimerHandle] = {}

    def asked(self, group: G) -> Mapping[K, V]:
        """What waits of a group."""
        window = self._windows.get(group)
        return {} if window is None else window.asked

    async def ask(self, group: G, key: K, value: V) -> A:
        """Ask, in the place of what waits under the same key; the answer comes after the commit.

        Raises:
            ChatError: it is refused, or all of the window.
        """
        window = self._windows.get(group)
        if window is None:
            loop = asyncio.get_running_loop()
            wait_s = self._busy_s if group in self._busy else WINDOW_S
            timer = loop.call_later(wait_s, self.close, group)
            window = self._windows[group] = Window({}, loop.create_future(), timer)
        window.asked[key] = value
        if len(window.asked) >= self._most:
            self.close(group)
        answer = (await asyncio.shield(window.answers))[key]
        if isinstance(answer, ChatError):
            raise answer
        return answer

    def close(self, group: G) -> None:
        """A window is over, or is ended before, if there is one: one command for all that came in it."""
        window = self._windows.pop(group, None)
        if window is None:
            return
        window.timer.cancel()
        self._note(group, len(window.asked))
        answers = window.answers
        answers.add_done_callback(_retrieved)
        try:
            submitted = asyncio.ensure_future(self._writer.submit(self._command(group, window.asked)))
        except ChatError as error:
            answers.set_exception(error)
            return
        submitted.add_done_callback(lambda done: _pass_on(done, answers))

    def _note(self, group: G, count: int) -> None:
        """Remember for the length of a window that many came."""
        if count >= BUSY and self._busy_s > WINDOW_S:
            if group in self._busy:
                self._busy[group].cancel()
            loop = asyncio.get_running_loop()
            self._busy[group] = loop.call_later(self._busy_s, self._busy.pop, group)


def _pass_on(done: asyncio.Future[A], answers: asyncio.Future[A]) -> None:
    error = done.exception()
    if error is not None:
        answers.set_exception(error)
    else:
        answers.set_result(done.result())


def _retrieved(answers: asyncio.Future[A]) -> None:
    """Whoever asked may be gone; that is no fault."""
    if not answers.cancelled():
        answers.exception()
