"""`gochat user`: what an operator does about one user."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from gochat.cli import support
from gochat.cli.settings import read

if TYPE_CHECKING:
    from gochat.core.ports.accounts import Account
    from gochat.storage.accounts import StoredAccounts
    from gochat.storage.database import Database
    from gochat.storage.operating import Operator

app = typer.Typer(no_args_is_help=True, help="Help or stop a user.")

Who = Annotated[str, typer.Argument(help="Id, username, or phone number with its country code.")]
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
        support.fail(f"There is no user {name}.")
    return found


@app.command("reset-password")
def reset_password(
    name: Name,
    why: support.Why,
    who: support.As = None,
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long the code works.")] = 24,
) -> None:
    """Print a code by which the user sets a new password, once (`POST auth/reset`)."""
    import asyncio

    async def run() -> str:
        from gochat.auth.login import new_code, reset_hash
        from gochat.contract.ids import id_out
        from gochat.storage.accounts import StoredAccounts
        from gochat.storage.operating import Operator

        async with database() as opened:
            account, code = await named(StoredAccounts(opened), name), new_code()
            done = support.act("user reset-password", id_out(account.user.id), why, who)
            until = done.at + hours * 3_600_000
            await Operator(opened).add_reset(account.user.id, reset_hash(code), until, done)
            return code

    typer.echo(asyncio.run(run()))


@app.command("find")
def find(
    prefix: Annotated[str, typer.Argument(help="How the username begins.")], as_json: support.Json = False
) -> None:
    """List users by how their names begin."""
    from gochat.contract.ids import id_out

    found = support.operate(lambda operator: operator.find(prefix.lower()))
    rows = ({"user": id_out(it[0]), "username": it[1], "since": support.when(it[2])} for it in found)
    support.show(rows, as_json)


@app.command("show")
def show(name: Who, as_json: support.Json = False) -> None:
    """Show an account, its logins and what was done to it: no message, no number."""
    from gochat.contract.ids import id_out

    user_id = identified(name)
    found = support.operate(lambda operator: operator.user(user_id))
    if found is None:
        support.fail(f"There is no user {name}.")
    username, has_phone, created, revision, conversations, blocks = found
    told = {
        "user": id_out(user_id),
        "username": username,
        "phone": "yes" if has_phone else "no",
        "since": support.when(created),
        "revision": revision,
        "conversations": conversations,
        "blocks": blocks,
    }
    support.show([told], as_json)
    support.show(support.session_rows(support.operate(lambda it: it.sessions(user_id))), as_json)


@app.command("sessions")
def sessions(name: Who, as_json: support.Json = False) -> None:
    """Show a user's logins, the last seen first."""
    user_id = identified(name)
    support.show(support.session_rows(support.operate(lambda it: it.sessions(user_id))), as_json)


@app.command("why")
def why_slow(name: Who, as_json: support.Json = False) -> None:
    """Show a user's sockets on this machine: transport, what waits to be sent, and what was refused last."""
    from gochat.contract.ids import id_out

    answers = support.ask("user", user=id_out(identified(name)))
    rows = [
        {"worker": worker, **it} for worker, answer in answers.items() for it in answer.get("connections", [])
    ]
    support.show(rows, as_json)


@app.command("follow")
def follow(name: Who) -> None:
    """Print what a user's sockets on this machine do, as it happens, until Ctrl-C: events and answers, no
    text."""
    import asyncio

    import orjson

    from gochat.contract.ids import id_out
    from gochat.control.client import follow_all

    settings, user = read(), id_out(identified(name))

    async def run() -> None:
        async for worker, line in follow_all(settings.run_dir, settings.port or None, "follow", user=user):
            if "error" not in line:
                typer.echo(orjson.dumps({"worker": worker, **line}).decode())

    asyncio.run(run())


@app.command("logout")
def log_out(name: Who, why: support.Why, who: support.As = None) -> None:
    """End all logins of a user; their sockets are closed within seconds."""
    from gochat.contract.ids import id_out

    user_id = identified(name)
    done = support.act("user logout", id_out(user_id), why, who)

    async def run(operator: "Operator") -> int:
        ended = await operator.log_out(user_id, done)
        await support.dismiss(user_id, ended)
        return len(ended)

    typer.echo(f"Ended {support.operate(run)} logins.")


@app.command("disable")
def disable(name: Who, why: support.Why, who: support.As = None) -> None:
    """Close an account: its logins end within seconds, and nobody logs in."""
    _close_account(name, why, who, closed=True)


@app.command("enable")
def enable(name: Who, why: support.Why, who: support.As = None) -> None:
    """Open a closed account again."""
    _close_account(name, why, who, closed=False)


def _close_account(name: str, why: str, who: str | None, *, closed: bool) -> None:
    import asyncio

    from gochat.contract.ids import id_out

    user_id = identified(name)
    done = support.act("user disable" if closed else "user enable", id_out(user_id), why, who)

    async def run() -> int:
        from gochat.storage.safety import StoredReports

        async with database() as opened:
            ended = await StoredReports(opened).close_account(user_id, done, closed=closed)
        await support.dismiss(user_id, ended)
        return len(ended)

    ended = asyncio.run(run())
    typer.echo(f"Closed; {ended} logins ended." if closed else "Open.")


@app.command("mute")
def mute(
    name: Who,
    why: support.Why,
    who: support.As = None,
    hours: Annotated[float, typer.Option(min=0, help="From now on; 0 ends it.")] = 24,
) -> None:
    """Let a user read, and write nothing."""
    import asyncio

    from gochat.contract.ids import id_out

    user_id = identified(name)
    done = support.act("user mute", id_out(user_id), f"{hours:g} h: {why}", who)
    until = done.at + int(hours * 3_600_000) if hours else None

    async def run() -> None:
        from gochat.core.profiles import UpdateProfile
        from gochat.storage.operating import Operator

        async with database() as opened:
            await Operator(opened).note(done)
            async with support.writer(opened.url) as door:
                await door.submit(UpdateProfile(user_id, standing={"muted_until": until}))

    asyncio.run(run())
    typer.echo("Mute." if hours else "Not mute any more.")


@app.command("create")
def create(
    username: str,
    why: support.Why,
    who: support.As = None,
    display_name: Annotated[str | None, typer.Option(help="Else the username.")] = None,
) -> None:
    """Make an account, whatever REGISTRATION says, and print a code to set its password (`POST
    auth/reset`)."""
    import asyncio
    import secrets

    async def run() -> str:
        from gochat.auth.login import new_code, reset_hash
        from gochat.auth.names import username_in
        from gochat.auth.passwords import Passwords
        from gochat.contract.ids import id_out
        from gochat.core.model import User
        from gochat.core.ports.accounts import Account
        from gochat.ids import new_id
        from gochat.storage.operating import Operator

        async with database() as opened:
            user = User(new_id(), username_in(username), display_name or username)
            passwords = Passwords()
            # Until the code is used nobody knows the password.
            account = Account(user, await passwords.hash(secrets.token_urlsafe(32)))
            passwords.close()
            code, made = new_code(), support.act("user create", id_out(user.id), why, who)
            until = made.at + 7 * 86_400_000
            await Operator(opened).create_user(account, reset_hash(code), until, made)
            return code

    typer.echo(asyncio.run(run()))


@app.command("invite")
def invite(
    why: support.Why,
    who: support.As = None,
    uses: Annotated[int, typer.Option(min=1, max=100_000, help="How often it may be used.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it works.")] = 7,
) -> None:
    """Print a code by which accounts can be made where REGISTRATION is `invite`."""
    import asyncio

    async def run() -> str:
        from gochat.auth.login import new_code, reset_hash
        from gochat.storage.operating import Operator

        async with database() as opened:
            code, made = new_code(), support.act("user invite", f"{uses} uses", why, who)
            await Operator(opened).add_invite(reset_hash(code), uses, made.at + days * 86_400_000, made)
            return code

    typer.echo(asyncio.run(run()))


def identified(name: str) -> int:
    """The number of a user who is named by id, username or phone number; ends the command if there is
    none."""
    import asyncio

    from gochat.contract.ids import id_in

    async def run() -> int:
        from gochat.storage.accounts import StoredAccounts

        async with database() as opened:
            return (await named(StoredAccounts(opened), name)).user.id

    return id_in(name) or asyncio.run(run())
