"""Rooms and fan-out: python-socketio's client manager on plain dicts, with direct writes.

`EngineManager` serves one process. `EngineRedisManager` puts the same rooms under python-socketio's
`AsyncRedisManager`; any other of its pub/sub managers combines in the same way.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any

import socketio

from . import packets
from .client import Step
from .member import CONNECTED, LEFT, Member, deliver
from .output import CROWD
from .session import ENDED, Session
from .transports import Carrier

MAX_CALLBACKS = 1000
"""Acks that one client may owe the server; the oldest is forgotten first."""
_SEVERAL = (list, tuple, set)


class Room(dict[str, Member]):
    """The members of a room by sid. `name` is one object for all who are in it."""

    __slots__ = ("name",)

    def __init__(self, name: Any) -> None:
        super().__init__()
        self.name = name


class EngineManager(socketio.AsyncManager):  # type: ignore[misc]
    """Members by namespace, sid and room. A member's own room, named by its sid, exists without an entry."""

    def __init__(self) -> None:
        super().__init__()
        self._members: dict[str, dict[str, Member]] = {}
        self._rooms: dict[str, dict[Any, Room]] = {}

    # Members

    def add(self, member: Member) -> None:
        """Take a member in, before its CONNECT is answered."""
        self._members.setdefault(member.namespace, {})[member.sid] = member

    def member(self, sid: str, namespace: str) -> Member | None:
        """Return the member with that sid, None if it is not in this process."""
        return self._members.get(namespace, {}).get(sid)

    def basic_disconnect(self, sid: str, namespace: str, **_: Any) -> None:
        """Forget a member and its places in rooms."""
        member = self._members.get(namespace, {}).pop(sid, None)
        if member is None:
            return
        for room in member.rooms:
            self._drop(namespace, room, sid)
        member.rooms = []
        self.callbacks.pop(sid, None)

    def is_connected(self, sid: str, namespace: str) -> bool:
        """Whether the member's CONNECT is answered and it has not left."""
        member = self.member(sid, namespace)
        return member is not None and member.state is CONNECTED

    def is_pre_connected(self, sid: str, namespace: str) -> bool:
        """Whether the member is neither connected nor has left: a handler of it is to run, or does."""
        member = self.member(sid, namespace)
        return member is not None and member.state not in (CONNECTED, LEFT)

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        """Return the sid of the member's session."""
        member = self.member(sid, namespace)
        return None if member is None else member.client.session.sid

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        """Return the sid that a session has in a namespace."""
        member = self._member_of(self.server.eio.sessions.get(eio_sid), namespace)
        return None if member is None else member.sid

    @staticmethod
    def _member_of(session: Session | None, namespace: str) -> Member | None:
        """Return the member that a session has in a namespace, None for one that is over."""
        if session is None or session.state is ENDED:
            return None
        client: Any = session.application
        found: Member | None = client.members.get(namespace)
        return found

    def get_namespaces(self) -> Iterable[str]:
        """Return the namespaces that have had members."""
        return self._members.keys()

    # Rooms

    def is_sid_room(self, namespace: str, room: Any) -> bool:
        """Whether a room's name is a member's sid."""
        return room in self._members.get(namespace, {})

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """Put a member into a room. Raises ValueError for an unknown member or another member's own room."""
        member = self.member(sid, namespace)
        if member is None or member.state is LEFT:
            raise ValueError("sid is not connected to requested namespace")
        if room == sid:
            return
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot enter a sid room")
        rooms = self._rooms.setdefault(namespace, {})
        if room not in rooms:
            rooms[room] = Room(room)
        members = rooms[room]
        if sid not in members:
            members[sid] = member
            member.rooms.append(members.name)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """Take a member out of a room, if it is in it."""
        member = self.member(sid, namespace)
        if member is not None and room in member.rooms:
            member.rooms.remove(room)
            self._drop(namespace, room, sid)

    def basic_close_room(self, room: Any, namespace: str) -> None:
        """Take every member out of a room. Raises ValueError for a member's own room."""
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot close a sid room")
        for member in self._rooms.get(namespace, {}).pop(room, {}).values():
            member.rooms.remove(room)

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        """Return the rooms a member is in, its own first."""
        member = self.member(sid, namespace)
        return [] if member is None else [sid, *member.rooms]

    def room(self, room: Any, namespace: str) -> Collection[str]:
        """Return the sids in a room of this process; a live view, for reading at once."""
        return self._find(namespace, room).keys()

    def behind(
        self, room: Any, namespace: str, backlog: int, among: Iterable[Carrier] | None = None
    ) -> list[str]:
        """Return the sids in a room of this process for which more than so many bytes wait to be sent.

        `among`: of those on these transports, so that a large room is not gone through.
        """
        members = self._find(namespace, room)
        if among is None:
            return [sid for sid, it in members.items() if it.client.session.transport.backlog > backlog]
        there = (self._member_of(carrier.carried, namespace) for carrier in among)
        slow = [it for it in there if it is not None]
        return [it.sid for it in slow if it.sid in members and it.client.session.transport.backlog > backlog]

    def get_participants(self, namespace: str, room: Any) -> list[tuple[str, str]]:
        """Return (sid, session sid) of the members of a room, of several, or with None of the namespace."""
        return [(member.sid, member.client.session.sid) for member in self._find(namespace, room).values()]

    def _drop(self, namespace: str, room: Any, sid: str) -> None:
        rooms = self._rooms[namespace]
        members = rooms[room]
        del members[sid]
        if not members:
            del rooms[room]

    def _find(self, namespace: str, room: Any) -> dict[str, Member]:
        members = self._members.get(namespace, {})
        if room is None:
            return members
        if isinstance(room, _SEVERAL):
            found: dict[str, Member] = {}
            for one in room:
                found.update(self._find(namespace, one))
            return found
        there = self._rooms.get(namespace, {}).get(room)
        if there is not None:
            return there
        own = members.get(room)
        return {} if own is None else {room: own}

    # Fan-out

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: str | list[str] | None = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        **_: Any,
    ) -> None:
        """Send an event to local members: encoded once, framed once, and written without waiting."""
        args = [event, *data] if isinstance(data, tuple) else [event] if data is None else [event, data]
        members = self._find(namespace, to or room)
        skip = () if skip_sid is None else (skip_sid,) if isinstance(skip_sid, str) else skip_sid
        if callback is None:
            self._deliver(members, packets.encode(packets.EVENT, namespace, args), skip)
            return
        for sid, member in list(members.items()):
            identifier = self._generate_ack_id(sid, callback)
            deliver({sid: member}, packets.encode(packets.EVENT, namespace, args, identifier), skip)

    def broadcast(
        self, event: str, payload: bytes, room: Any, namespace: str, skip: Collection[str] = ()
    ) -> int:
        """Send an event, its one argument JSON already, to local members; returns how many there are."""
        members = self._find(namespace, room)
        if members:
            self._deliver(members, packets.encode_event(namespace, event, payload), skip)
        return len(members)

    def _deliver(self, members: dict[str, Member], frames: bytes, skip: Collection[str]) -> None:
        if len(members) <= CROWD:
            deliver(members, frames, skip)
            return
        with self.server.eio.output.crowd():
            deliver(members, frames, skip)

    # Acks of clients

    def _generate_ack_id(self, sid: str, callback: Callable[..., Any]) -> int:
        identifier: int = super()._generate_ack_id(sid, callback)
        owed = self.callbacks[sid]
        if len(owed) > MAX_CALLBACKS:
            del owed[next(key for key in owed if key)]
        return identifier

    def take_ack(self, member: Member, identifier: int | None, data: list[Any]) -> Step | None:
        """Return the call of the callback that a client's ack answers, None if there is none (any more)."""
        # Key 0 holds python-socketio's counter.
        if not identifier or identifier not in self.callbacks.get(member.sid, ()):
            return None
        step: Step = self.trigger_callback(member.sid, identifier, data)
        return step


class EngineRedisManager(socketio.AsyncRedisManager, EngineManager):  # type: ignore[misc]
    """The same rooms, joined to those of other processes by python-socketio's Redis channel."""

    def __init__(self, url: str, channel: str = "socketio", **options: Any) -> None:
        """Take `AsyncRedisManager`'s arguments."""
        super().__init__(url, channel=channel, **options)  # type: ignore[call-arg]
