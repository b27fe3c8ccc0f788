"""One Engine.IO session: its state, whatever transport carries it. Without I/O.

Source: the Engine.IO protocol, sections "Heartbeat" and "Message".

A session has one transport at a time. Outbound, `write` takes frames (`frames.frame`); it is the current
transport's own method, so that fan-out costs one call, and is exchanged when the transport is. Inbound, a
transport hands packets to `receive` one by one and stops while `paused` is set.
"""

import logging
import math
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

from . import frames
from .errors import ProtocolError
from .payloads import PING_FRAME, decode_base64
from .transports import SocketTransport, Transport, Write, drop

if TYPE_CHECKING:
    from .engine import Engine
    from .polling import Post
    from .upgrade import Upgrade

logger = logging.getLogger(__name__)


class State(Enum):
    """How far a session has come."""

    OPEN = "open"
    DRAINING = "draining"
    """It takes no more packets, and ends when what it accepted is answered."""
    ENDED = "ended"
    """Closed, once and for good; it may stay known for a last poll."""


class Heart(Enum):
    """What is known of whether the client lives."""

    RESTING = "resting"
    """The last ping is answered, and the next one is not due."""
    PINGED = "pinged"
    """A ping is not answered."""
    OVERDUE = "overdue"
    """Nor was it when the next one was due: that one is sent as soon as the pong comes."""


# By names of the module, which cost less to look up than an enum's attributes.
OPEN: Final = State.OPEN
DRAINING: Final = State.DRAINING
ENDED: Final = State.ENDED
RESTING: Final = Heart.RESTING
PINGED: Final = Heart.PINGED
OVERDUE: Final = Heart.OVERDUE


class Application(Protocol):
    """What rides on a session. Its methods are called in order and must not block."""

    def receive(self, data: str | bytes) -> None:
        """Take one message. Raises ProtocolError to have the session closed."""

    def writer_changed(self, write: Write) -> None:
        """Send with `write` from now on."""

    def expired(self) -> None:
        """Act on the deadline that `Session.allow` set."""

    def drain(self) -> None:
        """Close the session as soon as nothing that it accepted is left to answer."""

    def closed(self, reason: str) -> None:
        """The session is over. Called once."""


class _Over:
    """The application of a session that is over, so that the two do not keep each other in memory."""

    def receive(self, data: str | bytes) -> None:
        """Do nothing."""

    def writer_changed(self, write: Write) -> None:
        """Do nothing."""

    def expired(self) -> None:
        """Do nothing."""

    def drain(self) -> None:
        """Do nothing."""

    def closed(self, reason: str) -> None:
        """Do nothing."""


OVER: Final = _Over()


class Session:
    """One Engine.IO session."""

    __slots__ = (
        "_beat",
        "_due",
        "_heart",
        "_postponed",
        "application",
        "bucket",
        "client",
        "deadline",
        "engine",
        "kept",
        "paused",
        "post",
        "sid",
        "state",
        "transport",
        "upgrade",
        "write",
    )

    def __init__(self, engine: "Engine", sid: str, client: str) -> None:
        self.engine = engine
        self.sid = sid
        self.client = client  # what its address counts as
        self.state = OPEN
        self.paused = False  # no packet may be handed over: too many are unanswered, or it drains
        self.upgrade: Upgrade | None = None  # a websocket that is about to take over
        self.post: Post | None = None  # a POST that is being handed over
        self.kept: dict[str, Any] | None = None
        """What the application keeps here, by namespace."""
        self.write: Write = drop  # the transport's; nobody's before and after
        self.bucket = 0  # the wheel's
        self.deadline = math.inf  # the application's: see `allow`
        self._heart = RESTING
        self._due = math.inf  # the next ping
        self._beat = math.inf  # when the heartbeat is looked at
        self._postponed: tuple[str, int] | None = None  # reason and code of a close that waits for an upgrade
        self.transport: Transport  # NOWHERE when it is forgotten
        self.application: Application  # OVER when it is over

    def start(self, transport: Transport, application: Application) -> None:
        """Begin on `transport`, for `application`, and set the first heartbeat."""
        self.transport = transport
        self.application = application
        self.set_writer(transport.write)
        self._due = self._beat = self.engine.now() + self.engine.options.ping_interval
        self._set_timer()

    def set_writer(self, write: Write) -> None:
        """Let everyone who sends to this session use `write`."""
        if self.state is not ENDED:
            self.write = write
            self.application.writer_changed(write)

    @property
    def session(self) -> "Session":
        """Itself: see `transports.Inlet`."""
        return self

    # Inbound

    def receive(self, packet: str | bytes) -> None:
        """Take one packet. Raises ProtocolError.

        What the reference server overhears is overheard: NOOP and the end of an upgrade, which libraries send
        twice, and pongs that nobody asked for.
        """
        if type(packet) is bytes:
            self.application.receive(packet)
        elif packet[:1] == "4":
            self.application.receive(packet[1:])
        elif packet[:1] == "3":
            self.heard()
        elif packet == "1":
            self.transport.release()
            self.close("transport close", flush=self.transport.name != "polling")
        elif packet[:1] == "b":  # the JavaScript client with `forceBase64`, on a websocket too
            self.application.receive(decode_base64(packet[1:]))
        elif packet not in ("6", "5"):
            raise ProtocolError("packet type not allowed here")

    def heard(self) -> None:
        """Note that the client lives: by a pong, or by what is worth one."""
        heart = self._heart
        if heart is not RESTING:
            self._heart = RESTING
            if heart is OVERDUE:
                self._due = self._beat = self.engine.now()
                self._set_timer()

    def end_post(self) -> None:
        """Note that all of a POST was handed over."""
        self.post = None
        if self.upgrade is not None:
            self.upgrade.follow()

    def pause(self) -> None:
        """Have the transport stop after the packet that it is handing over."""
        self.paused = True

    def resume(self) -> None:
        """Have the transport go on, unless the session is draining."""
        if self.paused and self.state is OPEN:
            self.paused = False
            if self.post is not None:
                self.post.resume()
            if not self.paused:
                self.transport.resume()

    # Time

    def allow(self, seconds: float) -> None:
        """Tell the application `expired` after that time; `math.inf` takes it back."""
        self.deadline = self.engine.now() + seconds
        self._set_timer()

    def expire(self, now: float) -> None:
        """Act on the deadline that has passed: the heartbeat's, the application's or the last poll's."""
        if self.state is ENDED:
            self.engine.forget(self)
            return
        soon = now + self.engine.wheel.tick
        if self.deadline <= soon:
            self.deadline = math.inf
            self._set_timer()
            self.application.expired()
        elif self._beat > soon:
            self._set_timer()
        else:
            self._look(now, soon)

    def _look(self, now: float, soon: float) -> None:
        """Ping, or see whether the pong has come: that itself sets no timer."""
        options = self.engine.options
        if self._heart is RESTING and self._due <= soon:
            self._heart = PINGED
            # From when the ping was due: two late timers do not add up. A long stall of ours is forgiven.
            pinged_at = max(self._due, now - 1)
            self._due = pinged_at + options.ping_interval
            self._beat = pinged_at + min(options.ping_interval, options.ping_timeout)
            self._ping()
        elif self._heart is RESTING:
            self._beat = self._due
        else:
            self._beat = self._due - options.ping_interval + options.ping_timeout
            self._heart = OVERDUE
            if self._beat <= soon:
                self.close("ping timeout", code=frames.COME_BACK)
        self._set_timer()

    def _ping(self) -> None:
        """One that fails harms no other, of the many that are due in one turn: the loop tells of the loss."""
        try:
            self.transport.send(PING_FRAME)
        except Exception as error:
            logger.info("session %s: ping failed: %s", self.sid, type(error).__name__)

    def _set_timer(self) -> None:
        if self.state is not ENDED:
            self.engine.wheel.set(self, self._beat if self._beat < self.deadline else self.deadline)

    # Upgrade

    def move(self, transport: SocketTransport, waiting: Iterable[bytes]) -> None:
        """Go on over `transport`, first with the frames that wait."""
        self.transport = transport
        for item in waiting:
            transport.write(item)
        self.set_writer(transport.write)
        if self.post is None and self.upgrade is not None:
            self.upgrade.follow()
        else:
            self._close_if_postponed()

    def end_upgrade(self) -> None:
        """Note that no websocket is about to take over (any more)."""
        self.upgrade = None
        self._close_if_postponed()

    def _close_if_postponed(self) -> None:
        if self._postponed is not None:
            reason, code = self._postponed
            self.close(reason, code=code, flush=True)

    # End

    @property
    def is_ending(self) -> bool:
        """Whether it is over, or will be when the upgrade that is under way is."""
        return self.state is ENDED or self._postponed is not None

    def fail(self, error: Exception, code: int = frames.PROTOCOL_ERROR) -> None:
        """Close because of what the client did, with one line in the log."""
        logger.info("session %s closed: %s", self.sid, error)
        self.close(str(error), code=code)

    def close(self, reason: str, *, code: int = frames.NORMAL_CLOSURE, flush: bool = False) -> None:
        """End the session; with `flush` after what was written has gone out.

        A client that is changing over to a websocket may miss what is sent last: a flush waits for that.
        """
        if self.state is ENDED:
            return
        if flush and self.upgrade is not None and not self.upgrade.is_taken:
            self._postponed = (reason, code)
            return
        self.set_writer(drop)
        self.state = ENDED
        self.engine.count_close(reason, self.transport.name)
        self.engine.wheel.cancel(self)
        upgrade, self.upgrade = self.upgrade, None
        if upgrade is not None and not upgrade.is_taken:
            upgrade.transport.close(code, reason, flush=False)
        if self.transport.close(code, reason, flush=flush):
            self.engine.forget(self)
        else:
            self.engine.wheel.set(self, self.engine.now() + self.engine.options.close_timeout)
        self.application.closed(reason)
        if self.post is not None:
            self.post.resume()

    def lost(self, transport: Transport) -> None:
        """Note that `transport` broke or was closed by the client."""
        if transport is self.transport:
            self.close("transport close")

    def drain(self) -> None:
        """Take no more packets; the application closes the session when it has nothing left to answer."""
        if self.state is OPEN:
            self.state = DRAINING
            self.paused = True
            self.application.drain()
