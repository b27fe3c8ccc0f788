"""The command line: `gochat serve | migrate | contract | doctor`."""

import gc
import sys
from pathlib import Path
from socket import socket
from typing import Annotated

import typer
import uvicorn
from sqlalchemy.exc import DBAPIError

from gochat.config import ConfigError, Settings, load_settings
from gochat.contract import documents
from gochat.events.engine import engine_protocol_class
from gochat.main import Chat, create_app
from gochat.storage.doctor import examine
from gochat.storage.migrate import upgrade

app = typer.Typer(no_args_is_help=True, add_completion=False, help="GoChat: a mobile-first chat backend.")


class Server(uvicorn.Server):
    """uvicorn, which drains the chat before it closes what is left."""

    def __init__(self, config: uvicorn.Config, chat: Chat) -> None:
        super().__init__(config)
        self._chat = chat

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen; then say where."""
        await super().startup(sockets)
        if not self.started:
            return
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                typer.echo(f"GoChat listens on http://{host}:{port}", err=True)
        # What lives by now lives long: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop listening, drain, then close."""
        for server in self.servers:
            server.close()
        await self._chat.drain()
        await super().shutdown(sockets)


@app.command()
def serve(
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the schema up first.")] = False,
) -> None:
    """Serve on HOST and PORT; the README lists all settings. On SQLite the schema is always brought up."""
    settings = _settings()
    if migrate:
        upgrade(settings.database_url.get_secret_value())
    chat = create_app(settings)
    config = uvicorn.Config(
        chat,
        host=settings.host,
        port=settings.port,
        http=engine_protocol_class(chat.engine),
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(settings.forwarded_allow_ips),
        timeout_graceful_shutdown=5,
    )
    server = Server(config, chat)
    server.run()
    if not server.started:
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
    try:
        for finding in examine(_settings().database_url.get_secret_value()):
            well &= finding.well
            typer.echo(
                f"ok      {finding.what}" if finding.well else f"NOT OK  {finding.what}: {finding.advice}"
            )
    except DBAPIError as error:
        typer.echo(f"NOT OK  the database does not answer: {type(error.orig).__name__}")
        well = False
    if not well:
        sys.exit(1)


def _settings() -> Settings:
    try:
        return load_settings()
    except ConfigError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
