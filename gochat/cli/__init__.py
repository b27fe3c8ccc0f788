"""The command line. `gochat --help` lists what there is; each file of this package holds some of its
commands.

A command imports what it needs when it is called: libraries take most of a start, and few commands need
them all.
"""

import sys
from typing import Annotated

import typer

from gochat import __version__
from gochat.cli import demo, history, keys, reports, schema, serve, settings, support, users

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="GoChat: a mobile-first chat backend.",
)
app.command()(serve.serve)
app.command(hidden=True)(serve.look)
app.command(hidden=True)(serve.worker)
app.command()(schema.migrate)
app.command()(schema.doctor)
app.command()(schema.contract)
app.command()(history.backup)
app.command()(history.restored)
app.command()(settings.config)
app.command()(demo.demo)
app.add_typer(users.app, name="user")
app.add_typer(support.sessions, name="session")
app.add_typer(support.conversations, name="conversation")
app.add_typer(reports.app, name="report")
app.add_typer(keys.app, name="key")
app.command()(support.log)
app.command()(support.queue)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gochat {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run a command. What the operator can mend ends in a line each, not in a traceback."""
    for n, argument in enumerate(sys.argv[1:], 1):
        if any("\ud800" <= char <= "\udfff" for char in argument):
            typer.echo(f"argument {n}: its bytes are not UTF-8", err=True)
            sys.exit(2)
    try:
        app()
    except Exception as error:
        from gochat.cli.mistakes import told

        mistake = told(error)
        if mistake is None:
            raise
        typer.echo(mistake.text, err=True)
        sys.exit(mistake.status)
