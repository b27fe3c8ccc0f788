"""`gochat serve`, and the worker that it starts."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gochat.cli.settings import read

if TYPE_CHECKING:
    from gochat.metrics.http import MetricsServer
    from gochat.supervisor import Supervisor

FINISH_S = 20.0
"""How long workers may take to end beyond LAME_DUCK_SECONDS and DRAIN_SECONDS."""


def leave_out_rich() -> None:
    """Import structlog without rich, which it takes where it finds it, for tracebacks that we don't use.

    It is there for the help's sake, and takes a tenth of the imports of a server. None in `sys.modules` is
    Python's way to say that a module is not there.
    """
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]


def serve(
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the schema up first.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes; in place of WORKERS.")] = None,
) -> None:
    """Serve on HOST and PORT; the README lists all settings. On SQLite the schema is always brought up."""
    leave_out_rich()
    settings = read(workers)
    if migrate:
        from gochat.storage.migrate import upgrade

        upgrade(settings.database_url.get_secret_value())
    if settings.workers > 1:
        from gochat.listening import listen_for_metrics, reserve
        from gochat.logs import configure
        from gochat.metrics.gather import Gatherer
        from gochat.metrics.http import MetricsServer
        from gochat.supervisor import Supervisor

        configure(settings.log_level, settings.log_format)
        with reserve(settings.host, settings.port) as reserved:
            port = reserved.getsockname()[1]
            command = [sys.executable, "-m", "gochat", "worker", str(port), str(settings.workers)]
            patience = settings.lame_duck_seconds + settings.drain_seconds + FINISH_S
            supervisor = Supervisor(command, settings.workers, patience)
            gatherer = Gatherer(settings.run_dir, port)
            sys.exit(
                asyncio.run(_run(supervisor, MetricsServer(listen_for_metrics(settings), gatherer.text)))
            )
    from gochat.serving import serve as serve_one

    serve_one(settings)


async def _run(supervisor: Supervisor, metrics: MetricsServer) -> int:
    """The supervisor, with the metrics of its workers beside it."""
    await metrics.start()
    try:
        return await supervisor.run()
    finally:
        metrics.close()


def worker(port: int, workers: int, name: str) -> None:
    """Serve as one of several processes that share a port; `serve` starts them."""
    leave_out_rich()
    settings = read(workers)
    from gochat.listening import share
    from gochat.serving import serve as serve_one

    serve_one(settings, share(settings.host, port), name)
