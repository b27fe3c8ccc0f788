"""A websocket that comes to a session which has a transport already. Without I/O.

Source: the Engine.IO protocol, sections "Upgrade" and "WebSocket".
"""

import logging
from enum import Enum
from typing import Final

from .errors import ProtocolError
from .frames import COME_BACK, PROTOCOL_ERROR
from .payloads import PROBE_FRAME
from .polling import Polling
from .session import Session
from .transports import SocketTransport, Transport

logger = logging.getLogger(__name__)


class State(Enum):
    """How far an upgrade has come."""

    OFFERED = "offered"
    """The websocket is there, and has not said a word."""
    PROBED = "probed"
    """The client was told to stop polling."""
    TAKEN = "taken"
    """The session is on the websocket; only a POST is waited for."""


# By names of the module, which cost less to look up than an enum's attributes.
OFFERED: Final = State.OFFERED
PROBED: Final = State.PROBED
TAKEN: Final = State.TAKEN


class Surplus:
    """A second websocket for a session: it is closed, and the session goes on."""

    paused = False
    session = None

    def __init__(self, session: Session, transport: SocketTransport) -> None:
        self._transport = transport
        transport.inlet = self
        session.engine.loop.call_soon(self.drain)

    def receive(self, _packet: str | bytes) -> None:
        """Hear nothing."""

    def fail(self, error: Exception, code: int = PROTOCOL_ERROR) -> None:
        """Close it."""
        self._transport.close(code, str(error), flush=False)

    def lost(self, _transport: Transport) -> None:
        """Have nothing to note."""

    def drain(self) -> None:
        """Close it."""
        self.fail(ProtocolError("the session has a websocket"))


class Upgrade:
    """A websocket that is about to take a polling session over: it hears `2probe`, then `5`, or `5` at once.

    A POST may still be under way then, since not every library waits for its end: the websocket writes
    already, but is read only when all of the POST was handed over.
    """

    __slots__ = ("_polling", "bucket", "paused", "session", "state", "transport")

    def __init__(self, session: Session, polling: Polling, transport: SocketTransport) -> None:
        self.session = session
        self._polling = polling  # what the session is on, until it is taken
        self.transport = transport
        transport.inlet = self
        self.bucket = 0  # the wheel's
        self.paused = False  # the websocket hands nothing over: only a POST is waited for
        self.state = OFFERED
        session.upgrade = self
        session.engine.wheel.set(self, session.engine.now() + session.engine.options.upgrade_timeout)

    @property
    def is_probed(self) -> bool:
        """Whether the client was told to stop polling, and has not said that it did."""
        return self.state is PROBED

    @property
    def is_taken(self) -> bool:
        """Whether the session is on the websocket."""
        return self.state is TAKEN

    def receive(self, packet: str | bytes) -> None:
        """Take the next packet of the upgrade. Raises ProtocolError."""
        if packet == "2probe":
            self.state = PROBED
            self.transport.write(PROBE_FRAME)
            self._polling.release()
        elif packet == "5":
            self.state = TAKEN
            self.paused = True
            self.session.engine.wheel.cancel(self)
            self.session.move(self.transport, self._polling.hand_over())
        else:
            raise ProtocolError("not an upgrade")

    def follow(self) -> None:
        """Let the session hear the websocket, if it has taken over: no POST is in its way."""
        if self.is_taken:
            self.paused = False
            self.transport.inlet = self.session
            self.transport.resume()
            self.session.end_upgrade()

    def expire(self, _now: float) -> None:
        """Give the upgrade up: it took too long."""
        self.fail(ProtocolError("upgrade took too long"))

    def fail(self, error: Exception, code: int = PROTOCOL_ERROR) -> None:
        """Close the websocket; the session stays on polling, unless it has left it."""
        if self.is_taken:
            self.session.fail(error, code)
            return
        logger.info("upgrade of %s given up: %s", self.session.sid, error)
        self.lost(self.transport)
        self.transport.close(code, "upgrade", flush=False)

    def lost(self, transport: Transport) -> None:
        """Go on polling, if the session has not left it: the websocket is gone."""
        if self.is_taken:
            self.session.lost(transport)
            return
        self.session.engine.wheel.cancel(self)
        if self.session.upgrade is self:
            self.session.end_upgrade()

    def drain(self) -> None:
        """Give way when the server stops."""
        if self.is_taken:
            self.session.drain()
        else:
            self.fail(ProtocolError("server stops"), COME_BACK)
