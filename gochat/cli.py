"""The command line: `gochat serve | migrate | contract | doctor`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from gochat import serving
from gochat.config import ConfigError, Settings, load_settings
from gochat.contract import documents
from gochat.logs import configure
from gochat.storage.doctor import examine
from gochat.storage.migrate import upgrade
from gochat.supervisor import Supervisor, reserve, share

app = typer.Typer(no_args_is_help=True, add_completion=False, help="GoChat: a mobile-first chat backend.")


FINISH_S = 20.0
"""How long workers may take to end beyond DRAIN_SECONDS."""


@app.command()
def serve(
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the schema up first.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes; in place of WORKERS.")] = None,
) -> None:
    """Serve on HOST and PORT; the README lists all settings. On SQLite the schema is always brought up."""
    settings = _settings(workers)
    if migrate:
        upgrade(settings.database_url.get_secret_value())
    if settings.workers > 1:
        sys.exit(_supervise(settings))
    if not serving.serve(settings):
        sys.exit(3)


@app.command(hidden=True)
def worker(port: int, workers: int) -> None:
    """Serve as one of several processes that share a port; `serve` starts them."""
    settings = _settings(workers)
    if not serving.serve(settings, share(settings.host, port)):
        sys.exit(3)


@app.command()
def migrate() -> None:
    """Bring the schema of the database up to what this version needs."""
    upgrade(_settings().database_url.get_secret_value())
    typer.echo("The schema is up to date.")


@app.command()
def contract(directory: Annotated[Path, typer.Argument()] = Path("docs/contract")) -> None:
    """Write openapi.json and asyncapi.json."""
    documents.write(directory)


@app.command()
def doctor() -> None:
    """Look whether the database keeps what it acknowledges. Ends with 1 if something is not well."""
    well = True
    settings = _settings()
    typer.echo(f"ok      clients' addresses are believed from {', '.join(settings.forwarded_allow_ips)}")
    try:
        for finding in examine(settings.database_url.get_secret_value()):
            well &= finding.well
            typer.echo(
                f"ok      {finding.what}" if finding.well else f"NOT OK  {finding.what}: {finding.advice}"
            )
    except DBAPIError as error:
        typer.echo(f"NOT OK  the database does not answer: {type(error.orig).__name__}")
        well = False
    if not well:
        sys.exit(1)


def _supervise(settings: Settings) -> int:
    configure(settings.log_level, settings.log_format)
    with reserve(settings.host, settings.port) as reserved:
        port = reserved.getsockname()[1]
        command = [sys.executable, "-m", "gochat", "worker", str(port), str(settings.workers)]
        patience = settings.drain_seconds + FINISH_S
        return asyncio.run(Supervisor(command, settings.workers, patience).run())


def _settings(workers: int | None = None) -> Settings:
    try:
        return load_settings(**({} if workers is None else {"workers": workers}))
    except ConfigError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
