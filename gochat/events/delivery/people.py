"""Whoever sees a user in a conversation hears that what others see of them changed: a name, an avatar.

The cost is bounded: of each user it is told once in `GATHER_S`, however often it changes, and what is told
is a few bytes to each socket here, some sockets at a time. The conversations that the user is or was in are
read of one user after another, and not by the writer. Whoever was not told is told by `sync`.
"""

import asyncio

import structlog

from gochat.contract.events import USER_UPDATED
from gochat.contract.ids import id_out
from gochat.core.errors import ChatError
from gochat.core.model import UserId
from gochat.core.ports.reading import Reader
from gochat.events.sockets import Sockets, conversation_room
from gochat.events.tasks import Tasks
from gochat.seldom import Seldom

log = structlog.get_logger(__name__)

GATHER_S = 1.0
"""How long changes are gathered before they are told."""
AT_ONCE = 100
"""Sockets that are told, or conversations that are looked at, in one turn of the loop."""
MAX_WAITING = 10_000
"""Users of whom it is still to be told; of more it is not."""
MAX_TOLD = 4_096
"""Users of whom it is known what was told last: every change is heard of more than once."""


class People:
    """One per process, for the sockets here."""

    def __init__(self, sockets: Sockets, reader: Reader) -> None:
        self._sockets = sockets
        self._reader = reader
        self._waiting: dict[UserId, int] = {}
        """Users who changed, and as of which revision: of them nothing is told yet."""
        self._told: dict[UserId, int] = {}
        """As of which revision it was told last."""
        self._telling = False
        """A task tells it."""
        self._tasks = Tasks()
        self._seldom = Seldom()

    def changed(self, user_id: UserId, revision: int) -> None:
        """Others see something else of a user, as of that revision; it may be said again and again."""
        if revision <= max(self._told.get(user_id, 0), self._waiting.get(user_id, 0)):
            return
        if len(self._waiting) >= MAX_WAITING and user_id not in self._waiting:
            if self._seldom.lets("full"):
                log.warning("users_untold", waiting=len(self._waiting))
            return
        self._waiting[user_id] = revision
        if not self._telling:
            self._telling = True
            self._tasks.spawn(self._tell_all())

    def forget(self) -> None:
        """Forget what was told: revisions may come again."""
        self._told.clear()

    def close(self) -> None:
        """Stop; nobody is left to hear it."""
        self._tasks.cancel()

    async def _tell_all(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_S)
                waiting, self._waiting = self._waiting, {}
                for user_id, revision in waiting.items():
                    if not await self._try(user_id, revision):
                        self.changed(user_id, revision)  # with the next round
        finally:
            self._telling = False

    async def _try(self, user_id: UserId, revision: int) -> bool:
        try:
            await self._tell(user_id, revision)
        except ChatError as error:
            if self._seldom.lets(error.code):
                log.warning("users_untold", code=error.code)
            return False
        except Exception:
            log.exception("users_untold", user=user_id)  # tried again, it would fail again
        return True

    async def _tell(self, user_id: UserId, revision: int) -> None:
        sids: set[str] = set()
        places = await self._reader.places(user_id)
        for first in range(0, len(places), AT_ONCE):
            for conversation_id in places[first : first + AT_ONCE]:
                sids.update(self._sockets.members(conversation_room(conversation_id)))
            await asyncio.sleep(0)
        self._told.pop(user_id, None)
        self._told[user_id] = revision
        if len(self._told) > MAX_TOLD:
            del self._told[next(iter(self._told))]
        told = USER_UPDATED.told({"user_id": id_out(user_id), "revision": revision})
        for n, sid in enumerate(sids):
            self._sockets.broadcast(told, sid)
            if n % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
