"""What wakes the writer's thread."""

from queue import Empty, SimpleQueue


class Signal:
    """A `threading.Event` that one thread waits for and clears: without its locks, which are made in Python.

    A batch of one message sets, clears and waits for some of them, which was a tenth of its calls.
    """

    __slots__ = ("_marks",)

    def __init__(self) -> None:
        self._marks: SimpleQueue[None] = SimpleQueue()
        """Set while there is one; two threads that set it at once may leave two."""

    def set(self) -> None:
        """Any thread may."""
        if self._marks.empty():
            self._marks.put(None)

    def clear(self) -> None:
        """Unset it."""
        while not self._marks.empty():
            self._marks.get_nowait()

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, at most so long; whether it is."""
        try:
            self._marks.get(timeout=seconds)
        except Empty:
            return False
        self._marks.put(None)
        return True
