"""`gochat migrate`, `doctor` and `contract`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gochat.cli.settings import read


def migrate(
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; end with 1 if this code can't run on it."),
    ] = False,
    to: Annotated[
        str, typer.Option("--to", metavar="REVISION", help="Bring it up to this revision only.")
    ] = "head",
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="Change nothing; wait until another one did.")
    ] = 0,
) -> None:
    """Bring the schema of the database up to what this version needs. One that is newer is left as it is.

    It may run beside servers, of this release and of the one before; several at once; and again after it was
    killed.
    """
    from gochat.storage import migrate as schema

    url = read().database_url.get_secret_value()
    if wait:
        standing = schema.wait(url, wait)
    elif check:
        standing = schema.current(url)
    else:
        standing = schema.upgrade(url, to)
    if standing.fits or (not check and not wait):
        typer.echo(f"The schema is at {standing.version}.")
    else:
        typer.echo(f"The schema {standing.state}.", err=True)
        sys.exit(1)


def contract(directory: Annotated[Path, typer.Argument()] = Path("docs/contract")) -> None:
    """Write openapi.json and asyncapi.json."""
    from gochat.contract import documents

    documents.write(directory)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False) -> None:
    """Look whether all that the settings name is fit to serve. Ends with 1 if something is not."""
    from gochat.doctor import look

    well = True
    for finding in look(read()):
        well &= finding.well
        if as_json:
            import orjson

            typer.echo(orjson.dumps(finding).decode())
        elif finding.well:
            typer.echo(f"ok      {finding.what}")
        else:
            typer.echo(f"NOT OK  {finding.what}: {finding.advice}")
    if not well:
        sys.exit(1)
