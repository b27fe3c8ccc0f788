"""What a request must bring to open or reach a session, without I/O.

Source: the Engine.IO protocol, sections "Query parameters" and "Handshake"; the error bodies are those of the
reference server.
"""

import base64
import binascii
import hashlib
import re
import urllib.parse
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from .errors import Refused

_TRANSPORTS: Final = {b"polling": "polling", b"websocket": "websocket"}
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(slots=True)
class Request:
    """One HTTP request or websocket handshake, however it came in."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    """Names in lower case."""
    client: str
    """The network address, or an empty string."""

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of that name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def environ(self) -> dict[str, Any]:
        """Return the request as the WSGI environment that python-socketio's handlers expect.

        It lasts as long as the session, and most of it is the same for all.
        """
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "PATH_INFO": _shared(self.path),
            "QUERY_STRING": _shared(self.query),
            "REMOTE_ADDR": self.client,
        }
        for name, value in self.headers:
            key, text = _environ_key(name), _shared(value)
            environ[key] = f"{environ[key]},{text}" if key in environ else text
        return environ


_SHARED_SIZE: Final = 256
"""Bytes of the longest text that is shared."""


def _environ_key(name: bytes) -> str:
    return _known_key(name) if len(name) <= _SHARED_SIZE else _key(name)


def _key(name: bytes) -> str:
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _shared(text: bytes | str) -> str:
    """Return one string for many that are equal. `sys.intern` would keep what strangers send, for ever."""
    return _known(text) if len(text) <= _SHARED_SIZE else _text(text)


def _text(text: bytes | str) -> str:
    return text if isinstance(text, str) else text.decode("latin-1")


_known_key = lru_cache(maxsize=1024)(_key)
_known = lru_cache(maxsize=1024)(_text)


@dataclass(slots=True)
class Query:
    """The parameters that Engine.IO reads."""

    transport: str
    sid: str | None


def parse_query(query: bytes) -> Query:
    """Read the query string. Raises Refused for a missing or unknown parameter.

    Of a repeated parameter the first counts, and an empty `sid` is none, as the reference server has it:
    users of the Swift library were told to add EIO by hand, which doubles it.
    """
    version = transport = sid = b""
    encoded = b"%" in query
    for pair in reversed(query.split(b"&")):
        name, _, value = pair.partition(b"=")
        if encoded:
            name, value = urllib.parse.unquote_to_bytes(name), urllib.parse.unquote_to_bytes(value)
        if name == b"sid":
            sid = value
        elif name == b"transport":
            transport = value
        elif name == b"EIO":
            version = value
    if transport not in _TRANSPORTS:
        raise Refused(400, 0, "Transport unknown")
    if version != b"4":
        raise Refused(400, 5, "Unsupported protocol version")
    return Query(_TRANSPORTS[transport], sid.decode("latin-1") or None)


def accept_key(request: Request) -> bytes:
    """Return Sec-WebSocket-Accept (RFC 6455 section 4.2.2). Raises Refused for a bad handshake."""
    if request.header(b"sec-websocket-version") != b"13":
        raise Refused(426, 3, "Bad request")
    key = request.header(b"sec-websocket-key") or b""
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        valid = False
    if not valid or request.method != "GET":
        raise Refused(400, 3, "Bad request")
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def subprotocol(request: Request) -> bytes | None:
    """Return the subprotocol to answer with: the first one offered, None if none is.

    It means nothing here. But browsers and the `ws` library fail a connection whose offer gets no answer.
    Source: RFC 6455 section 4.1; the reference server's `ws` answers with the first.
    """
    offered = request.header(b"sec-websocket-protocol")
    if offered is None:
        return None
    first = offered.partition(b",")[0].strip()
    return first if _TOKEN.fullmatch(first) else None
