"""`gochat key`: keys for the team's own backend."""

import asyncio
from typing import Annotated

import typer

from gochat.cli import support
from gochat.cli.users import database

app = typer.Typer(no_args_is_help=True, help="Keys by which your own backend makes users and tokens.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.", callback=support.for_the_record)],
    why: support.Why,
    who: support.As = None,
    scope: Annotated[list[str] | None, typer.Option(help="users, tokens; both by default.")] = None,
) -> None:
    """Make a key and print it: it is shown this once."""

    async def run() -> str:
        from gochat.auth.backend import SCOPES, key_hash, new_key
        from gochat.contract.ids import id_out
        from gochat.ids import new_id
        from gochat.storage.backend import StoredKeys

        scopes = scope or list(SCOPES)
        if unknown := set(scopes) - set(SCOPES):
            support.fail(f"There is no scope {', '.join(sorted(unknown))}.")
        async with database() as opened:
            key, key_id = new_key(), new_id()
            made = support.act("key create", id_out(key_id), f"{name[:100]}: {why}", who)
            await StoredKeys(opened).add(key_id, name[:100], key_hash(key), scopes, made)
            return key

    typer.echo(asyncio.run(run()))


@app.command("list")
def list_keys(as_json: support.Json = False) -> None:
    """List keys, not what they are."""

    async def run() -> None:
        from gochat.contract.ids import id_out
        from gochat.storage.backend import StoredKeys

        async with database() as opened:
            found = await StoredKeys(opened).keys()
        rows = (
            {
                "key": id_out(it[0]),
                "name": it[1],
                "scopes": it[2],
                "since": support.when(it[3]),
                "used": support.when(it[4]),
                "revoked": support.when(it[5]),
            }
            for it in found
        )
        support.show(rows, as_json)

    asyncio.run(run())


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id.")], why: support.Why, who: support.As = None
) -> None:
    """Revoke a key: it works no more, at once."""

    async def run() -> bool:
        from gochat.storage.backend import StoredKeys

        async with database() as opened:
            done = support.act("key revoke", key, why, who)
            return await StoredKeys(opened).revoke(support.number(key, "key"), done)

    if not asyncio.run(run()):
        support.fail(f"There is no key {key}.")
    typer.echo("Revoked.")
