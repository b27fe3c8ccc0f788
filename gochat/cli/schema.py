"""`gochat migrate`, `doctor` and `contract`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gochat.cli.settings import read


def migrate() -> None:
    """Bring the schema of the database up to what this version needs."""
    from gochat.storage.migrate import upgrade

    upgrade(read().database_url.get_secret_value())
    typer.echo("The schema is up to date.")


def contract(directory: Annotated[Path, typer.Argument()] = Path("docs/contract")) -> None:
    """Write openapi.json and asyncapi.json."""
    from gochat.contract import documents

    documents.write(directory)


def doctor() -> None:
    """Look whether the database keeps what it acknowledges. Ends with 1 if something is not well."""
    from sqlalchemy.exc import DBAPIError

    from gochat.storage.doctor import examine
    from gochat.storage.faults import summary

    well = True
    settings = read()
    typer.echo(f"ok      clients' addresses are believed from {', '.join(settings.forwarded_allow_ips)}")
    try:
        for finding in examine(settings.database_url.get_secret_value()):
            well &= finding.well
            typer.echo(
                f"ok      {finding.what}" if finding.well else f"NOT OK  {finding.what}: {finding.advice}"
            )
    except DBAPIError as error:
        typer.echo(f"NOT OK  the database does not answer: {summary(error)}")
        well = False
    if not well:
        sys.exit(1)
