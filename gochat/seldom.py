"""Lines of the log that are worth one a minute."""

import time

EVERY_S = 60.0
MOST_LINES = 100
"""Whose time is known; what comes then begins anew."""


class Seldom:
    """Lets each line through once a minute: for what is tried again and again while something is away."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def lets(self, line: str) -> bool:
        """Whether to write it now. May be asked by any thread."""
        now = time.monotonic()
        if now - self._last.get(line, float("-inf")) < EVERY_S:
            return False
        if len(self._last) >= MOST_LINES:
            self._last.clear()
        self._last[line] = now
        return True
