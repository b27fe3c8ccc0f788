"""How slowly a request's body may come: bounded by silence, and by a lowest rate on the whole. Without
I/O."""

from .options import EngineOptions


class Pace:
    """When the next bytes of one body are due, in seconds of the engine's clock."""

    __slots__ = ("_begun", "_rate", "_received", "_silence", "due")

    def __init__(self, options: EngineOptions, now: float) -> None:
        self._silence = options.request_timeout
        self._rate = options.min_upload_rate
        self._begun = now
        self._received = 0
        self.due = now + self._silence

    def count(self, size: int, now: float) -> None:
        """Note that bytes have come."""
        self._received += size
        slowest = self._begun + self._silence + self._received / self._rate
        self.due = min(now + self._silence, slowest)

    def excuse(self, seconds: float) -> None:
        """Note that for so long nothing was read: whatever waits cannot have come."""
        self._begun += seconds
        self.due += seconds
