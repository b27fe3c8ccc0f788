"""`gochat user`: what an operator does about one user."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from gochat.cli.settings import read

if TYPE_CHECKING:
    from gochat.core.ports.accounts import Account
    from gochat.storage.accounts import StoredAccounts
    from gochat.storage.database import Database

app = typer.Typer(no_args_is_help=True, help="Help or stop a user.")

Name = Annotated[str, typer.Argument(help="Username, or phone number with its country code.")]


@asynccontextmanager
async def database() -> "AsyncIterator[Database]":
    """The database of the settings."""
    from gochat.storage.database import Database

    opened = Database(read().database_url.get_secret_value(), pool_size=1)
    try:
        yield opened
    finally:
        await opened.close()


async def named(accounts: "StoredAccounts", name: str) -> "Account":
    """The account of a name or number; ends the command if there is none."""
    from gochat.auth.names import phone_in, username_tried

    if name.startswith("+"):
        found = await accounts.by_phone(phone_in(name))
    else:
        username = username_tried(name)
        found = None if username is None else await accounts.by_username(username)
    if found is None:
        typer.echo(f"There is no user {name}.", err=True)
        raise typer.Exit(1)
    return found


@app.command("reset-password")
def reset_password(
    name: Name, hours: Annotated[int, typer.Option(min=1, max=168, help="How long the code works.")] = 24
) -> None:
    """Print a code by which the user sets a new password, once (`POST auth/reset`)."""
    import asyncio

    async def run() -> str:
        from gochat.auth.login import new_code, reset_hash
        from gochat.storage.accounts import StoredAccounts

        async with database() as opened:
            accounts = StoredAccounts(opened)
            account, code = await named(accounts, name), new_code()
            until = time.time_ns() // 1_000_000 + hours * 3_600_000
            await accounts.store_reset(account.user.id, reset_hash(code), until)
            return code

    typer.echo(asyncio.run(run()))
