"""What an operator may ask a running process: its measures, over the control socket or as Prometheus reads
them."""

import asyncio
import math
from pathlib import Path

import structlog

from gochat.config import Settings
from gochat.control.place import PlaceError, socket_path
from gochat.control.server import Answering, ControlServer
from gochat.core.measures import Measures
from gochat.metrics.exposition import snapshot
from gochat.metrics.gather import ASK, Gatherer
from gochat.metrics.process import watch_loop
from gochat.rest.metrics import Metrics

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Operating:
    """One per process."""

    def __init__(self, settings: Settings) -> None:
        self.measures = Measures(settings.slow_ms / 1000 or math.inf)
        self.answers: dict[str, Answering] = {ASK: lambda: snapshot(self.measures)}
        """What the control socket answers, by what is asked for."""
        self._token = None if settings.metrics_token is None else settings.metrics_token.get_secret_value()
        self._run_dir: Path | None = settings.run_dir
        self._port: int | None = None
        """The one that is served; None: another server than ours has it, and does not say."""
        self._worker = "0"
        self._control: ControlServer | None = None
        self._lag: asyncio.Task[None] | None = None

    @property
    def metrics(self) -> Metrics | None:
        """Who may read `/metrics` beside the API; None: nobody."""
        return None if self._token is None else Metrics(self._token, self.text)

    def start(self) -> None:
        """Begin to measure how late the event loop is."""
        self._lag = asyncio.create_task(watch_loop(self.measures.loop_lag))

    async def be_found(self, port: int, worker: str) -> None:
        """Let the operator ask this process, as a worker of a port of this machine."""
        self._port, self._worker = port, worker
        try:
            control = ControlServer(socket_path(self._run_dir, port, worker), self.answers)
            await control.start()
            self._control = control
        except (PlaceError, OSError) as error:
            log.warning("no_control", error=str(error))

    async def text(self) -> bytes:
        """What Prometheus reads, of all workers that share the port with this one."""
        own = {self._worker: snapshot(self.measures)}
        return await Gatherer(self._run_dir, self._port, own).text()

    async def close(self) -> None:
        """Stop."""
        if self._lag is not None:
            self._lag.cancel()
        if self._control is not None:
            await self._control.close()
