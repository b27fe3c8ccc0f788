"""`gochat session | conversation | log | queue`, and what `gochat user` shares with them: looking, and
acting.

Nothing here shows what people wrote. Every act is written down with who did it and why (`gochat log`).
"""

from __future__ import annotations

import asyncio
import getpass
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from gochat.cli.settings import read

if TYPE_CHECKING:
    from gochat.core.ports.writing import Publisher
    from gochat.storage.operating import Act, Operator
    from gochat.storage.writer import ConversationWriter

T = TypeVar("T")

NOBODY_ANSWERS = (
    "No process of these settings (PORT, RUN_DIR) runs on this machine, or this user may not ask it."
)


def for_the_record(text: str | None) -> str | None:
    """One line that says something: what `gochat log` shows to others."""
    from gochat.core.errors import InvalidPayload
    from gochat.core.text import line

    if text is None:
        return None
    try:
        kept = line(text, "this")
    except InvalidPayload as error:
        raise typer.BadParameter(str(error)) from None
    if not kept:
        raise typer.BadParameter("this says nothing.")
    return kept


Why = Annotated[
    str,
    typer.Option("--why", help="For the record: a ticket, a reason.", prompt=True, callback=for_the_record),
]
As = Annotated[
    str | None,
    typer.Option("--as", help="Who acts; else the user of this machine.", callback=for_the_record),
]
User = Annotated[str, typer.Argument(help="Id, username, or phone number with its country code.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


def operate(work: Callable[[Operator], Awaitable[T]]) -> T:
    """Do something with the database of the settings."""

    async def run() -> T:
        from gochat.storage.database import Database
        from gochat.storage.operating import Operator

        database = Database(read().database_url.get_secret_value(), pool_size=1)
        try:
            return await work(Operator(database))
        finally:
            await database.close()

    return asyncio.run(run())


@asynccontextmanager
async def bell() -> AsyncIterator[Publisher]:
    """Tells servers that run what is done here, at once if they have Redis."""
    from gochat.peers import ringing

    settings = read()
    url = settings.redis_url_with_ca
    secret = None if url is None else url.get_secret_value()
    async with ringing(secret, settings.redis_prefix, settings.keys) as publisher:
        yield publisher


@asynccontextmanager
async def writer(url: str) -> AsyncIterator[ConversationWriter]:
    """A writer of this command's own: servers that run hear what it did, or learn it from the log."""
    from gochat.storage.engines import write_engine
    from gochat.storage.epoch import EpochGuard
    from gochat.storage.writer import ConversationWriter

    async with bell() as publisher:
        started = ConversationWriter(write_engine(url), publisher, read().limits, EpochGuard())
        started.start()
        try:
            yield started
        finally:
            await started.stop()


async def dismiss(user_id: int, ended: Iterable[int]) -> None:
    """Have the sockets of logins dismissed that were ended."""
    from gochat.core.errors import SessionRevoked

    async with bell() as publisher:
        for session_id in ended:
            publisher.revoked(user_id, session_id, SessionRevoked.code)


def act(what: str, target: str, why: str, who: str | None) -> Act:
    """What is about to be done, for the record."""
    from gochat.storage.operating import Act

    name = who or os.environ.get("SUDO_USER") or getpass.getuser()
    return Act(time.time_ns() // 1_000_000, name[:64], what, target, why[:500])


def ask(question: str, **fields: object) -> dict[str, Any]:
    """The answers of the processes that run on this machine with these settings, by worker."""
    from gochat.control.client import ask_all

    settings = read()
    return asyncio.run(ask_all(settings.run_dir, settings.port or None, question, **fields))


def number(text: str, what: str) -> int:
    """The number of an id as phones have it; ends the command if it is none."""
    from gochat.contract.ids import id_in

    found = id_in(text)
    if not found:
        fail(f"{text!r} is not the id of a {what}: 16 hexadecimal digits.")
    return found


def fail(text: str) -> NoReturn:
    """End the command: what was asked for is not there."""
    typer.echo(text, err=True)
    raise typer.Exit(1)


def when(millis: int | None) -> str:
    """A time for people."""
    return (
        "-" if millis is None else datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    )


def show(rows: Iterable[Mapping[str, object]], as_json: bool) -> None:
    """Rows as a table, or one JSON object a line."""
    found = list(rows)
    if as_json:
        import orjson

        for row in found:
            typer.echo(orjson.dumps(dict(row)).decode())
        return
    if not found:
        typer.echo("(none)")
        return
    names = list(found[0])
    widths = [max(len(name), *(len(str(row[name])) for row in found)) for name in names]
    for cells in (names, *([str(row[name]) for name in names] for row in found)):
        typer.echo("  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())


def ago(millis: int) -> str:
    """How long ago that was, for people."""
    seconds = time.time() - millis / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds / size)} {unit} ago"
    return "just now"


def session_rows(found: Iterable[Any]) -> Iterable[Mapping[str, object]]:
    """Logins as `show` takes them."""
    from gochat.contract.ids import id_out

    for session_id, platform, version, created, seen, expires, revoked in found:
        ended = revoked is not None or expires < time.time() * 1000
        yield {
            "session": id_out(session_id),
            "platform": platform or "-",
            "app": version or "-",
            "since": when(created),
            "seen": ago(seen),
            "state": "ended" if ended else "alive",
        }


def act_rows(found: Iterable[Act]) -> Iterable[Mapping[str, object]]:
    """What operators did, as `show` takes it."""
    for it in found:
        yield {"at": when(it.at), "who": it.who, "act": it.act, "target": it.target, "why": it.why}


sessions = typer.Typer(no_args_is_help=True, help="Look at logins, and end them.")


@sessions.command("list")
def list_sessions(user: User, as_json: Json = False) -> None:
    """Show a user's logins, the last seen first."""
    from gochat.cli.users import identified

    user_id = identified(user)
    show(session_rows(operate(lambda operator: operator.sessions(user_id))), as_json)


@sessions.command("end")
def end_session(session: str, why: Why, who: As = None) -> None:
    """End a login; its sockets are closed within seconds."""
    session_id = number(session, "session")
    ended = act("session end", session, why, who)

    async def end(operator: Operator) -> None:
        user_id = await operator.end_session(session_id, ended)
        if user_id is None:
            fail(f"There is no session {session}.")
        await dismiss(user_id, (session_id,))

    operate(end)
    typer.echo("Ended.")


conversations = typer.Typer(no_args_is_help=True, help="Look at conversations, but not into them.")


@conversations.command("show")
def show_conversation(conversation: str, as_json: Json = False) -> None:
    """Show what a conversation is and how far its members are; no message."""
    from gochat.contract.ids import id_out

    conversation_id = number(conversation, "conversation")
    found = operate(lambda operator: operator.conversation(conversation_id))
    if found is None:
        fail(f"There is no conversation {conversation}.")
    kind, revision, last_seq, last_at, members, created, creator = found
    told = {
        "conversation": conversation,
        "kind": kind,
        "members": members,
        "messages": last_seq,
        "revision": revision,
        "last": when(last_at),
        "created": when(created),
        "by": id_out(creator),
    }
    show([told], as_json)
    rows = operate(lambda operator: operator.members(conversation_id))
    show(
        (
            {
                "user": id_out(user),
                "role": role if active else "(left)",
                "delivered": delivered,
                "read": read_seq,
            }
            for user, role, active, delivered, read_seq in rows
        ),
        as_json,
    )


@conversations.command("ban")
def ban(
    conversation: str,
    user: User,
    why: Why,
    who: As = None,
    lift: Annotated[bool, typer.Option("--lift", help="Let them be brought in again.")] = False,
) -> None:
    """Take a user out of a group, and let nobody bring them in again."""
    from gochat.cli.users import identified
    from gochat.contract.ids import id_out
    from gochat.core.bans import BanMember
    from gochat.core.errors import ChatError

    conversation_id, user_id = number(conversation, "conversation"), identified(user)
    what = "conversation unban" if lift else "conversation ban"
    done = act(what, conversation, f"{id_out(user_id)}: {why}", who)

    async def run(operator: Operator) -> None:
        await operator.note(done)
        try:
            async with writer(read().database_url.get_secret_value()) as door:
                await door.submit(BanMember(conversation_id, None, user_id, on=not lift))
        except ChatError as error:
            await operator.note(replace(done, act=f"{done.act} refused"))
            fail(error.message)

    operate(run)
    typer.echo("Not banned any more." if lift else "Banned.")


_ACT = ("who", "act", "target", "why")


def log(
    target: Annotated[
        str | None, typer.Argument(help="An id, or how a user is named: only what was done to it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what operators did, the newest first."""
    from gochat.cli.users import identified
    from gochat.contract.ids import id_in, id_out

    if target is not None and not id_in(target):
        target = id_out(identified(target))
    show(act_rows(operate(lambda operator: operator.acts(target))), as_json)


def queue(as_json: Json = False) -> None:
    """Show what waits at the processes of this machine: the writer, the readers, the doorbell."""
    wanted = {
        "gochat_writer_queue": "writer",
        "gochat_writer_oldest_seconds": "oldest_s",
        "gochat_read_pool": "reads",
        "gochat_doorbell_up": "doorbell",
        "gochat_connections": "sockets",
    }
    rows: list[Mapping[str, object]] = []
    for worker, instruments in sorted(ask("measures").items()):
        row: dict[str, object] = {"worker": worker, **dict.fromkeys(wanted.values(), "-")}
        for it in instruments:
            if it["name"] in wanted:
                values = {"/".join(labels): value for labels, value in it["rows"]}
                total: float = values.get("busy", sum(values.values()))
                row[wanted[it["name"]]] = round(total, 3)
        if worker != "supervisor":
            rows.append(row)
    if not rows:
        fail(NOBODY_ANSWERS)
    show(rows, as_json)
