"""The two ends of a websocket that came to one process and carries a session of another.

What goes over is numbered on either side: a number that is missing ends the websocket.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gochat.events.engine.engine import Engine
from gochat.events.engine.errors import ProtocolError
from gochat.events.engine.frames import COME_BACK, PROTOCOL_ERROR
from gochat.events.engine.transports import Inlet, SocketTransport, Transport

MAX_HELD = 1_000
"""Packets held over there while the session is paused, until the word has got here."""


class Tell(Protocol):
    """Says something to the other end."""

    def __call__(self, kind: str, payload: bytes, **header: Any) -> None:
        """Never waits."""


class NearSocket:
    """Where the client is: takes its packets in the place of a session."""

    session = None

    def __init__(
        self, owner: str, websocket: SocketTransport, tell: Tell, forget: Callable[[], object]
    ) -> None:
        self.owner = owner  # the process that has the session
        self.paused = False  # its session is: no packet is handed on
        self._websocket = websocket
        self._tell = tell
        self._forget = forget
        self._sent = 0  # how much was said to the other end
        self._heard = 0  # and how much it said
        websocket.inlet = self

    def receive(self, packet: str | bytes) -> None:
        """Hand a packet on."""
        self._sent += 1
        text = isinstance(packet, str)
        payload = packet.encode() if isinstance(packet, str) else bytes(packet)
        self._tell("packet", payload, n=self._sent, text=text)

    def fail(self, error: Exception, code: int = PROTOCOL_ERROR) -> None:
        """Close because of what the client did."""
        self._end()
        self._websocket.close(code, str(error), flush=False)

    def lost(self, _transport: Transport) -> None:
        """The client has gone."""
        self._end()

    def drain(self) -> None:
        """Give way: this server stops, or the other one is not there any more."""
        self._end()
        self._websocket.close(COME_BACK, "server restart", flush=True)

    def heard(self, kind: str, header: Mapping[str, Any], payload: bytes) -> None:
        """What the other end says."""
        self._heard += 1
        if header["n"] != self._heard:
            self.drain()
        elif kind == "write":
            self._websocket.write(payload)
        elif kind == "pause":
            self.paused = True
        elif kind == "resume":
            self.paused = False
            self._websocket.resume()
        else:
            self._forget()
            self._websocket.close(header["code"], header["reason"], flush=header["flush"])

    def _end(self) -> None:
        self._forget()
        self._tell("lost", b"", n=self._sent + 1)


class FarSocket:
    """Where the session is: a websocket like any other."""

    name = "websocket"

    def __init__(self, engine: Engine, tell: Tell, forget: Callable[[], object]) -> None:
        self.inlet: Inlet  # the session, or what comes before it
        self._engine = engine
        self._tell = tell
        self._forget = forget
        self._held: deque[str | bytes] = deque()  # packets that may not be handed over yet
        self._holding = False  # the other end was told to pause
        self._sent = 0  # how much was said to the other end
        self._heard = 0  # and how much it said

    # What the session calls

    def write(self, frames: bytes) -> None:
        """Send frames."""
        self._say("write", frames)

    def send(self, frames: bytes) -> None:
        """Send frames."""
        self.write(frames)

    @property
    def backlog(self) -> int:
        """What waits, waits where the websocket is."""
        return 0

    def close(self, code: int, reason: str, *, flush: bool) -> bool:
        """Have it closed."""
        self._forget()
        self._held.clear()
        self._say("close", code=code, reason=reason, flush=flush)
        return True

    def release(self) -> None:
        """Do nothing: a websocket has no polls."""

    def resume(self) -> None:
        """Go on, soon."""
        self._engine.loop.call_soon(self._pump)

    # What the relay calls

    def heard(self, kind: str, header: Mapping[str, Any], payload: bytes) -> None:
        """What the other end says."""
        self._heard += 1
        if kind == "lost" or header["n"] != self._heard or len(self._held) >= MAX_HELD:
            self.lost()
            return
        self._held.append(payload.decode() if header["text"] else payload)
        self._pump()

    def lost(self) -> None:
        """The other end has gone, or something on the way."""
        self._held.clear()
        self.inlet.lost(self)
        self._forget()

    def refuse(self, reason: str) -> None:
        """There is no such session."""
        self.close(COME_BACK, reason, flush=True)

    def _pump(self) -> None:
        while self._held and not self.inlet.paused:
            try:
                self.inlet.receive(self._held.popleft())
            except ProtocolError as error:
                self.inlet.fail(error)
                return
        if self._holding != bool(self._held):
            self._holding = not self._holding
            self._say("pause" if self._holding else "resume")

    def _say(self, kind: str, payload: bytes = b"", **header: Any) -> None:
        self._sent += 1
        self._tell(kind, payload, n=self._sent, **header)
