"""`gochat serve`, and the worker that it starts."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gochat.cli.settings import read

EX_CONFIG = 78
"""The settings, or what they name, have to be changed first (sysexits.h)."""


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
        from gochat.supervising import supervise

        sys.exit(supervise(settings))
    from gochat.serving import serve as serve_one

    serve_one(settings)


def look(workers: int) -> None:
    """Look at what the settings name; `serve` starts it beside workers, which need not say the same each."""
    leave_out_rich()
    settings = read(workers)
    from gochat.logs import configure
    from gochat.preflight import look as look_at

    configure(settings.log_level, settings.log_format)
    look_at(settings)


def worker(port: int, workers: int, name: str) -> None:
    """Serve as one of several processes that share a port; `serve` starts them."""
    leave_out_rich()
    settings = read(workers)
    import structlog

    from gochat.config import ConfigError
    from gochat.listening import share
    from gochat.serving import serve as serve_one

    try:
        serve_one(settings, share(settings.host, port), name)
    except ConfigError as error:  # at a start `look` has said so, once for all workers
        structlog.get_logger(__name__).error("worker_refused", why=str(error))
        sys.exit(EX_CONFIG)
