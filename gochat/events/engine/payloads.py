"""Engine.IO 4 packets, without I/O: their types, the handshake, and the payloads of HTTP long-polling.

Source: the Engine.IO protocol, sections "Packet encoding" and "Handshake".
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Final

import orjson

from .errors import ProtocolError
from .frames import TEXT, frame, unframe

SEPARATOR: Final = "\x1e"

CLOSE_FRAME: Final = frame(b"1")
PING_FRAME: Final = frame(b"2")
PROBE_FRAME: Final = frame(b"3probe")
NOOP_FRAME: Final = frame(b"6")


def open_packet(sid: str, upgrades: list[str], interval: float, timeout: float, max_payload: int) -> bytes:
    """Encode the handshake; times in seconds become whole milliseconds."""
    return b"0" + orjson.dumps(
        {
            "sid": sid,
            "upgrades": upgrades,
            "pingInterval": round(interval * 1000),
            "pingTimeout": round(timeout * 1000),
            "maxPayload": max_payload,
        }
    )


def encode_payload(frames: Iterable[bytes]) -> bytes:
    """Turn queued frames into the body of a poll's answer; binary packets travel as `b` and base64."""
    return b"\x1e".join(
        payload if opcode == TEXT else b"b" + base64.b64encode(payload)
        for some in frames
        for opcode, payload in unframe(some)
    )


def decode_payload(body: bytes) -> list[str | bytes]:
    """Split the body of a POST into packets: text as it came, binary decoded. Raises ProtocolError."""
    try:
        return [_packet(part) for part in body.decode().split(SEPARATOR)]
    except UnicodeDecodeError:
        raise ProtocolError("payload is not UTF-8") from None


def _packet(text: str) -> str | bytes:
    if not text.startswith("b"):
        return text
    try:
        return base64.b64decode(text[1:], validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("binary packet is not base64") from None
