"""Phones on websockets that speak just enough Socket.IO to send and to hear, at little cost of their own.

Source: the Engine.IO protocol, version 4, and the Socket.IO protocol, version 5.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Self, cast

import orjson

PATIENCE_S = 30.0
SYNC = b'420["sync",{}]'
"""What a phone says that has nothing yet."""


class Line(asyncio.Protocol):
    """One websocket.

    Args:
        token: what it connects with.
        greeting: the packet that it says once it is connected; `ready` is what its ack holds.
        heard: called with each event, and with each later ack.
    """

    def __init__(self, token: str, greeting: bytes, heard: Callable[[bytes], None]) -> None:
        self._token = token
        self._greeting = greeting
        self._heard = heard
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._upgraded = False
        self.ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._fail(exc or ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._upgraded:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                self._fail(ConnectionError(head.decode(errors="replace")))
                return
            self._data, self._upgraded = rest, True
        for packet in self._packets():
            self._hear(packet)

    def _packets(self) -> Iterator[bytes]:
        """The payloads of the frames that are here whole (RFC 6455, section 5.2)."""
        data, at = self._data, 0
        while len(data) >= at + 2:
            size, head = data[at + 1] & 0x7F, 2
            if size >= 126:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[at + 2 : at + head])
            if len(data) < at + head + size:
                break
            yield data[at + head : at + head + size]
            at += head + size
        self._data = data[at:]

    def _hear(self, packet: bytes) -> None:
        match packet[:2]:
            case b"43" if not self.ready.done():
                self._greeted(acked(packet))
            case b"42" | b"43":
                self._heard(packet)
            case b"40":
                self.say(self._greeting)
            case b"2":
                self.say(b"3")
            case b"44":
                self._fail(ConnectionRefusedError(packet))
            case _ if packet[:1] == b"0":
                self.say(b"40" + orjson.dumps({"token": self._token}))

    def _greeted(self, ack: dict[str, Any]) -> None:
        if ack["ok"]:
            self.ready.set_result(ack["data"])
        else:
            self._fail(ValueError(ack))

    def _fail(self, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)

    def say(self, packet: bytes) -> None:
        """Send a packet in one frame, masked with zeros."""
        size = len(packet)
        head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2)
        assert self._transport is not None
        self._transport.write(head + bytes(4) + packet)

    def close(self) -> None:
        """Hang up."""
        assert self._transport is not None
        self._transport.abort()


async def dial(port: int, token: str, greeting: bytes, heard: Callable[[bytes], None]) -> Line:
    """A line that is ready."""
    loop = asyncio.get_running_loop()
    _, line = await loop.create_connection(partial(Line, token, greeting, heard), "127.0.0.1", port)
    await asyncio.wait_for(line.ready, PATIENCE_S)
    return line


def acked(packet: bytes) -> Any:
    """What an ack holds."""
    return orjson.loads(packet[packet.index(b"[") :])[0]


Sending = tuple[int, str, str]
"""Which line sends, the conversation, and the body."""


class Crowd:
    """Phones at one server. A message is through when it is acked and all members have it."""

    def __init__(self, members: int) -> None:
        self._ticks = members + 1
        self._under_way: dict[str, tuple[list[int], asyncio.Future[None]]] = {}
        self._lines: list[Line] = []
        self._sent = 0

    async def connect(self, port: int, tokens: Sequence[str]) -> Self:
        """Connect them, one after the other; each then hears its conversations."""
        for token in tokens:
            self._lines.append(await dial(port, token, SYNC, self._hear))
        return self

    def send(self, sending: Sending) -> asyncio.Future[None]:
        """Send a message; done when it is through."""
        line, conversation_id, body = sending
        digits = secrets.token_hex(16)
        key = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        request = {"conversation_id": conversation_id, "client_message_id": key, "body": body}
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way[key] = [self._ticks], future
        self._sent += 1
        self._lines[line].say(b"42%d%b" % (self._sent, orjson.dumps(["message:send", request])))
        return future

    def _hear(self, packet: bytes) -> None:
        if packet.startswith(b"42"):
            _, delta = orjson.loads(packet[2:])
            for message in delta.get("messages", ()):
                self._tick(message["client_message_id"])
            return
        ack = acked(packet)
        if not ack["ok"]:
            raise ValueError(ack)
        self._tick(ack["data"]["message"]["client_message_id"])

    def _tick(self, key: str) -> None:
        """A message was acked, or heard by one phone."""
        left, future = self._under_way[key]
        left[0] -= 1
        if left[0] == 0:
            del self._under_way[key]
            future.set_result(None)

    @property
    def lost(self) -> int:
        """How many have lost their connection."""
        return sum(line.lost for line in self._lines)

    def close(self) -> None:
        """Hang up, all."""
        for line in self._lines:
            line.close()
