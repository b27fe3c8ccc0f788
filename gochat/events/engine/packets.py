"""Socket.IO 5 packets, without I/O: a strict, bounded decoder and an encoder that makes frames.

Source: the Socket.IO protocol, section "Packet encoding":
`<type>[<# of attachments>-][<namespace>,][<ack id>][<JSON>]`, then the attachments as binary packets.
"""

import json
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from .errors import ProtocolError
from .frames import BINARY, frame

CONNECT: Final = 0
DISCONNECT: Final = 1
EVENT: Final = 2
ACK: Final = 3
CONNECT_ERROR: Final = 4
BINARY_EVENT: Final = 5
BINARY_ACK: Final = 6

# Names that the libraries raise themselves; a client's packet must not.
RESERVED_EVENTS: Final = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)

_HEAD = re.compile(r"([0-6])(?:([0-9]{1,4})-)?(?:(/[^,]{0,255})(?:,|\Z))?([0-9]{1,16})?")
_BINARY_HEAD = re.compile(r"^5[0-9]{1,4}-")
_EVENT_HEAD = re.compile(r"2([0-9]{0,15})(?=\[)")
_NOTHING: Final = object()
_MAX_ID: Final = 2**53 - 1  # the largest whole number that JavaScript holds exactly

# An event's head and name, in front of what is not read.
_NAME = re.compile(r"2(?:(/[^,]{0,255}),)?([0-9]{0,16})\[\s{0,9}\"([^\"\\\x00-\x1f]{1,256})\"")
_STRING = re.compile(r'"[^"]*"')
# Half of a pair of surrogates, of what stands behind a backslash that is not itself escaped.
_HALF = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u(?:[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F]..)"
)
_FLAT: Final = 2  # the array and the object of an event that holds no other: it is not looked at
_MAX_CONTAINERS: Final = 10_000  # arrays and objects of one packet: more would take milliseconds to look at
# Characters of a text that is no JSON in which it is looked for where the fault is, and whether it is half an
# emoji; beyond, looking would take longer than others should have to wait.
_MAX_SEARCHED: Final = 32_768
_MAX_MENDED: Final = 131_072


Twice = Callable[[str, object], tuple[tuple[str, ...], str] | None]
"""Finds a key that stands twice in one object of a text, and of what was read from it: the object's path, and
the key."""


def never(text: str, value: object) -> None:
    """Find nothing: the last one counts."""


class Unfit(NamedTuple):
    """Stands in the place of an event's arguments that can't be handed on; the event is answered.

    `reason`: `not_unicode` (half of a surrogate pair, as comes of cutting a text in UTF-16), `not_a_number`
    (NaN, Infinity), `twice` (a key in one object), `too_deep`, `too_complex`, or `not_json`: of a long text
    nobody looks further. `path`: where, dotted, from the arguments on, if known.
    """

    reason: str
    path: str = ""


class _Misfit(ProtocolError):
    """What a packet carries is JSON, or nearly, but nothing to hand on. `value`: None if it was not read."""

    def __init__(self, unfit: Unfit, value: Any = None) -> None:
        super().__init__(f"payload is {unfit.reason}")
        self.unfit = unfit
        self.value = value


class Packet(NamedTuple):
    """One Socket.IO packet. `kind` is never BINARY_*: `attachments` says how many binary packets follow."""

    kind: int
    namespace: str
    id: int | None
    data: Any
    attachments: int = 0


_packet = tuple.__new__  # as `Packet` does, without a call of Python's


def decode(text: str, max_attachments: int, max_depth: int, twice: Twice = never) -> Packet:
    """Decode a client's packet (without the Engine.IO type). Raises ProtocolError."""
    head = _EVENT_HEAD.match(text)
    if head is not None:  # what nearly every packet is
        digits = head[1]
        try:
            data = _load(text[head.end() :], max_depth, twice)
        except _Misfit as misfit:
            data = _unfit_event(text, misfit)
        _check_event(data)
        return _packet(Packet, (EVENT, "/", int(digits) if digits else None, data, 0))
    head = _HEAD.match(text)
    if head is None:
        raise ProtocolError("no packet")
    kind = ord(text[0]) - 48
    attachments, namespace, digits = head.group(2, 3, 4)
    identifier = None
    if digits is not None and (identifier := int(digits)) > _MAX_ID:
        raise ProtocolError("ack id too large")
    rest = text[head.end() :]
    try:
        asked = twice if kind in (EVENT, BINARY_EVENT) else never
        data = _load(rest, max_depth, asked) if rest else _NOTHING
    except _Misfit as misfit:
        data = _unfit_event(text, misfit) if kind in (EVENT, BINARY_EVENT) else _mended(misfit)
    if kind >= BINARY_EVENT:
        count = int(attachments or 0)
        if not 0 < count <= max_attachments:
            raise ProtocolError("bad number of attachments")
        kind -= BINARY_EVENT - EVENT
    elif attachments is not None:
        raise ProtocolError("attachments where none may be")
    else:
        count = 0
    _check(kind, identifier, data)
    return Packet(kind, namespace or "/", identifier, None if data is _NOTHING else data, count)


def _check(kind: int, identifier: int | None, data: Any) -> None:
    """Hold a packet's parts against what its type allows."""
    if kind == EVENT:
        _check_event(data)
    elif kind == ACK:
        if type(data) is not list or identifier is None:
            raise ProtocolError("an ack is an array with an id")
    elif kind == CONNECT:
        if identifier is not None or not (data is _NOTHING or type(data) is dict):
            raise ProtocolError("CONNECT carries an object or nothing")
    elif kind == DISCONNECT:
        if identifier is not None or data is not _NOTHING:
            raise ProtocolError("DISCONNECT carries nothing")
    else:
        raise ProtocolError("CONNECT_ERROR from a client")


def _check_event(data: Any) -> None:
    if type(data) is not list or not data or type(data[0]) is not str:
        raise ProtocolError("an event is an array that begins with its name")
    if data[0] in RESERVED_EVENTS:
        raise ProtocolError("reserved event name")


def _load(text: str, max_depth: int, twice: Twice) -> Any:
    """Read JSON. Raises ProtocolError for what is none, and _Misfit for what nobody should be handed."""
    # Brackets in strings count too, so a high count only asks for the exact look.
    brackets = text.count("[") + text.count("{")
    if brackets > _MAX_CONTAINERS:
        bare = _STRING.sub("", text.replace("\\\\", "").replace('\\"', ""))
        if bare.count("[") + bare.count("{") > _MAX_CONTAINERS:
            raise _Misfit(Unfit("too_complex"))
    try:
        value = orjson.loads(text)
    except ValueError:
        raise _fault(text, max_depth) from None
    if brackets > max_depth and _is_too_deep(value, max_depth):
        raise _Misfit(Unfit("too_deep"), value)
    if brackets > _FLAT and (found := twice(text, value)) is not None:
        path, key = found
        raise _Misfit(Unfit("twice", ".".join(part[:64] for part in path[1:] or (key,))), value)
    return value


def _fault(text: str, max_depth: int) -> ProtocolError:
    """Say why a text is no JSON: it is broken, or it is what a library makes of an app's strange values."""
    if len(text) > _MAX_MENDED:
        return _Misfit(Unfit("not_json"))
    if len(text) > _MAX_SEARCHED:
        try:
            return _Misfit(Unfit("not_unicode"), orjson.loads(_HALF.sub(r"\1\\ufffd", text)))
        except ValueError:
            return ProtocolError("payload is not JSON")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ProtocolError("payload is not JSON")
    if _is_too_deep(value, max_depth):
        return _Misfit(Unfit("too_deep"), value)
    found = _find_unfit(value)
    return ProtocolError("payload is not JSON") if found is None else _Misfit(found, value)


def _find_unfit(value: Any) -> Unfit | None:
    """Find the first string or number that JSON cannot hold, and where in an event's arguments it stands."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while waiting:
        path, node = waiting.pop()
        reason = None
        if type(node) is str:
            reason = "not_unicode" if _whole(node) != node else None
        elif type(node) is float:
            reason = None if math.isfinite(node) else "not_a_number"
        elif type(node) is list:
            waiting += [((*path, str(n)), item) for n, item in list(enumerate(node))[::-1]]
        elif type(node) is dict:
            waiting += [((*path, key), item) for key, item in list(node.items())[::-1]]
            reason = "not_unicode" if any(_whole(key) != key for key in node) else None
        if reason is not None:
            return Unfit(reason, ".".join(_whole(part)[:64] for part in path[1:]))
    return None


def _unfit_event(text: str, misfit: _Misfit) -> list[Any]:
    """Return an event's name, with what is wrong in the place of its arguments."""
    if type(misfit.value) is list and misfit.value and type(misfit.value[0]) is str:
        return [_whole(misfit.value[0]), misfit.unfit]
    found = None if misfit.value is not None else _NAME.match(_BINARY_HEAD.sub("2", text[:1024]))
    if found is None:
        raise misfit
    return [found[3], misfit.unfit]


def _mended(misfit: _Misfit) -> Any:
    """Read what a CONNECT or an ack carries, with a mark in the place of each half of an emoji."""
    if misfit.unfit.reason != "not_unicode" or misfit.value is None:
        raise misfit
    return orjson.loads(_whole(json.dumps(misfit.value, ensure_ascii=False)))


def _whole(text: str) -> str:
    """Return a text with a mark in the place of each half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def _is_too_deep(value: Any, max_depth: int) -> bool:
    level = [value]
    for _ in range(max_depth):
        level = [
            item
            for node in level
            if type(node) in (dict, list)
            for item in (node.values() if type(node) is dict else node)
            if type(item) in (dict, list)
        ]
        if not level:
            return False
    return True


def with_attachments(packet: Packet, attachments: list[bytes]) -> Packet:
    """Put the binary packets in the places that hold them open, each exactly once. Raises ProtocolError."""
    if type(packet.data[-1]) is Unfit:
        return packet._replace(attachments=0)
    unused = set(range(len(attachments)))

    def place(node: Any) -> Any:
        if type(node) is list:
            return [place(item) for item in node]
        if type(node) is not dict:
            return node
        if "_placeholder" not in node:
            return {key: place(item) for key, item in node.items()}
        number = node.get("num")
        if (
            node["_placeholder"] is not True
            or len(node) != 2
            or type(number) is not int
            or number not in unused
        ):
            raise ProtocolError("bad placeholder")
        unused.discard(number)
        return attachments[number]

    data = place(packet.data)
    if unused:
        raise ProtocolError("attachment without a placeholder")
    return packet._replace(data=data, attachments=0)


def encode(kind: int, namespace: str, data: Any = _NOTHING, identifier: int | None = None) -> bytes:
    """Encode a packet as frames, ready for a websocket; bytes inside `data` become attachments.

    Raises TypeError for what JSON cannot hold.
    """
    if data is _NOTHING:
        return frame(_head(kind, namespace, identifier))
    try:
        return frame(_head(kind, namespace, identifier) + orjson.dumps(data))
    except TypeError:
        attachments: list[bytes] = []
        text = orjson.dumps(_set_aside(data, attachments), option=orjson.OPT_NON_STR_KEYS)
    if not attachments:
        return frame(_head(kind, namespace, identifier) + text)
    head = _head(kind + BINARY_EVENT - EVENT, namespace, identifier, len(attachments))
    return frame(head + text) + b"".join(frame(item, BINARY) for item in attachments)


def encode_event(namespace: str, event: str, payload: bytes) -> bytes:
    """Encode an event whose one argument is JSON already."""
    return frame(b"%b,%b]" % (_event_head(namespace, event), payload))


def encode_ack(namespace: str, identifier: int, payload: bytes) -> bytes:
    """Encode an ack whose one argument is JSON already."""
    if namespace == "/":
        return frame(b"43%d[%b]" % (identifier, payload))
    return frame(b"%b[%b]" % (_head(ACK, namespace, identifier), payload))


@lru_cache(maxsize=256)
def _event_head(namespace: str, event: str) -> bytes:
    return b"%b[%b" % (_head(EVENT, namespace, None), orjson.dumps(event))


def _head(kind: int, namespace: str, identifier: int | None, attachments: int = 0) -> bytes:
    if namespace == "/" and not attachments:
        return b"4%d" % kind if identifier is None else b"4%d%d" % (kind, identifier)
    head = f"4{kind}"
    if attachments:
        head += f"{attachments}-"
    if namespace != "/":
        head += f"{namespace},"
    if identifier is not None:
        head += str(identifier)
    return head.encode()


def _set_aside(node: Any, attachments: list[bytes]) -> Any:
    """Copy `node` with placeholders for its bytes, which are collected in order."""
    if isinstance(node, bytes | bytearray | memoryview):
        attachments.append(bytes(node))
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(node, list | tuple):
        return [_set_aside(item, attachments) for item in node]
    if isinstance(node, dict):
        return {key: _set_aside(item, attachments) for key, item in node.items()}
    return node
