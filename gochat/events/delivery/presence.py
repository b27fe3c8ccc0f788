"""Who of those that a phone watches is online: told when it changes, and found out when a process dies.

The cost is bounded: a process writes when a user's first socket comes and his last has gone for a while, and
one beat; it reads what its own phones watch, and the beats of the processes that these users are at.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial

import orjson
import structlog

from gochat.contract.encode import presence_out
from gochat.core.errors import ChatError
from gochat.core.model import UserId
from gochat.core.ports.presence import Presences
from gochat.core.ports.reading import Reader
from gochat.core.presence import Presence, Sighting, is_alive, presence
from gochat.events.cluster.seam import Doorbell
from gochat.events.connection import Connection, Roster
from gochat.events.delivery.topics import PRESENCE
from gochat.events.sockets import Sockets, presence_room
from gochat.seldom import Seldom

log = structlog.get_logger(__name__)

BEAT_S = 5.0
LINGER_S = 2.5
"""How long a user is still online whose last socket went: it may come back at once."""
GATHER_S = 0.25
"""How long changes are gathered before what is told of them is read."""
AGAIN_BEATS = 360
"""In so many beats, half an hour, all that is online here is said once more."""


class PresenceWatch:
    """The users online here, and those that are watched from here."""

    def __init__(
        self, sockets: Sockets, roster: Roster, reader: Reader, presences: Presences, doorbell: Doorbell
    ) -> None:
        self._sockets = sockets
        self._roster = roster
        self._reader = reader
        self._presences = presences
        self._doorbell = doorbell
        self._online: set[UserId] = set()
        """Users of whom this process says that they are here."""
        self._leaving: dict[UserId, asyncio.TimerHandle] = {}
        self._watchers: dict[UserId, set[str]] = {}
        self._shown: dict[UserId, tuple[Presence, Sighting]] = {}
        self._changed: set[UserId] = set()
        self._gathering = False
        self._decisions = 0
        """How often users were heard to decide something about themselves."""
        self._doubtful: set[UserId] = set()
        """Of these users, those who are here or watched: they may have hidden, or have blocked someone."""
        self._seldom = Seldom()
        self._announce = True
        """Whether everything has to be said once more: something of it was not heard."""
        self._tasks: set[asyncio.Task[None]] = set()
        doorbell.hear(PRESENCE, lambda user_id: self._gather([user_id]))
        doorbell.renewed(self.renew)

    def start(self) -> None:
        """Begin to say that this process lives."""
        self._spawn(self._run())

    async def close(self) -> None:
        """Everybody here has gone."""
        for timer in self._leaving.values():
            timer.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._online:
            await self._try(lambda: self._presences.withdraw(self._online, _now()))
            self._ring(self._online)

    def renew(self) -> None:
        """The store may have forgotten: say everything again, and look again."""
        self._announce = True
        self._gather(self._watchers)

    # ---- users here

    def came(self, user_id: UserId) -> None:
        """A socket of a user is here."""
        timer = self._leaving.pop(user_id, None)
        if timer is not None:
            timer.cancel()
        if user_id not in self._online:
            self._online.add(user_id)
            self._spawn(self._say([user_id], lambda: self._presences.announce([user_id])))

    def went(self, connection: Connection) -> None:
        """A socket went; `watch` holds for it no more."""
        self._unwatch(connection, connection.watched)
        user_id = connection.user_id
        if user_id in self._online and not self._roster.of((user_id,)) and user_id not in self._leaving:
            loop = asyncio.get_running_loop()
            self._leaving[user_id] = loop.call_later(LINGER_S, self._left, user_id)

    def _left(self, user_id: UserId) -> None:
        self._leaving.pop(user_id, None)
        self._online.discard(user_id)
        self._spawn(self._say([user_id], lambda: self._presences.withdraw([user_id], _now())))

    async def _say(self, user_ids: Collection[UserId], write: Callable[[], Awaitable[None]]) -> None:
        if await self._try(write):
            self._ring(user_ids)
        self._gather(user_ids)

    def _ring(self, user_ids: Iterable[UserId]) -> None:
        for user_id in user_ids:
            self._doorbell.ring(presence_room(user_id), PRESENCE, user_id)

    # ---- users watched from here

    async def watch(self, connection: Connection, user_ids: Iterable[UserId]) -> list[Presence]:
        """Hear of these users from now on, and of no others; of strangers nothing is told.

        Raises:
            Unavailable
        """
        asked = list(dict.fromkeys(user_ids))
        decisions = self._decisions
        known = await self._reader.seen(connection.user_id, asked)
        self._unwatch(connection, connection.watched)
        if self._roster.get(connection.sid) is connection:
            connection.watched = frozenset(known)
            for user_id in known:
                self._watchers.setdefault(user_id, set()).add(connection.sid)
                self._doorbell.listen(presence_room(user_id))
        if self._decisions != decisions:  # while it was read
            self._doubt(connection.user_id)
        await self._doorbell.confirmed()
        found = await self._read(known)
        for user_id in known & self._watchers.keys():
            self._shown.setdefault(user_id, found[user_id])
        self._gather(known)
        return [found[user_id][0] if user_id in found else Presence(user_id) for user_id in asked]

    def profile_changed(self, user_id: UserId) -> None:
        """A user decided something about himself: who saw him may not any more, nor he whom he saw."""
        self._decisions += 1
        if user_id in self._watchers or self._roster.of((user_id,)):
            self._doubt(user_id)

    def _doubt(self, user_id: UserId) -> None:
        self._doubtful.add(user_id)
        self._schedule()

    def _unwatch(self, connection: Connection, user_ids: frozenset[UserId]) -> None:
        connection.watched -= user_ids
        for user_id in user_ids:
            watchers = self._watchers[user_id]
            watchers.discard(connection.sid)
            if not watchers:
                del self._watchers[user_id]
                self._shown.pop(user_id, None)
                self._doorbell.unlisten(presence_room(user_id))

    async def _examine(self, user_id: UserId) -> None:
        """End what may not be seen any more: for his phones, and for those that watch him."""
        mine = self._roster.of((user_id,))
        watched = frozenset[UserId]().union(*(connection.watched for connection in mine))
        hidden = watched - await self._reader.seen(user_id, watched) if watched else watched
        for connection in mine:
            self._hide(connection, connection.watched & hidden)
        found = (self._roster.get(sid) for sid in tuple(self._watchers.get(user_id, ())))
        watchers = [connection for connection in found if connection is not None]
        seers = await self._reader.seers(user_id, {connection.user_id for connection in watchers})
        for connection in watchers:
            if connection.user_id not in seers:
                self._hide(connection, connection.watched & {user_id})

    def _hide(self, connection: Connection, user_ids: frozenset[UserId]) -> None:
        """From now on they are strangers: offline, and not watched."""
        self._unwatch(connection, user_ids)
        for user_id in user_ids:
            payload = orjson.dumps(presence_out(Presence(user_id)))
            self._sockets.broadcast("presence:changed", payload, connection.sid)

    def _gather(self, user_ids: Iterable[UserId]) -> None:
        """Look at those of them that are watched, soon and together."""
        self._changed.update(user_id for user_id in user_ids if user_id in self._watchers)
        if self._changed:
            self._schedule()

    def _schedule(self) -> None:
        if not self._gathering:
            self._gathering = True
            self._spawn(self._tell_changed())

    async def _tell_changed(self) -> None:
        try:
            await asyncio.sleep(GATHER_S)
        finally:
            self._gathering = False
        doubtful, self._doubtful = self._doubtful, set()
        for user_id in doubtful:
            if not await self._try(partial(self._examine, user_id)):
                self._doubtful.add(user_id)  # looked at with the next beat
        changed, self._changed = self._changed, set()
        await self._try(lambda: self._tell(changed))

    async def _tell(self, user_ids: Collection[UserId]) -> None:
        for user_id, (now, sighting) in (await self._read(user_ids)).items():
            watchers = self._watchers.get(user_id)
            if watchers is None:
                continue
            before, _ = self._shown.get(user_id, (now, None))
            self._shown[user_id] = now, sighting
            if now != before:
                payload = orjson.dumps(presence_out(now))
                for sid in watchers:
                    self._sockets.broadcast("presence:changed", payload, sid)

    async def _read(self, user_ids: Collection[UserId]) -> dict[UserId, tuple[Presence, Sighting]]:
        sightings = await self._presences.sightings(user_ids)
        processes = {process for sighting in sightings.values() for process in sighting.processes}
        beats, now = await self._presences.beats(processes), _now()
        return {it: (presence(it, sighting, beats, now), sighting) for it, sighting in sightings.items()}

    # ---- time

    async def _run(self) -> None:
        beats = 0
        while True:
            if self._doubtful:
                self._schedule()
            if await self._try(lambda: self._presences.beat(_now())):
                await self._try(self._look_for_the_dead)
                beats += 1
                if self._announce or beats % AGAIN_BEATS == 0:
                    self._announce = False
                    await self._try(lambda: self._presences.announce(tuple(self._online)))
            await asyncio.sleep(BEAT_S)

    async def _look_for_the_dead(self) -> None:
        """Users watched here who are only at processes that were not heard of lately have gone."""
        online = {it: seen.processes for it, (shown, seen) in self._shown.items() if shown.online}
        beats = await self._presences.beats({process for them in online.values() for process in them})
        now = _now()
        alive = {process for process, beat in beats.items() if is_alive(beat, now)}
        self._gather([user_id for user_id, processes in online.items() if not processes & alive])

    async def _try(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do it if the store answers; if not, everything is said again later."""
        try:
            await work()
        except ChatError as error:
            self._announce = True
            if self._seldom.lets(error.code):
                log.warning("presence_failed", code=error.code)
            return False
        return True

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _now() -> int:
    return time.time_ns() // 1_000_000
