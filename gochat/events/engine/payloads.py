"""Engine.IO 4 packets, without I/O: their types, the handshake, and the payloads of HTTP long-polling.

Source: the Engine.IO protocol, sections "Packet encoding" and "Handshake".
"""

import base64
import binascii
from collections import deque
from typing import Final

import orjson

from .errors import ProtocolError
from .frames import TEXT, frame, one_text, unframe

SEPARATOR: Final = b"\x1e"
PONG: Final = b"3"

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


MAX_PACKETS: Final = 16
"""Packets in one answer to a poll: the Python client refuses more."""


def take_payload(queue: deque[bytes]) -> tuple[bytes, int]:
    """Take frames off the queue for one answer to a poll; return it, and how many bytes were taken.

    Binary packets travel as `b` and base64. What was queued together stays together.
    """
    if len(queue) == 1 and (text := one_text(queue[0])) is not None:
        return text, len(queue.popleft())
    packets: list[bytes] = []
    taken = 0
    while queue:
        more = [
            payload if opcode == TEXT else b"b" + base64.b64encode(payload)
            for opcode, payload in unframe(queue[0])
        ]
        if packets and len(packets) + len(more) > MAX_PACKETS:
            break
        packets += more
        taken += len(queue.popleft())
    return SEPARATOR.join(packets), taken


def decode_packet(packet: bytes) -> str | bytes:
    """Decode one packet of a POST: text as it came, `b` and base64 as bytes. Raises ProtocolError."""
    if not packet.startswith(b"b"):
        try:
            return packet.decode()
        except UnicodeDecodeError:
            raise ProtocolError("payload is not UTF-8") from None
    return decode_base64(packet[1:])


def decode_base64(text: str | bytes) -> bytes:
    """Decode what stands behind `b` of a binary packet. Raises ProtocolError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("binary packet is not base64") from None
