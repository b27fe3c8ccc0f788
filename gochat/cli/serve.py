"""`gochat serve`, and the worker that it starts."""

import asyncio
import sys
from typing import Annotated

import typer

from gochat.cli.settings import read

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
        from gochat.listening import reserve
        from gochat.logs import configure
        from gochat.supervisor import Supervisor

        configure(settings.log_level, settings.log_format)
        with reserve(settings.host, settings.port) as reserved:
            port = reserved.getsockname()[1]
            command = [sys.executable, "-m", "gochat", "worker", str(port), str(settings.workers)]
            patience = settings.lame_duck_seconds + settings.drain_seconds + FINISH_S
            sys.exit(asyncio.run(Supervisor(command, settings.workers, patience).run()))
    from gochat.serving import serve as serve_one

    serve_one(settings)


def worker(port: int, workers: int) -> None:
    """Serve as one of several processes that share a port; `serve` starts them."""
    leave_out_rich()
    settings = read(workers)
    from gochat.listening import share
    from gochat.serving import serve as serve_one

    serve_one(settings, share(settings.host, port))
