"""A reader on the database of a writer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gochat.core.conversations import CreateConversation
from gochat.core.limits import Limits
from gochat.core.model import ConversationId, History, Kind, UserId
from gochat.core.queries import SyncPosition, SyncRequest
from gochat.storage.database import Database
from gochat.storage.reader import ConversationReader
from tests.writing.world import LIMITS, Writing, new_id, send

NOBODY = 2**62
UNKNOWN = [0, -1, NOBODY, 2**63 - 1]


@asynccontextmanager
async def reading(url: str, limits: Limits = LIMITS) -> AsyncIterator[ConversationReader]:
    """A reader on a database, closed at the end."""
    database = Database(url, pool_size=2)
    try:
        yield ConversationReader(database, limits)
    finally:
        await database.close()


async def send_many(it: Writing, cid: ConversationId, user_id: UserId, count: int) -> None:
    """Messages "1", "2" ..."""
    answers = await it.submit_all([send(cid, user_id, str(n)) for n in range(1, count + 1)])
    assert not [answer for answer in answers if isinstance(answer, BaseException)]


def newcomers_group(creator: UserId, *others: UserId) -> CreateConversation:
    """A group whose new members see nothing of the past."""
    return CreateConversation(new_id(), creator, Kind.GROUP, others, history=History.FROM_JOINING)


def asking(
    known: dict[ConversationId, int] | None = None,
    *,
    me: int | None = None,
    epoch: str | None = None,
    position: SyncPosition | None = None,
    limit: int = 200,
) -> SyncRequest:
    """What a phone asks `sync`."""
    return SyncRequest(known or {}, me, epoch, position, limit)
