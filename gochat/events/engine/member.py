"""A client in one namespace, and the answers it is owed. Without I/O."""

import logging
from collections.abc import Awaitable, Callable, Collection
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from . import packets
from .errors import ProtocolError
from .frames import COME_BACK
from .transports import Write, drop

if TYPE_CHECKING:
    from .client import Client


logger = logging.getLogger(__name__)


class State(Enum):
    """How far a member has come."""

    JOINING = "joining"
    """Its CONNECT is not answered."""
    CONNECTED = "connected"
    LEAVING = "leaving"
    """It was told DISCONNECT; its handler does not know yet."""
    LEFT = "left"
    """For good."""


# By names of the module, which cost less to look up than an enum's attributes.
JOINING: Final = State.JOINING
CONNECTED: Final = State.CONNECTED
LEAVING: Final = State.LEAVING
LEFT: Final = State.LEFT


class Member:
    """A client in one namespace: what rooms hold.

    `write` takes frames. Until the client's CONNECT is answered it holds them back, so that nothing reaches
    the client before the answer, and nothing that was sent to its rooms meanwhile is lost.
    """

    __slots__ = ("_held", "_held_size", "client", "namespace", "rooms", "sid", "state", "write")

    def __init__(self, client: "Client", namespace: str, sid: str) -> None:
        self.client = client
        self.namespace = namespace
        self.sid = sid
        self.state = JOINING
        self.rooms: list[Any] = []
        self.write: Write = self._hold  # then the session's, at last nobody's
        self._held: list[bytes] | None = None  # what was written before the answer to CONNECT
        self._held_size = 0  # bytes of that

    def answer(self, frames: bytes) -> None:
        """Let the client be connected: send the answer, then what was held back."""
        session = self.client.session
        self.state = CONNECTED
        session.write(frames)
        for held in self._held or ():
            session.write(held)
        self._held = None
        self.write = session.write

    def leave(self) -> bool:
        """Be no longer connected; returns False the second time."""
        before, self.state = self.state, LEFT
        self.write = drop
        self._held = None
        return before is not LEFT

    def _hold(self, frames: bytes) -> None:
        if self._held is None:
            self._held = []
        self._held_size += len(frames)
        if self._held_size > self.client.session.engine.options.max_backlog:
            self.client.session.fail(ProtocolError("slow consumer"), COME_BACK)
        else:
            self._held.append(frames)


def deliver(members: dict[str, Member], frames: bytes, skip: Collection[str]) -> None:
    """Write frames to every member. One that fails harms no other: its session is closed.

    Nothing here may change `members`: closing a session defers what it does to rooms.
    """
    for sid, member in members.items():
        if skip and sid in skip:
            continue
        try:
            member.write(frames)
        except Exception as error:
            logger.info("session %s: write failed: %s", member.client.session.sid, type(error).__name__)
            member.client.session.close("transport error", code=COME_BACK)


class Ack:
    """Answers one event, exactly once: `ack(payload, ...)`; one argument of bytes is JSON already.

    Calling it also ends the event's place among the client's events in flight, so it is called for events
    that ask for no answer, too; nothing is sent then, nor to a client that has gone.
    """

    __slots__ = ("_identifier", "_member", "_weight")

    def __init__(self, member: Member, identifier: int | None, weight: int = 1) -> None:
        self._member: Member | None = member
        self._identifier = identifier
        self._weight = weight  # of the event, in flight

    @property
    def wanted(self) -> bool:
        """Whether the client asked for an answer."""
        return self._identifier is not None

    def __call__(self, *payload: Any) -> None:
        """Answer. Raises RuntimeError the second time, and TypeError for what JSON cannot hold."""
        member, self._member = self._member, None
        if member is None:
            raise RuntimeError("an event is acked once")
        size = 0
        if self._identifier is not None and member.state is CONNECTED:
            if len(payload) == 1 and type(payload[0]) is bytes:
                frames = packets.encode_ack(member.namespace, self._identifier, payload[0])
            else:
                frames = packets.encode(packets.ACK, member.namespace, payload, self._identifier)
            member.write(frames)
            size = len(frames)
        member.client.finished(self._weight, size)

    def release(self) -> None:
        """End the event's place in flight, if that has not happened yet, without an answer."""
        member, self._member = self._member, None
        if member is not None:
            member.client.finished(self._weight)


Dispatcher = Callable[[str, str, list[Any], Ack], Awaitable[object] | None]
"""Takes the sid, the event's name, its arguments and what answers it: see `EngineServer.set_dispatcher`."""
