"""A database with users, conversations and members, as the write path is measured on it."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gochat.core.delta import Committed
from gochat.core.limits import Limits
from gochat.core.messages import SendMessage
from gochat.core.model import ConversationId, SessionId, UserId
from gochat.storage.engines import write_engine
from gochat.storage.epoch import EpochGuard
from gochat.storage.writer import ConversationWriter
from tests.services.mariadb import MariaDB
from tests.writing.world import group, new_key, prepare

CONVERSATIONS = 1000
MEMBERS = 64
USERS = 256
TOGETHER = 32
"""Conversations that are made at once: of more a busy server would refuse some."""
BODY = "Hello there, this is a chat message of fairly ordinary length 👋 with an emoji, ok?"


@dataclass(frozen=True)
class Stage:
    """Conversations with their members; all users are in the first."""

    url: str
    members: dict[ConversationId, tuple[UserId, ...]]

    def sends(self, *, hot: bool, seed: int) -> Iterator[SendMessage]:
        """Messages without end: to any conversation, or all to the one."""
        random_ = random.Random(seed)
        conversations = list(self.members.items())[: 1 if hot else None]
        while True:
            cid, members = random_.choice(conversations)
            yield SendMessage(cid, random_.choice(members), new_key(), BODY)


@contextmanager
def mariadb() -> Iterator[MariaDB]:
    """A MariaDB that keeps what it acknowledges: binlog on, `sync_binlog=1`, every log flushed at commit."""
    with TemporaryDirectory(prefix="gochat-") as directory, MariaDB(Path(directory)) as server:
        yield server


def commits(server: MariaDB) -> int:
    """How many COMMIT the server was asked for so far."""
    with closing(server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Com_commit'")
        return int(cursor.fetchone()[1])


def build(url: str, conversations: int = CONVERSATIONS) -> Stage:
    """Migrate an empty database, and fill it as any app would."""
    return asyncio.run(_build(url, conversations))


async def _build(url: str, conversations: int) -> Stage:
    users = prepare(url, USERS)
    people = [users] + [
        tuple(users[(n + k) % USERS] for k in range(MEMBERS)) for n in range(1, conversations)
    ]
    async with writer(url) as ours:
        made = []
        for n in range(0, conversations, TOGETHER):
            made += await asyncio.gather(*(ours.submit(group(*it)) for it in people[n : n + TOGETHER]))
    return Stage(url, {it.id: members for it, members in zip(made, people, strict=True)})


class Unheard:
    """A publisher with nobody to publish to."""

    def publish(self, committed: Committed) -> None:
        """Nothing."""

    def revoked(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        """Nothing."""


@asynccontextmanager
async def writer(url: str) -> AsyncIterator[ConversationWriter]:
    """Our writer, as a server has it."""
    engine = write_engine(url)
    ours = ConversationWriter(engine, Unheard(), Limits(), EpochGuard())
    ours.start()
    try:
        yield ours
    finally:
        await ours.stop()
        engine.dispose()
