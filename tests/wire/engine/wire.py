"""Clients that send exactly the bytes they are told to."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3
TIMEOUT = 30
"""For what a server has to do, however busy the machine is."""
UNKNOWN = (400, '{"code":1,"message":"Session ID unknown"}')
"""How a poll is answered after which client libraries open another session."""


class Closed(Exception):
    """The server has ended the connection; `code` is the close frame's, None without one."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


def frame(payload: bytes, first: int = 0x81, *, mask: bool = True, size: int | None = None) -> bytes:
    """Frame as a client does; `size` lies about the payload's length."""
    size = len(payload) if size is None else size
    bit = 0x80 if mask else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65536:
        head = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i & 3] for i, byte in enumerate(payload))


class Ws:
    """A websocket. Engine.IO pings are answered unless `silent`."""

    def __init__(
        self,
        port: int,
        query: str = "EIO=4&transport=websocket",
        *,
        silent: bool = False,
        path: str = "/socket.io/",
        headers: str = "",
        receive_buffer: int | None = None,
        host: str = "127.0.0.1",
        upgrade: str = "Upgrade: websocket\r\nConnection: Upgrade\r\n",
    ) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(("127.0.0.1", port))
        self.silent = silent
        self.buffer = b""
        self.socket.sendall(
            f"GET {path}?{query} HTTP/1.1\r\nHost: {host}\r\n{upgrade}"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n".encode()
        )
        head = self._until(b"\r\n\r\n")
        self.status = int(head.split()[1])
        lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:]]
        self.headers = {name.lower(): value for name, _, value in lines}
        if self.status == 101:
            assert ACCEPT in head

    def __enter__(self) -> "Ws":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def open(self) -> dict[str, Any]:
        """Read the OPEN packet."""
        text = self.text()
        assert text[0] == "0"
        value: dict[str, Any] = json.loads(text[1:])
        return value

    def connect(self, packet: str = "40") -> "Ws":
        """Read OPEN and connect to the main namespace."""
        self.open()
        self.send(packet)
        assert self.text().startswith("40{")
        return self

    def send(self, *packets: str | bytes) -> None:
        """Send packets: str as text, bytes as binary."""
        self.raw(b"".join(frame(p.encode()) if isinstance(p, str) else frame(p, 0x82) for p in packets))

    def raw(self, data: bytes) -> None:
        """Send bytes as they are; a server that has closed already is no error."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def receive(self) -> tuple[int, bytes]:
        """Return the next message's opcode and payload; pings are answered. Raises Closed."""
        opcode, size = self._take(2)
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        payload = self._take(size)
        if opcode & 15 == 9 and not self.silent:
            self.raw(frame(payload, 0x8A))
            return self.receive()
        if opcode & 15 == 8:
            raise Closed(int.from_bytes(payload[:2], "big") if payload else 1005)
        if payload == b"2" and not self.silent:
            self.send("3")
            return self.receive()
        return opcode & 15, payload

    def text(self) -> str:
        """Return the next message, which is text."""
        opcode, payload = self.receive()
        assert opcode == 1
        return payload.decode()

    def expect(self, *packets: str | bytes) -> None:
        """Read exactly these messages."""
        for packet in packets:
            opcode, payload = self.receive()
            assert (payload.decode() if opcode == 1 else payload) == packet

    def expect_closed(self, within: float = TIMEOUT) -> int | None:
        """Read until the end, which is at most `within` seconds away, and return the close code."""
        self.socket.settimeout(within)
        while True:
            try:
                self.receive()
            except Closed as closed:
                return closed.code

    def expect_alive(self) -> None:
        """Send an event and get its ack."""
        self.send('42777["echo",1]')
        self.expect("43777[1]")

    def _take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self._more()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self._more()
        taken, _, self.buffer = self.buffer.partition(mark)
        return taken

    def _more(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(None)
        self.buffer += data


class Poller:
    """A session on long-polling."""

    def __init__(self, port: int) -> None:
        self.port = port
        status, body = self.request("GET", "")
        assert status == 200
        self.handshake: dict[str, Any] = json.loads(body[1:])
        self.sid = self.handshake["sid"]

    def request(self, method: str, query: str, body: bytes | None = None) -> tuple[int, str]:
        return request(self.port, method, f"/socket.io/?EIO=4&transport=polling{query}", body)

    def poll(self) -> tuple[int, str]:
        return self.request("GET", f"&sid={self.sid}")

    def post(self, body: str | bytes) -> tuple[int, str]:
        return self.request("POST", f"&sid={self.sid}", body.encode() if isinstance(body, str) else body)

    def connect(self) -> "Poller":
        assert self.post("40") == (200, "ok")
        assert self.poll()[1].startswith("40{")
        return self

    @contextmanager
    def pending_poll(self) -> Iterator[socket.socket]:
        """A poll that has been sent and not answered; read it from the socket."""
        with socket.create_connection(("127.0.0.1", self.port), TIMEOUT) as client:
            path = f"/socket.io/?EIO=4&transport=polling&sid={self.sid}"
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            yield client


def request(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Make one HTTP request; return its status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def answer(client: socket.socket) -> tuple[int, str]:
    """Read the one answer on a socket."""
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.status, response.read().decode()
