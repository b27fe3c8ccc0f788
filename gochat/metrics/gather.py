"""All workers of one server as one: whoever is asked asks the others over their control sockets."""

from __future__ import annotations

from pathlib import Path

from gochat.control.client import ask_all
from gochat.control.place import PlaceError
from gochat.metrics.exposition import Snapshot, render

ASK = "measures"


class Gatherer:
    """The text for Prometheus.

    Args:
        port: that the workers share; None: there are no others to ask.
        own: the snapshots that are had without asking, by worker: these are not asked for.
    """

    def __init__(
        self, run_dir: Path | None, port: int | None, own: dict[str, Snapshot] | None = None
    ) -> None:
        self._run_dir = run_dir
        self._port = port
        self._own = own or {}

    async def text(self) -> bytes:
        """Of all that answer."""
        found: dict[str, Snapshot] = {}
        if self._port is not None:
            try:
                found = await ask_all(self._run_dir, self._port, ASK)
            except PlaceError:
                found = {}
        return render({**found, **self._own})
