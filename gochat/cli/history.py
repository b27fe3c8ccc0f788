"""`gochat backup` and `restored`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gochat.cli.settings import read


def backup(target: Annotated[Path, typer.Argument(help="A file that is not there yet.")]) -> None:
    """Copy the SQLite file, also while a server runs on it. MySQL and MariaDB have tools of their own."""
    import sqlite3

    from gochat.config import ConfigError
    from gochat.storage.backup import copy

    settings = read()
    if settings.mysql_url is not None:
        raise ConfigError(
            "MYSQL_URL: copy it with the server's own tool (mariadb-backup, mysqldump, snapshots)"
        )
    try:
        size = copy(settings.sqlite_path, target)
    except (OSError, sqlite3.Error) as error:
        typer.echo(f"No copy was made: {error}", err=True)
        sys.exit(1)
    typer.echo(f"{target} has {size} bytes.")


def restored() -> None:
    """Say that the database was restored from a copy, so that phones fetch all anew.

    Processes that ran meanwhile find it out themselves.
    """
    from gochat.storage.epoch import restored as renew

    typer.echo(f"The epoch is {renew(read().database_url.get_secret_value())}.")
