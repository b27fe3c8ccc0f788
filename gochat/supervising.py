"""A supervisor as `gochat serve` runs it: with the port kept, and what its operator may ask beside it."""

import asyncio
import contextlib
import sys

import structlog

from gochat.config import Settings
from gochat.control.place import PlaceError, socket_path
from gochat.control.server import ControlServer
from gochat.listening import listen_for_metrics, reserve
from gochat.logs import configure
from gochat.metrics.exposition import snapshot
from gochat.metrics.gather import ASK, Gatherer
from gochat.metrics.http import MetricsServer
from gochat.supervisor import Supervisor

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

NAME = "supervisor"
"""In the place of a worker's name."""
FINISH_S = 20.0
"""How long workers may take to end beyond LAME_DUCK_SECONDS and DRAIN_SECONDS."""


def supervise(settings: Settings) -> int:
    """Run the workers until a signal comes; the exit status.

    Raises:
        PortTakenError: PORT or METRICS_PORT can't be had.
    """
    configure(settings.log_level, settings.log_format)
    with reserve(settings.host, settings.port) as reserved:
        return asyncio.run(_run(settings, reserved.getsockname()[1]))


async def _run(settings: Settings, port: int) -> int:
    gochat, workers = [sys.executable, "-m", "gochat"], str(settings.workers)
    patience = settings.lame_duck_seconds + settings.drain_seconds + FINISH_S
    supervisor = Supervisor(
        [*gochat, "look", workers], [*gochat, "worker", str(port), workers], settings.workers, patience
    )
    metrics = MetricsServer(listen_for_metrics(settings), Gatherer(settings.run_dir, port).text)
    async with contextlib.AsyncExitStack() as beside:
        try:
            path = socket_path(settings.run_dir, port, NAME)
            control = ControlServer(path, {ASK: lambda: snapshot([supervisor.deaths])})
            await control.start()
            beside.push_async_callback(control.close)
        except (PlaceError, OSError) as error:
            log.warning("no_control", error=str(error))
        await metrics.start()
        beside.callback(metrics.close)
        return await supervisor.run()
