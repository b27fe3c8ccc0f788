"""`gochat demo`: something to look at."""

from __future__ import annotations

import random
import secrets
import time
from typing import Annotated

import typer

from gochat.cli.settings import read
from gochat.cli.support import fail

_FIRST = ("ada", "grace", "alan", "edsger", "barbara", "donald", "frances", "ken", "radia", "linus")
_SAID = (
    "Good morning! ☀️",
    "Did anyone look at the logs?",
    "It works on my machine.",
    "Then we ship your machine. 🚢",
    "Lunch at one?",
    "I am on the train, the tunnel ate my message.",
    "No message was lost, says the counter.",
    "👍",
)
TOGETHER = 200
"""Commands that are under way at once."""


def demo(
    users: Annotated[int, typer.Option(min=2, max=10_000)] = 10,
    groups: Annotated[int, typer.Option(min=1, max=10_000)] = 5,
    messages: Annotated[int, typer.Option(min=1, max=1_000_000)] = 500,
    password: Annotated[str | None, typer.Option(help="Of all users; else one is made.")] = None,
) -> None:
    """Fill the database with users who chat. Not in production."""
    import asyncio

    settings = read()
    if settings.is_production:
        fail("Not with GOCHAT_ENV=production.")
    chosen = password or secrets.token_urlsafe(12)
    names = asyncio.run(_fill(settings.database_url.get_secret_value(), users, groups, messages, chosen))
    typer.echo(f"Log in as {', '.join(names[:3])} or another one, with the password {chosen}")


async def _fill(url: str, users: int, groups: int, messages: int, password: str) -> list[str]:
    import asyncio

    from gochat.auth.passwords import Passwords
    from gochat.core.conversations import CreateConversation
    from gochat.core.limits import Limits
    from gochat.core.messages import SendMessage
    from gochat.core.model import Kind, User
    from gochat.core.ports.accounts import Account
    from gochat.events.cluster.seam import NoDoorbell
    from gochat.events.delivery.ringing import Ringing
    from gochat.ids import new_id
    from gochat.storage.accounts import StoredAccounts
    from gochat.storage.database import Database
    from gochat.storage.engines import write_engine
    from gochat.storage.epoch import EpochGuard
    from gochat.storage.migrate import upgrade
    from gochat.storage.writer import ConversationWriter

    await asyncio.to_thread(upgrade, url)
    database, passwords = Database(url, pool_size=1), Passwords()
    nobody = Ringing(NoDoorbell())  # servers find what was committed in the log
    writer = ConversationWriter(write_engine(url), nobody, Limits(), EpochGuard(), each_max=TOGETHER)
    writer.start()
    accounts, mark = StoredAccounts(database), secrets.token_hex(2)
    names = [f"{_FIRST[n % len(_FIRST)]}.{mark}.{n}" for n in range(users)]
    try:
        password_hash = await passwords.hash(password)
        people = [User(new_id(), name, name.split(".")[0].title()) for name in names]
        with typer.progressbar(people, label="Users") as told:
            for person in told:
                await accounts.create(Account(person, password_hash), time.time_ns() // 1_000_000)
        rooms = []
        with typer.progressbar(range(groups), label="Groups") as told_groups:
            for n in told_groups:
                owner, *others = random.sample(people, min(len(people), random.randint(2, 8)))  # noqa: S311
                member_ids = tuple(it.id for it in others)
                group = CreateConversation(new_id(), owner.id, Kind.GROUP, member_ids, f"Group {n + 1}")
                rooms.append((await writer.submit(group), [owner, *others]))
        with typer.progressbar(length=messages, label="Messages") as bar:
            for first in range(0, messages, TOGETHER):
                count = min(TOGETHER, messages - first)
                picked = [random.choice(rooms) for _ in range(count)]  # noqa: S311
                said = (
                    SendMessage(
                        room.id,
                        random.choice(members).id,  # noqa: S311
                        secrets.token_bytes(16),
                        random.choice(_SAID),  # noqa: S311
                    )
                    for room, members in picked
                )
                await asyncio.gather(*(writer.submit(it) for it in said))
                bar.update(count)
    finally:
        await writer.stop()
        await database.close()
        passwords.close()
    return names
