"""A database with users, and a writer on it whose publications are kept."""

import asyncio
import itertools
import math
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert

from gochat.core.command import AnyCommand
from gochat.core.conversations import CreateConversation
from gochat.core.delta import Committed
from gochat.core.limits import Limits
from gochat.core.measures import Measures
from gochat.core.messages import SendMessage, Sent
from gochat.core.model import Conversation, ConversationId, Kind, UserId
from gochat.storage import migrate
from gochat.storage.engines import write_engine
from gochat.storage.epoch import EpochGuard
from gochat.storage.tables import UserRow
from gochat.storage.writer import ConversationWriter

LIMITS = Limits(system_messages=False)
"""Messages of users alone, so that each test's numbers are of what it sends."""
MANY = 4096
_users = itertools.count(1)


def new_id() -> ConversationId:
    """An id that no conversation has."""
    return secrets.randbits(62) + 1


def new_key() -> bytes:
    """A retry key that was never used."""
    return secrets.token_bytes(16)


def send(cid: ConversationId, user_id: UserId, body: str = "hi 👍", key: bytes | None = None) -> SendMessage:
    """A message, with a key of its own unless one is given."""
    return SendMessage(cid, user_id, key or new_key(), body)


def group(creator: UserId, *others: UserId, key: bytes | None = None) -> CreateConversation:
    """A group."""
    return CreateConversation(new_id(), creator, Kind.GROUP, others, "A group", key)


def direct(creator: UserId, other: UserId) -> CreateConversation:
    """A direct conversation."""
    return CreateConversation(new_id(), creator, Kind.DIRECT, (other,))


def prepare(url: str, users: int) -> tuple[UserId, ...]:
    """Migrate an empty database and add users."""
    migrate.upgrade(url)
    return add_users(url, users)


def add_users(url: str, count: int) -> tuple[UserId, ...]:
    """Add users; their ids."""
    ids = tuple(itertools.islice(_users, count))
    rows = [
        {
            "id": user_id,
            "username": f"user{user_id}",
            "password_hash": "",
            "display_name": "",
            "me_revision": 0,
            "created_at": 0,
        }
        for user_id in ids
    ]
    engine = write_engine(url)
    with engine.connect() as connection:
        connection.execute(insert(UserRow), rows)
    engine.dispose()
    return ids


@dataclass
class Recorder:
    """A publisher that keeps what it is given."""

    published: list[Committed] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, committed: Committed) -> None:
        self.published.append(committed)
        self.news.set()

    def revoked(self, user_id: int, session_id: int, code: str) -> None:
        raise AssertionError("a writer ends no session")


@dataclass
class Writing:
    """A writer that runs, and what it published."""

    writer: ConversationWriter
    recorder: Recorder

    async def create(self, command: CreateConversation) -> ConversationId:
        """Create a conversation; its id."""
        answer = await self.writer.submit(command)
        assert isinstance(answer, Conversation)
        return answer.id

    async def send(self, command: SendMessage) -> Sent:
        """Send a message."""
        answer = await self.writer.submit(command)
        assert isinstance(answer, Sent)
        return answer

    async def submit_all(self, commands: Iterable[AnyCommand]) -> list[Any]:
        """Submit commands at once; what became of each."""
        futures: list[Any] = [self.writer.submit(command) for command in commands]
        return list(await asyncio.gather(*futures, return_exceptions=True))

    async def until_published(self, seq: int) -> None:
        """Wait until a message is published."""
        async with asyncio.timeout(30):
            while seq not in self.seqs_published():
                self.recorder.news.clear()
                await self.recorder.news.wait()

    def seqs_published(self) -> list[int]:
        """Of all messages, in the order of publication."""
        changes = [change for committed in self.recorder.published for change in committed.changes]
        return [message.seq for change in changes for message in change.delta.messages]


@asynccontextmanager
async def writing(url: str, limits: Limits = LIMITS, **options: float | Measures) -> AsyncIterator[Writing]:
    """A writer on a database, stopped at the end; one user may have as much waiting as all, for any time."""
    options = {"each_max": options.get("queue_max", MANY), "ack_s": math.inf, **options}
    engine = write_engine(url)
    recorder = Recorder()
    writer = ConversationWriter(engine, recorder, limits, EpochGuard(), **options)  # type: ignore[arg-type]
    writer.start()
    try:
        yield Writing(writer, recorder)
    finally:
        await writer.stop()
        engine.dispose()
