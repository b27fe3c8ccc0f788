"""What carries a session, and where a websocket's packets go: the seams between the engine's parts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Optional, Protocol

from .frames import PROTOCOL_ERROR

if TYPE_CHECKING:
    from .session import Session

Write = Callable[[bytes], object]
"""Sends frames (`frames.frame`)."""


def drop(_: bytes) -> None:
    """Write to nobody: what a closed session's `write` is."""


class Transport(Protocol):
    """What carries a session."""

    name: str

    @property
    def write(self) -> Write:
        """Send frames, or queue them within the backlog."""

    def send(self, frames: bytes) -> None:
        """Send frames without waiting for the end of the turn, where it can."""

    def close(self, code: int, reason: str, *, flush: bool) -> bool:
        """End it: with `flush` after what was written, otherwise at once. `code` is a websocket close code.

        Returns False if the session has to stay known for a last poll.
        """

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent."""

    def release(self) -> None:
        """Let a pending poll go; a websocket has none."""

    def resume(self) -> None:
        """Go on reading, not within this call, after the session was paused."""


class Carrier(Protocol):
    """A transport for which much may wait."""

    @property
    def carried(self) -> Optional["Session"]:
        """The session that it carries, or is about to."""


class Inlet(Protocol):
    """Where a websocket's packets go: the session, or the upgrade before it."""

    paused: bool
    """Set while no packet may be handed over."""

    @property
    def session(self) -> Optional["Session"]:
        """Whose packets they are."""

    def receive(self, packet: str | bytes) -> None:
        """Take the next packet. Raises ProtocolError."""

    def fail(self, error: Exception, code: int = PROTOCOL_ERROR) -> None:
        """Close because of what the client did; `error` is logged, and the reason."""

    def lost(self, transport: Transport) -> None:
        """Note that the websocket is gone."""

    def drain(self) -> None:
        """End as soon as nothing is left to answer."""


class Nowhere:
    """The transport of a session that is over, so that the two do not keep each other in memory."""

    name = ""
    backlog = 0

    def write(self, frames: bytes) -> None:
        """Do nothing."""

    def send(self, frames: bytes) -> None:
        """Do nothing."""

    def close(self, code: int, reason: str, *, flush: bool) -> bool:
        """Do nothing."""
        return True

    def release(self) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""


class Nobody:
    """Hears the packets of a websocket that is gone, so that it keeps nobody in memory."""

    session = None

    def __init__(self) -> None:
        self.paused = False

    def receive(self, packet: str | bytes) -> None:
        """Do nothing."""

    def fail(self, error: Exception, code: int = PROTOCOL_ERROR) -> None:
        """Do nothing."""

    def lost(self, transport: Transport) -> None:
        """Do nothing."""

    def drain(self) -> None:
        """Do nothing."""


NOWHERE: Final = Nowhere()
NOBODY: Final = Nobody()


class SocketTransport(Transport, Protocol):
    """A websocket, whichever way it came in."""

    inlet: Inlet
