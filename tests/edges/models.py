"""Phones on python-socketio, and on models of the libraries for Swift, C# and Dart.

    python -m tests.edges.models

It is driven as tests/js/client.js is. The models are the state machines of socket.io-client-swift 16.1
(SocketEngine), SocketIOClient 4.0 (C#) and socket_io_client 3.1 (Dart), as their public sources have them:
what they send, in which order, what they wait for, and what they make of it when a connection ends.
"""

import asyncio
import json
import ssl
import sys
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlsplit

import aiohttp
import socketio
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, WebSocketException

LINE_MAX = 1 << 24
PATIENCE_S = 60.0
SEPARATOR = "\x1e"

Order = dict[str, Any]
Say = Callable[..., None]


class Lost(Exception):
    """The connection has ended."""


Faults = (Lost, aiohttp.ClientError, WebSocketException, OSError, TimeoutError)


class Model:
    """One phone: what the libraries have in common."""

    name: ClassVar[str]
    keeps_what_is_offline: ClassVar[bool] = False
    connect_packet: ClassVar[str] = "40"
    pause_s: ClassVar[float] = 0.5

    def __init__(self, order: Order, say: Say) -> None:
        self._url, self._transports = order["url"], order.get("transports") or ["polling", "websocket"]
        self.token = order["token"]
        self._say = say
        self._living: asyncio.Task[None] | None = None
        self._offline: list[str] = []
        self._fresh()

    def _fresh(self) -> None:
        self.connected = self._refused = False
        self._out: list[str] = []
        self._ws: ClientConnection | None = None
        self._held = False
        self._news, self._pinged, self._polled, self._posted = (asyncio.Event() for _ in range(4))
        self._posted.set()

    def connect(self) -> None:
        """Connect, and come back whenever the connection is lost."""
        if self._living is None or self._living.done():
            self._living = asyncio.create_task(self._live())

    def emit(self, id_: int, event: str, payload: Any) -> None:
        """Emit with an ack, whose id is ours."""
        packet = f"42{id_}{json.dumps([event, payload], ensure_ascii=False)}"
        if self.connected:
            self._send(packet)
        elif self.keeps_what_is_offline:
            self._offline.append(packet)

    async def _live(self) -> None:
        while True:
            self._fresh()
            try:
                async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as self._http:
                    await self._session()
            except* Faults as lost:
                why = repr(lost.exceptions)
            else:
                why = "it ended"
            if self.connected:
                self.connected = False
                self._say(state="disconnect", payload={"reason": why, "active": True})
            if self._refused:
                return
            await asyncio.sleep(self.pause_s)

    async def _session(self) -> None:
        """One connection of Engine.IO, to its end."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            if self._transports == ["websocket"]:
                self._ws = await self._open_websocket("")
                group.create_task(self._carry(self._ws))
                group.create_task(self._write())
                return
            await self._begin_by_polling(group)

    async def _begin_by_polling(self, group: asyncio.TaskGroup) -> None:
        handshake = await self._get("")
        self._receive(handshake)
        group.create_task(self._poll())
        group.create_task(self._write())
        if "websocket" in self._transports and "websocket" in self._upgrades:
            group.create_task(self._upgrade())

    async def _upgrade(self) -> None:
        """Change over to a websocket; without one, go on polling."""
        raise NotImplementedError

    def _send(self, packet: str) -> None:
        self._out.append(packet)
        self._news.set()

    async def _write(self) -> None:
        """Write what is to be sent, in order, by what carries it."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._out and not self._held:
                if self._ws is not None:
                    await self._write_websocket(self._ws, self._out.pop(0))
                else:
                    taken, self._out = self._out, []
                    await self._post(SEPARATOR.join(taken))

    async def _write_websocket(self, ws: ClientConnection, packet: str) -> None:
        await ws.send(packet)

    async def _poll(self) -> None:
        while not self._poll_ends():
            packets = await self._get(f"&sid={self._sid}")
            for packet in packets.split(SEPARATOR):
                self._receive(packet)
        self._polled.set()

    def _poll_ends(self) -> bool:
        return False

    async def _carry(self, ws: ClientConnection) -> None:
        try:
            async for packet in ws:
                assert isinstance(packet, str)
                self._receive(packet)
        except ConnectionClosed as closed:
            raise Lost from closed
        raise Lost

    async def _watch(self) -> None:
        """The library's own heartbeat."""
        while True:
            async with asyncio.timeout(self._silence_s):
                await self._pinged.wait()
            self._pinged.clear()

    def _receive(self, packet: str) -> None:
        kind, rest = packet[:1], packet[1:]
        if kind == "0":
            opened = json.loads(rest)
            self._sid, self._upgrades = opened["sid"], opened["upgrades"]
            self._silence_s = (opened["pingInterval"] + opened["pingTimeout"]) / 1000
            self._say(state="transport", payload="polling" if self._ws is None else "websocket")
            self._group.create_task(self._watch())
            self._say_connect()
        elif kind == "1":
            raise Lost
        elif kind == "2":
            self._pinged.set()
            self._send("3")
        elif kind == "4":
            self._receive_packet(rest[:1], rest[1:])

    def _say_connect(self) -> None:
        self._send(self.connect_packet + json.dumps({"token": self.token}))

    def _receive_packet(self, kind: str, rest: str) -> None:
        if kind == "0":
            self.connected = True
            self._say(state="connect")
            self._out += self._offline
            self._offline = []
            self._news.set()
        elif kind == "1":
            self._refused = True
            raise Lost
        elif kind == "2":
            event, payload = json.loads(rest)
            self._say(event=event, payload=payload)
        elif kind == "3":
            id_, _, answer = rest.partition("[")
            self._say(ack=int(id_), payload=json.loads("[" + answer)[0])
        elif kind == "4":
            self._say(state="connect_error", payload=json.loads(rest))
            self._be_refused()

    def _be_refused(self) -> None:
        self._refused = True
        raise Lost

    async def _get(self, query: str) -> str:
        async with self._http.get(self._address("polling") + query) as response:
            return await self._text(response)

    async def _post(self, body: str) -> None:
        self._posting = True
        url = f"{self._address('polling')}&sid={self._sid}"
        async with self._http.post(
            url, data=body.encode(), headers={"Content-Type": "text/plain"}
        ) as response:
            await self._text(response)
        self._posting = False

    @staticmethod
    async def _text(response: aiohttp.ClientResponse) -> str:
        text = await response.text()
        if response.status != 200:
            raise Lost(f"{response.status} {text[:200]}")
        return text

    def _address(self, transport: str) -> str:
        return f"{self._url}/socket.io/?EIO=4&transport={transport}"

    async def _open_websocket(self, query: str, **how: Any) -> ClientConnection:
        url = "ws" + self._address("websocket").removeprefix("http") + query
        if url.startswith("wss"):
            how["ssl"] = ssl.create_default_context()
        ws = await open_websocket(
            url, ping_interval=None, max_size=None, open_timeout=PATIENCE_S, close_timeout=1, **how
        )
        # With the group ends its websocket, whichever of its tasks failed.
        self._group.create_task(_close_at_the_end(ws))
        return ws


async def _close_at_the_end(ws: ClientConnection) -> None:
    try:
        await asyncio.Future()
    finally:
        ws.transport.abort()


class Swift(Model):
    """It emits nothing while it is not connected, and sends the payload of its first connect for ever."""

    name = "swift"
    connect_packet = "40/,"
    _fast = False
    """`fastUpgrade`: the websocket has answered; the poll under way is the last."""

    def _fresh(self) -> None:
        super()._fresh()
        self._fast = False

    async def _open_websocket(self, query: str, **how: Any) -> ClientConnection:
        # Starscream names the websocket's own root, and offers no compression.
        parts = urlsplit(self._url)
        origin = f"ws{'s' if parts.scheme == 'https' else ''}://{parts.netloc}"
        return await super()._open_websocket(query, origin=origin, compression=None)

    def _be_refused(self) -> None:
        """The engine stays open: the app may connect again on it."""

    def connect(self) -> None:
        if self._living is not None and not self._living.done() and not self.connected:
            self._say_connect()
        super().connect()

    async def _upgrade(self) -> None:
        try:
            ws = await self._open_websocket(f"&sid={self._sid}")
        except Faults:
            return
        self._held = True  # `probing`: what is written waits in `probeWait`
        await ws.send("2probe")
        while await ws.recv() != "3probe":
            pass
        self._fast = True
        late = []
        if self._posted.is_set():
            self._group.create_task(self._post("6"))
        else:
            late.append("6")  # `postWait`: it is flushed to the websocket, after what was written
        await self._polled.wait()
        await ws.send("5")
        self._ws = ws
        self._say(state="transport", payload="websocket")
        self._out += late
        self._held = False
        self._news.set()
        await self._carry(ws)

    def _poll_ends(self) -> bool:
        return self._fast


class CSharp(Model):
    """It upgrades without a probe and does not poll meanwhile; a close frame it never notices."""

    name = "csharp"
    piece = 8_192

    async def _begin_by_polling(self, group: asyncio.TaskGroup) -> None:
        if "websocket" not in self._transports:
            await super()._begin_by_polling(group)
            return
        handshake = await self._get("")
        self._receive(handshake)
        group.create_task(self._write())
        ws = await self._open_websocket(f"&sid={self._sid}", compression=None)
        await ws.send("5")
        self._ws = ws
        self._say(state="transport", payload="websocket")
        group.create_task(self._carry(ws))

    async def _write_websocket(self, ws: ClientConnection, packet: str) -> None:
        data, piece = packet.encode(), self.piece
        await ws.send([data[at : at + piece] for at in range(0, len(data), piece)], text=True)

    async def _carry(self, ws: ClientConnection) -> None:
        try:
            await super()._carry(ws)
        except Lost:
            if ws.protocol.close_rcvd is not None:
                await asyncio.Future()
            raise

    async def _watch(self) -> None:
        """It has none."""


class Dart(Model):
    """A port of JavaScript's: it keeps what is emitted offline, and pauses polling to change over."""

    name = "dart"
    keeps_what_is_offline = True
    _pausing = False

    def _fresh(self) -> None:
        super()._fresh()
        self._pausing = False

    async def _upgrade(self) -> None:
        try:
            ws = await self._open_websocket(f"&sid={self._sid}")
        except Faults:
            return
        await ws.send("2probe")
        while await ws.recv() != "3probe":
            pass
        self._held = self._pausing = True  # `upgrading`: nothing is flushed
        await self._polled.wait()
        await self._posted.wait()
        await ws.send("5")
        self._ws = ws
        self._say(state="transport", payload="websocket")
        self._held = False
        self._news.set()
        await self._carry(ws)

    def _poll_ends(self) -> bool:
        return self._pausing


class Whole(aiohttp.ClientResponse):
    """An answer that is whole, or a fault that python-engineio takes for one."""

    async def read(self) -> bytes:
        try:
            return await super().read()
        except (aiohttp.ClientError, TimeoutError) as cut:
            raise ValueError("the answer was cut") from cut


def whole_answers() -> aiohttp.ClientSession:
    """Return what makes the library's requests."""
    return aiohttp.ClientSession(response_class=Whole)


class PythonClient(socketio.AsyncClient):  # type: ignore[misc]
    """The library, with more patience for CONNECT than its one second, on its reconnects too, and with what
    an app does about two faults of it on polling (docs/conformance.md, "python-socketio"): it goes on as if
    it were connected after an answer that was cut, and after it was disconnected before `connect` was over.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(http_session=whole_answers, **options)

    async def connect(self, *args: Any, **options: Any) -> None:
        await super().connect(*args, wait_timeout=PATIENCE_S, **options)
        if self.eio.state != "connected":
            await self._handle_eio_disconnect(self.reason.TRANSPORT_ERROR)  # as it did too early
            raise socketio.exceptions.ConnectionError("lost while it connected")


class Python:
    """python-socketio itself."""

    name = "python"

    def __init__(self, order: Order, say: Say) -> None:
        self._order, self._say = order, say
        self.token = order["token"]
        self._connecting: asyncio.Task[None] | None = None
        self._emitting: set[asyncio.Task[None]] = set()
        self._client = client = PythonClient(reconnection_delay=0.3, reconnection_delay_max=1)
        client.on("*", lambda event, payload: say(event=event, payload=payload))
        client.on("connect", self._tell_connected)
        client.on("connect_error", self._tell_error)
        client.on("disconnect", lambda reason: say(state="disconnect", payload={"reason": str(reason)}))

    def _tell_connected(self) -> None:
        self._say(state="transport", payload=self._client.transport())
        self._say(state="connect")

    def _tell_error(self, payload: Any = None) -> None:
        told = payload if isinstance(payload, dict) else {"message": str(payload)}
        self._say(state="connect_error", payload=told)

    def connect(self) -> None:
        self._connecting = asyncio.create_task(self._connect(self._connecting))

    async def _connect(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before  # it closes what was refused
        try:
            await self._client.connect(
                self._order["url"],
                auth=lambda: {"token": self.token},
                transports=self._order.get("transports"),
            )
        except socketio.exceptions.ConnectionError:
            return  # it has been told of by `connect_error`

    def emit(self, id_: int, event: str, payload: Any) -> None:
        task = asyncio.create_task(self._emit(id_, event, payload))
        self._emitting.add(task)
        task.add_done_callback(self._emitting.discard)

    async def _emit(self, id_: int, event: str, payload: Any) -> None:
        try:
            await self._client.emit(
                event, payload, callback=lambda answer: self._say(ack=id_, payload=answer)
            )
        except socketio.exceptions.SocketIOError:
            self._say(ack=id_)  # not connected


LIBRARIES: dict[str, Callable[[Order, Say], Any]] = {it.name: it for it in (Swift, CSharp, Dart, Python)}


async def main() -> None:
    """Do as told, line by line."""
    phones: dict[str, Any] = {}
    reader = asyncio.StreamReader(LINE_MAX)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )

    def teller(phone: str) -> Say:
        return lambda **what: print(json.dumps({"phone": phone, **what}), flush=True)

    while line := await reader.readline():
        order = json.loads(line)
        name = order["phone"]
        match order["do"]:
            case "open":
                phones[name] = LIBRARIES[order["library"]](order, teller(name))
            case "connect":
                phones[name].connect()
            case "token":
                phones[name].token = order["token"]
            case "emit":
                phones[name].emit(order["id"], order["event"], order["payload"])


if __name__ == "__main__":
    asyncio.run(main())
