"""What can go wrong between a client and the engine.

EngineError
  ProtocolError   the client broke Engine.IO or Socket.IO: its session is closed
  FrameError      the client broke RFC 6455: the websocket is closed with `code`
  Refused         an HTTP request or websocket handshake is answered with an error
    SessionUnknown  it names a session that is not there: the client opens another one
"""

from typing import Final

RETRY_S: Final = 2
"""Seconds after which who was refused for now may come again; the client libraries go by their own growing
pauses."""


class EngineError(Exception):
    """The root of the engine's own errors."""


class ProtocolError(EngineError):
    """A packet that the protocol does not allow here.

    The text is safe to log: it holds nothing that the client sent.
    """

    code: Final = 1002
    """The close code that answers it on a websocket (RFC 6455 section 7.4.1)."""


class FrameError(EngineError):
    """A frame that RFC 6455 does not allow, with the close code that answers it (section 7.4.1)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Refused(EngineError):
    """A request that opens or reaches no session; `status` is HTTP's, `code` Engine.IO's own."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that the status asks for (RFC 6455 section 4.4, RFC 9110 section 15.6.4)."""
        if self.status == 426:
            return [(b"sec-websocket-version", b"13")]
        return [(b"retry-after", b"%d" % RETRY_S)] if self.status == 503 else []

    @property
    def body(self) -> bytes:
        """The JSON body that the reference server answers with."""
        return b'{"code":%d,"message":"%b"}' % (self.code, self.message.encode())


class SessionUnknown(Refused):
    """A request that names no session: the client libraries open another one."""

    def __init__(self) -> None:
        super().__init__(400, 1, "Session ID unknown")
