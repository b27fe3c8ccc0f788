"""A websocket that comes to a session which has a transport already. Without I/O.

Source: the Engine.IO protocol, sections "Upgrade" and "WebSocket".
"""

import logging

from .errors import ProtocolError
from .frames import PROTOCOL_ERROR, SERVICE_RESTART
from .payloads import PROBE_FRAME
from .polling import Polling
from .session import Session
from .transports import SocketTransport, Transport

logger = logging.getLogger(__name__)


class Surplus:
    """A second websocket for a session: it is closed, and the session goes on."""

    paused = False

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
    """A websocket that is about to take a polling session over; it hears `2probe`, then `5`."""

    __slots__ = ("_polling", "bucket", "paused", "probed", "session", "transport")

    def __init__(self, session: Session, polling: Polling, transport: SocketTransport) -> None:
        self.session = session
        self._polling = polling
        self.transport = transport
        transport.inlet = self
        self.bucket = 0
        self.paused = False
        self.probed = False
        session.upgrade = self
        session.engine.wheel.set(self, session.engine.now() + session.engine.options.upgrade_timeout)

    def receive(self, packet: str | bytes) -> None:
        """Take the next packet of the upgrade. Raises ProtocolError."""
        if packet == "2probe" and not self.probed:
            self.probed = True
            self.transport.write(PROBE_FRAME)
            self._polling.release()
        elif packet == "5" and self.probed:
            self.session.engine.wheel.cancel(self)
            self.session.move(self.transport, self._polling.hand_over())
        else:
            raise ProtocolError("not an upgrade")

    def expire(self, _now: float) -> None:
        """Give the upgrade up: it took too long."""
        self.fail(ProtocolError("upgrade took too long"))

    def fail(self, error: Exception, code: int = PROTOCOL_ERROR) -> None:
        """Close the websocket; the session stays on polling."""
        logger.info("upgrade of %s given up: %s", self.session.sid, error)
        self.lost(self.transport)
        self.transport.close(code, "upgrade", flush=False)

    def lost(self, _transport: Transport) -> None:
        """Go on polling: the websocket is gone."""
        self.session.engine.wheel.cancel(self)
        if self.session.upgrade is self:
            self.session.end_upgrade()

    def drain(self) -> None:
        """Give way when the server stops."""
        self.fail(ProtocolError("server stops"), SERVICE_RESTART)
