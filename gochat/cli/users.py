"""`gochat user`: what an operator does about one user."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gochat.cli import support
from gochat.cli.settings import read

if TYPE_CHECKING:
    from gochat.core.ports.accounts import Account
    from gochat.storage.accounts import StoredAccounts
    from gochat.storage.database import Database
    from gochat.storage.operating import Operator

app = typer.Typer(no_args_is_help=True, help="Help or stop a user.")

NAME_MAX = 100
"""Characters of a display name, as in `POST auth/register`."""


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
    name: support.User,
    why: support.Why,
    who: support.As = None,
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long the code works.")] = 24,
) -> None:
    """Print a code by which the user sets a new password, once (`POST auth/reset`)."""
    from gochat.auth.login import new_code, reset_hash
    from gochat.contract.ids import id_out

    user_id, code = identified(name), new_code()
    done = support.act("user reset-password", id_out(user_id), why, who)
    until = done.at + hours * 3_600_000
    support.operate(lambda operator: operator.add_reset(user_id, reset_hash(code), until, done))
    typer.echo(code)


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
def show(name: support.User, as_json: support.Json = False) -> None:
    """Show an account, its logins and what was done to it: no message, no number."""
    from gochat.contract.ids import id_out

    user_id = identified(name)
    found = support.operate(lambda operator: operator.user(user_id))
    if found is None:
        support.fail(f"There is no user {name}.")
    username, has_phone, created, revision, conversations, blocks, *standing = found
    told = {
        "user": id_out(user_id),
        "username": username,
        "phone": "yes" if has_phone else "no",
        "since": support.when(created),
        "state": _state(*standing),
        "revision": revision,
        "conversations": conversations,
        "blocks": blocks,
    }
    support.show([told], as_json)
    support.show(support.session_rows(support.operate(lambda it: it.sessions(user_id))), as_json)
    support.show(support.act_rows(support.operate(lambda it: it.acts(id_out(user_id)))), as_json)


def _state(deleted: Any, deletes_at: int | None, closed_at: int | None, muted_until: int | None) -> str:
    """How an account stands."""
    states = []
    if deleted:
        states.append("deleted")
    elif deletes_at is not None:
        states.append(f"deleted from {support.when(deletes_at)} on")
    if closed_at is not None:
        states.append(f"closed since {support.when(closed_at)}")
    if muted_until is not None and muted_until > time.time() * 1000:
        states.append(f"muted until {support.when(muted_until)}")
    return ", ".join(states) or "open"


@app.command("sessions")
def sessions(name: support.User, as_json: support.Json = False) -> None:
    """Show a user's logins, the last seen first."""
    user_id = identified(name)
    support.show(support.session_rows(support.operate(lambda it: it.sessions(user_id))), as_json)


@app.command("why")
def why_slow(name: support.User, as_json: support.Json = False) -> None:
    """Show a user's sockets on this machine: transport, what waits to be sent, and what was refused last."""
    from gochat.contract.ids import id_out

    answers = support.ask("user", user=id_out(identified(name, looked_up=False)))
    if not answers:
        support.fail(support.NOBODY_ANSWERS)
    rows = [
        {"worker": worker, **it} for worker, answer in answers.items() for it in answer.get("connections", [])
    ]
    support.show(rows, as_json)


@app.command("follow")
def follow(name: support.User) -> None:
    """Print what a user's sockets on this machine do, as it happens, until Ctrl-C: events and answers, no
    text."""
    import asyncio

    import orjson

    from gochat.contract.ids import id_out
    from gochat.control.client import follow_all

    settings, user = read(), id_out(identified(name, looked_up=False))

    async def run() -> bool:
        heard = False
        async for worker, line in follow_all(settings.run_dir, settings.port or None, "follow", user=user):
            if "error" not in line:
                heard = True
                typer.echo(orjson.dumps({"worker": worker, **line}).decode())
        return heard

    if not asyncio.run(run()):
        support.fail(support.NOBODY_ANSWERS)


@app.command("logout")
def log_out(name: support.User, why: support.Why, who: support.As = None) -> None:
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
def disable(name: support.User, why: support.Why, who: support.As = None) -> None:
    """Close an account: its logins end within seconds, and nobody logs in."""
    _close_account(name, why, who, closed=True)


@app.command("enable")
def enable(name: support.User, why: support.Why, who: support.As = None) -> None:
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
    name: support.User,
    why: support.Why,
    who: support.As = None,
    hours: Annotated[float, typer.Option(min=0, max=876_000, help="From now on; 0 ends it.")] = 24,
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
    typer.echo(f"Muted until {support.when(until)}." if until else "Not muted any more.")


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

    from gochat.core.text import line

    shown = username if display_name is None else line(display_name, "display_name")
    if not 1 <= len(shown) <= NAME_MAX:
        support.fail(f"display_name: has 1 to {NAME_MAX} characters that show something.")

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
            user = User(new_id(), username_in(username), shown)
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


def identified(name: str, *, looked_up: bool = True) -> int:
    """The number of a user who is named by id, username or phone number; ends the command if there is none.

    Args:
        looked_up: whether an id has to be that of a user; else the database need not be there for it.
    """
    import asyncio

    from gochat.contract.ids import id_in

    number = id_in(name)

    async def run() -> int:
        from gochat.storage.accounts import StoredAccounts
        from gochat.storage.operating import Operator

        async with database() as opened:
            if number and await Operator(opened).is_user(number):
                return number
            return (await named(StoredAccounts(opened), name)).user.id

    return number if number and not looked_up else asyncio.run(run())
