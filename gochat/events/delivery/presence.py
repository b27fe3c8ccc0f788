"""Who of those that a phone watches is online: told when it changes, and found out when a process dies.

The cost is bounded: a process writes when a user's first socket comes and their last has gone for a while,
and one beat; it reads what its own phones watch, and the beats of the processes that these users are at.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Set
from functools import partial

import structlog

from gochat.contract.encode import presence_out
from gochat.contract.events import PRESENCE_CHANGED
from gochat.core.errors import ChatError
from gochat.core.model import UserId
from gochat.core.ports.presence import Presences
from gochat.core.ports.reading import Reader
from gochat.core.presence import Presence, Sighting, is_alive, presence
from gochat.events.cluster.seam import Doorbell
from gochat.events.connection import Connection, Roster
from gochat.events.delivery.topics import PRESENCE
from gochat.events.sockets import Sockets, presence_room
from gochat.events.tasks import Tasks
from gochat.seldom import Seldom

log = structlog.get_logger(__name__)

BEAT_S = 5.0
LINGER_S = 2.5
"""How long a user is still online whose last socket went: it may come back at once."""
GATHER_S = 0.25
"""How long changes are gathered before what is told of them is read."""
AGAIN_BEATS = 360
"""In so many beats, half an hour, all that is online here is said once more."""
MAX_UNSAID = 100_000
"""Users who came and went while the store was away, of whom it is told when it is back."""


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
        self._unsaid: set[UserId] = set()
        """Users of whom it has not said yet that they are here, or that they have gone."""
        self._saying = False
        """A task says it."""
        self._leaving: dict[UserId, asyncio.TimerHandle] = {}
        """Users whose last socket went: they have gone if none comes until then."""
        self._askers: dict[UserId, set[str]] = {}
        """By user, the sockets that want to hear of them."""
        self._watchers: dict[UserId, set[str]] = {}
        """Of those, the ones that may."""
        self._shown: dict[UserId, tuple[Presence, Sighting]] = {}
        """By user who is watched, what their watchers were told last, and what that was made of."""
        self._changed: set[UserId] = set()
        """Users who are watched and may be shown otherwise now."""
        self._gathering = False
        """A task looks at those that changed."""
        self._examining = False
        """A task looks at those that are doubtful."""
        self._doubts = 0
        """How often it was doubted who may see whom."""
        self._doubtful: set[UserId] = set()
        """Users of whom that is to be looked at again."""
        self._announce = True
        """Whether everything has to be said once more: something of it was not heard."""
        self._closing = False
        """Nothing more is begun."""
        self._tasks = Tasks()
        self._seldom = Seldom()
        doorbell.hear(PRESENCE, lambda user_id: self._gather([user_id]))
        doorbell.renewed(self.renew)

    def start(self) -> None:
        """Begin to say that this process lives."""
        self._tasks.spawn(self._run())

    async def close(self) -> None:
        """Everybody here has gone."""
        self._closing = True
        for timer in self._leaving.values():
            timer.cancel()
        await self._tasks.end()
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
            self._say((user_id,))

    def went(self, connection: Connection) -> None:
        """A socket went; `watch` holds for it no more."""
        self._unask(connection)
        user_id = connection.user_id
        if user_id in self._online and not self._roster.of((user_id,)) and user_id not in self._leaving:
            loop = asyncio.get_running_loop()
            self._leaving[user_id] = loop.call_later(LINGER_S, self._left, user_id)

    def _left(self, user_id: UserId) -> None:
        self._leaving.pop(user_id, None)
        self._online.discard(user_id)
        self._say((user_id,))

    def _say(self, user_ids: Iterable[UserId]) -> None:
        """Say of them how it is by then. One after the other: what is said at once may overtake another."""
        self._unsaid.update(user_ids)
        if len(self._unsaid) > MAX_UNSAID:
            self._unsaid &= self._online  # those who have gone are forgotten by the store itself, later
        if not self._saying and not self._closing:
            self._saying = True
            self._tasks.spawn(self._say_all())

    async def _say_all(self) -> None:
        try:
            while self._unsaid:
                user_ids, self._unsaid = self._unsaid, set()
                if not await self._try(partial(self._write, user_ids)):
                    self._unsaid |= user_ids  # said again with the next beat
                    self._gather(user_ids)
                    break
                self._ring(user_ids)
                self._gather(user_ids)
        finally:
            self._saying = False

    async def _write(self, user_ids: Set[UserId]) -> None:
        gone = user_ids - self._online
        here = user_ids - gone
        if gone:
            await self._presences.withdraw(gone, _now())
        if here:
            await self._presences.announce(here)

    def _ring(self, user_ids: Iterable[UserId]) -> None:
        for user_id in user_ids:
            self._doorbell.ring(presence_room(user_id), PRESENCE, user_id)

    # ---- users watched from here

    async def watch(self, connection: Connection, user_ids: Iterable[UserId]) -> list[Presence]:
        """Hear of these users from now on, and of no others, as long as the connection's user may.

        Of strangers nothing is told; from when they are none any more, they are heard of, too.

        Raises:
            Unavailable
        """
        asked = list(dict.fromkeys(user_ids))
        doubts = self._doubts
        known = await self._reader.seen(connection.user_id, asked)
        self._unask(connection)
        if self._roster.get(connection.sid) is connection:
            connection.asked = frozenset(asked)
            for user_id in asked:
                self._askers.setdefault(user_id, set()).add(connection.sid)
                self._doorbell.listen(presence_room(user_id))
            self._watch(connection, known)
        if self._doubts != doubts:  # while it was read
            self.doubt((connection.user_id,))
        await self._doorbell.confirmed()
        found = await self._read(known)
        for user_id in known & self._watchers.keys():
            self._shown.setdefault(user_id, found[user_id])
        self._gather(known)
        return [found[user_id][0] if user_id in found else Presence(user_id) for user_id in asked]

    def doubt(self, user_ids: Iterable[UserId]) -> None:
        """Look again whom these users may see, and who may see them.

        They may have decided something about themselves, or have come into a conversation, or left one.
        """
        self._doubts += 1
        for user_id in user_ids:
            if user_id in self._askers or any(it.asked for it in self._roster.of((user_id,))):
                self._doubtful.add(user_id)
        self._look_again()

    def _unask(self, connection: Connection) -> None:
        self._unwatch(connection, connection.watched)
        for user_id in connection.asked:
            askers = self._askers[user_id]
            askers.discard(connection.sid)
            if not askers:
                del self._askers[user_id]
                self._doorbell.unlisten(presence_room(user_id))
        connection.asked = frozenset()

    def _watch(self, connection: Connection, user_ids: frozenset[UserId]) -> None:
        connection.watched |= user_ids
        for user_id in user_ids:
            self._watchers.setdefault(user_id, set()).add(connection.sid)

    def _unwatch(self, connection: Connection, user_ids: frozenset[UserId]) -> None:
        connection.watched -= user_ids
        for user_id in user_ids:
            watchers = self._watchers[user_id]
            watchers.discard(connection.sid)
            if not watchers:
                del self._watchers[user_id]
                self._shown.pop(user_id, None)

    async def _examine(self, user_id: UserId) -> None:
        """End what may not be seen any more, and begin what may: on their phones, and on those that ask."""
        mine = self._roster.of((user_id,))
        asked = {connection: connection.asked for connection in mine if connection.asked}
        seen = await self._reader.seen(user_id, frozenset[UserId]().union(*asked.values())) if asked else ()
        for connection, user_ids in asked.items():
            if connection.asked is user_ids:  # else it has asked anew, and been told
                await self._settle(connection, user_ids, user_ids & frozenset(seen))
        found = (self._roster.get(sid) for sid in tuple(self._askers.get(user_id, ())))
        askers = [connection for connection in found if connection is not None]
        seers = await self._reader.seers(user_id, {connection.user_id for connection in askers})
        them = frozenset({user_id})
        for connection in askers:
            if user_id in connection.asked:
                await self._settle(connection, them, them if connection.user_id in seers else frozenset())

    async def _settle(
        self, connection: Connection, user_ids: frozenset[UserId], seen: frozenset[UserId]
    ) -> None:
        """Of these users, whom it asked for, it may see some: the others are strangers, offline."""
        hidden = connection.watched & (user_ids - seen)
        self._unwatch(connection, hidden)
        for user_id in hidden:
            self._show((connection.sid,), Presence(user_id))
        new = seen - connection.watched
        if new and self._roster.get(connection.sid) is connection:
            self._watch(connection, new)
            for user_id, now in (await self._read(new)).items():
                if user_id in connection.watched:
                    self._shown.setdefault(user_id, now)
                    self._show((connection.sid,), now[0])

    def _show(self, sids: Iterable[str], presence: Presence) -> None:
        told = PRESENCE_CHANGED.told(presence_out(presence))
        for sid in sids:
            self._sockets.broadcast(told, sid)

    def _gather(self, user_ids: Iterable[UserId]) -> None:
        """Look at those of them that are watched, soon and together."""
        self._changed.update(user_id for user_id in user_ids if user_id in self._watchers)
        self._look_again()

    def _look_again(self) -> None:
        """See to what changed, and to what is doubtful: one look at a time, so that the last one counts."""
        if self._changed and not self._gathering and not self._closing:
            self._gathering = True
            self._tasks.spawn(self._tell_changed())
        if self._doubtful and not self._examining and not self._closing:
            self._examining = True
            self._tasks.spawn(self._examine_doubtful())

    async def _tell_changed(self) -> None:
        try:
            while self._changed:
                await asyncio.sleep(GATHER_S)
                changed, self._changed = self._changed, set()
                if not await self._try(partial(self._tell, changed)):
                    self._changed |= changed  # looked at with the next beat
                    break
        finally:
            self._gathering = False

    async def _examine_doubtful(self) -> None:
        try:
            while self._doubtful:
                await asyncio.sleep(GATHER_S)
                doubtful, self._doubtful = self._doubtful, set()
                failed = {it for it in doubtful if not await self._try(partial(self._examine, it))}
                if failed:
                    self._doubtful |= failed
                    break
        finally:
            self._examining = False

    async def _tell(self, user_ids: Collection[UserId]) -> None:
        for user_id, (now, sighting) in (await self._read(user_ids)).items():
            watchers = self._watchers.get(user_id)
            if watchers is None:
                continue
            before, _ = self._shown.get(user_id, (now, None))
            self._shown[user_id] = now, sighting
            if now != before:
                self._show(watchers, now)

    async def _read(self, user_ids: Collection[UserId]) -> dict[UserId, tuple[Presence, Sighting]]:
        sightings = await self._presences.sightings(user_ids)
        processes = {process for sighting in sightings.values() for process in sighting.processes}
        beats, now = await self._presences.beats(processes), _now()
        return {it: (presence(it, sighting, beats, now), sighting) for it, sighting in sightings.items()}

    # ---- time

    async def _run(self) -> None:
        beats = 0
        while not self._closing:
            self._look_again()
            if await self._try(lambda: self._presences.beat(_now())):
                await self._try(self._look_for_the_dead)
                beats += 1
                if self._announce or beats % AGAIN_BEATS == 0:
                    self._announce = False
                    self._unsaid |= self._online
                if self._unsaid:
                    self._say(())
            else:
                self._announce = True  # it may come back with nothing
            await asyncio.sleep(BEAT_S)

    async def _look_for_the_dead(self) -> None:
        """Users watched here who are only at processes that were not heard of lately have gone."""
        online = {it: seen.processes for it, (shown, seen) in self._shown.items() if shown.online}
        beats = await self._presences.beats({process for them in online.values() for process in them})
        now = _now()
        alive = {process for process, beat in beats.items() if is_alive(beat, now)}
        self._gather([user_id for user_id, processes in online.items() if not processes & alive])

    async def _try(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do it if the store answers; if not, everything is said again later. Whatever fails ends nothing."""
        try:
            await work()
        except ChatError as error:
            if self._seldom.lets(error.code):
                log.warning("presence_failed", code=error.code)
            return False
        except Exception:
            log.exception("presence_failed")
            return False
        return True


def _now() -> int:
    return time.time_ns() // 1_000_000
