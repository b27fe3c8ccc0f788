"""RFC 6455 for a server, without I/O: frames in, messages out; no extension is ever negotiated.

Outbound, the *frame* is the unit of the whole engine: a packet is framed once and the same bytes go to every
websocket. Transports that do not speak websocket take frames apart again with `unframe`.
"""

import struct
from collections.abc import Iterator
from typing import Final

from .errors import FrameError

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C compiler where websockets was built
    from websockets.utils import apply_mask

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

NORMAL_CLOSURE: Final = 1000
PROTOCOL_ERROR: Final = 1002
COME_BACK: Final = 1006
"""Never travels (section 7.1.5): the connection ends without a close frame, which every library takes for a
fault of the network, and connects again. On a close frame some wait for their heartbeat:
engine.io-client-java does not hear of it, whatever its code on OkHttp 4, and but for 1012 and 1013 on
OkHttp 3."""
INVALID_DATA: Final = 1007
POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009

Message = tuple[int, str | bytes]

_WHOLE_TEXT: Final = 0x80 | TEXT
_TEXT_HEADS: Final = tuple(bytes((_WHOLE_TEXT, size)) for size in range(126))
_head_16: Final = struct.Struct(">BBH").pack
_head_64: Final = struct.Struct(">BBQ").pack


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Frame a whole message as a server does: final, unmasked (section 5.2)."""
    size = len(payload)
    if size < 126:
        return (_TEXT_HEADS[size] if opcode == TEXT else bytes((0x80 | opcode, size))) + payload
    if size < 65_536:
        return _head_16(0x80 | opcode, 126, size) + payload
    return _head_64(0x80 | opcode, 127, size) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Frame a close with its code and at most 123 bytes of reason (section 5.5.1)."""
    return frame(code.to_bytes(2, "big") + reason.encode()[:123], CLOSE)


def unframe(frames: bytes) -> Iterator[tuple[int, bytes]]:
    """Take apart what `frame` made: the opcode and payload of each."""
    position = 0
    while position < len(frames):
        opcode, size = frames[position] & 0x0F, frames[position + 1]
        position += 2
        if size > 125:
            width = 2 if size == 126 else 8
            size = int.from_bytes(frames[position : position + width], "big")
            position += width
        yield opcode, frames[position : position + size]
        position += size


def one_text(frames: bytes) -> bytes | None:
    """Return the payload if `frames` is one text of less than 64 KiB, as most are. None says nothing."""
    size, head = frames[1], 2
    if size == 126:
        size, head = frames[2] << 8 | frames[3], 4
    return frames[head:] if frames[0] == _WHOLE_TEXT and len(frames) == head + size else None


def whole_text(data: bytes, limit: int) -> str | None:
    """Return the message if `data` is one whole text frame: what a client sends nearly always comes so.

    None says nothing about `data`. Raises FrameError.
    """
    held = len(data)
    if held < 6 or data[0] != _WHOLE_TEXT:
        return None
    size, head = data[1] - 0x80, 6  # negative without a mask
    if size == 126:
        size, head = data[2] << 8 | data[3], 8
    elif size == 127:
        return None
    if held != head + size or size > limit:
        return None
    return _text(apply_mask(data[head:], data[head - 4 : head]))


class FrameReader:
    """Bytes from one client in, its messages out, at most `limit` bytes each.

    A frame that announces too much is refused on its header, before its payload is held. Raises FrameError.
    """

    __slots__ = ("_buffer", "_fragments", "_limit", "_need", "_opcode", "_position")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer: bytes | bytearray = b""
        self._position = 0
        self._need = 2  # bytes from `_position` on without which no frame is whole
        self._fragments: bytearray | None = None
        self._opcode = TEXT

    @property
    def holds(self) -> bool:
        """Whether the rest of something has to come."""
        return bool(self._buffer) or self._fragments is not None

    @property
    def held(self) -> int:
        """Bytes that were fed and not read."""
        return len(self._buffer) - self._position

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        if not self._buffer:
            self._buffer = data
            return
        if not isinstance(self._buffer, bytearray):
            self._buffer = bytearray(self._buffer)
        # It grows in place, and what was read is dropped once a feed: single bytes make it no dearer.
        del self._buffer[: self._position]
        self._position = 0
        self._buffer += data

    def next(self) -> Message | None:
        """Return the next message as (opcode, payload), text decoded; None when more bytes are needed."""
        while True:
            held = len(self._buffer) - self._position
            whole = self._frame(held) if held >= self._need else None
            if whole is None:
                return None
            first, payload = whole
            opcode = first & 0x0F
            if opcode >= CLOSE:
                return self._control(first, payload)
            if opcode == CONTINUATION:
                if self._fragments is None:
                    raise FrameError(PROTOCOL_ERROR, "continuation of nothing")
            elif self._fragments is not None:
                raise FrameError(PROTOCOL_ERROR, "message inside a message")
            elif first & 0x80:
                return (TEXT, _text(payload)) if opcode == TEXT else (BINARY, payload)
            else:
                self._opcode, self._fragments = opcode, bytearray()
            self._fragments += payload
            if first & 0x80:
                message, self._fragments = bytes(self._fragments), None
                return (TEXT, _text(message)) if self._opcode == TEXT else (BINARY, message)

    def _frame(self, held: int) -> tuple[int, bytes] | None:
        """Take one frame off the buffer: its first byte and unmasked payload (section 5.2)."""
        buffer, start = self._buffer, self._position
        first, size, head = buffer[start], buffer[start + 1], 6
        if first not in _FIRST_BYTES:
            raise FrameError(PROTOCOL_ERROR, "reserved bits or opcode")
        if not size & 0x80:
            raise FrameError(PROTOCOL_ERROR, "unmasked frame")
        size &= 0x7F
        if size > 125:
            if first & 0x08:
                raise FrameError(PROTOCOL_ERROR, "long control frame")
            head = 8 if size == 126 else 14
            if held < head - 4:
                self._need = head - 4
                return None
            size = int.from_bytes(buffer[start + 2 : start + head - 4], "big")
        if size + (0 if self._fragments is None or first & 0x08 else len(self._fragments)) > self._limit:
            raise FrameError(MESSAGE_TOO_BIG, "message too big")
        end = start + head + size
        if held < head + size:
            self._need = head + size
            return None
        self._need = 2
        if held == head + size:  # an idle connection holds nothing
            self._buffer, self._position = b"", 0
        else:
            self._position = end
        return first, apply_mask(buffer[start + head : end], buffer[start + head - 4 : start + head])

    def _control(self, first: int, payload: bytes) -> Message:
        if first & 0x0F == CLOSE and payload:
            code = int.from_bytes(payload[:2], "big")
            if len(payload) == 1 or not (code in _CLOSE_CODES or 3000 <= code < 5000):
                raise FrameError(PROTOCOL_ERROR, "bad close code")
            _text(payload[2:])
        return first & 0x0F, payload


# Without reserved bits, and control frames whole.
_FIRST_BYTES = frozenset(
    {CONTINUATION, TEXT, BINARY, *(0x80 | op for op in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))}
)
# Codes that a peer may send (section 7.4.1 and the IANA registry): 1004-1006 and 1015 never travel.
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_DATA, "text is not UTF-8") from None
