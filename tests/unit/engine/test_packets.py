"""Socket.IO 5 packets."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gochat.events.engine import packets
from gochat.events.engine.errors import ProtocolError
from gochat.events.engine.frames import BINARY, TEXT, unframe
from gochat.events.engine.packets import Packet, Unfit

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
KEYS = st.text().filter(lambda key: key != "_placeholder")


def json_values(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    )


NAMES = st.text(min_size=1).filter(lambda name: name not in packets.RESERVED_EVENTS)
NAMESPACES = st.just("/") | st.text(
    st.characters(exclude_characters=",", exclude_categories=["Cs"]), max_size=20
).map(lambda text: f"/{text}")
IDS = st.none() | st.integers(0, 2**53 - 1)


def decode(text: str) -> Packet:
    return packets.decode(text, max_attachments=10, max_depth=32)


def parts(frames: bytes) -> tuple[str, list[bytes]]:
    """Return the packet's text, without the Engine.IO type, and its attachments."""
    (opcode, text), *rest = unframe(frames)
    assert opcode == TEXT
    assert all(kind == BINARY for kind, _ in rest)
    assert text.startswith(b"4")
    return text[1:].decode(), [payload for _, payload in rest]


@given(NAMESPACES, IDS, NAMES, st.lists(json_values(LEAVES), max_size=3))
def test_events_survive(namespace: str, identifier: int | None, name: str, args: list[Any]) -> None:
    text, attachments = parts(packets.encode(packets.EVENT, namespace, [name, *args], identifier))
    assert decode(text) == Packet(packets.EVENT, namespace, identifier, [name, *args])
    assert attachments == []


@given(NAMESPACES, NAMES, json_values(LEAVES | st.binary(max_size=10)))
def test_binary_survives(namespace: str, name: str, value: Any) -> None:
    text, attachments = parts(packets.encode(packets.EVENT, namespace, [name, value]))
    if len(attachments) > 10:
        return
    packet = decode(text)
    assert packet.attachments == len(attachments)
    assert packets.with_attachments(packet, attachments) == Packet(
        packets.EVENT, namespace, None, [name, value]
    )


@given(st.text(max_size=60) | st.from_regex(r"[0-6]([0-9]{1,3}-)?(/[a-z]*,)?[0-9]*[\[{].{0,30}"))
def test_rubbish_is_a_protocol_error(text: str) -> None:
    try:
        packet = decode(text)
    except ProtocolError:
        return
    assert packet.kind in (packets.CONNECT, packets.DISCONNECT, packets.EVENT, packets.ACK)


@given(st.text(max_size=100))
def test_ready_json_is_taken_as_it_is(text: str) -> None:
    payload = json.dumps({"text": text}).encode()
    event, _ = parts(packets.encode_event("/", "message:created", payload))
    assert decode(event).data == ["message:created", {"text": text}]
    ack, _ = parts(packets.encode_ack("/custom", 7, payload))
    assert decode(ack) == Packet(packets.ACK, "/custom", 7, [{"text": text}])


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", Packet(packets.CONNECT, "/", None, None)),
        ("0/admin,", Packet(packets.CONNECT, "/admin", None, None)),
        ("0/admin", Packet(packets.CONNECT, "/admin", None, None)),
        ('0/,{"token":"x"}', Packet(packets.CONNECT, "/", None, {"token": "x"})),
        ('0/admin,{"a":1}', Packet(packets.CONNECT, "/admin", None, {"a": 1})),
        ("1", Packet(packets.DISCONNECT, "/", None, None)),
        ("1/admin,", Packet(packets.DISCONNECT, "/admin", None, None)),
        ('2["foo"]', Packet(packets.EVENT, "/", None, ["foo"])),
        ('212["foo"]', Packet(packets.EVENT, "/", 12, ["foo"])),
        ('2/admin,["bar"]', Packet(packets.EVENT, "/admin", None, ["bar"])),
        ('3/admin,13["bar"]', Packet(packets.ACK, "/admin", 13, ["bar"])),
        ('51-["baz",{"_placeholder":true,"num":0}]',
         Packet(packets.EVENT, "/", None, ["baz", {"_placeholder": True, "num": 0}], 1)),
        ('61-15["bar",{"_placeholder":true,"num":0}]',
         Packet(packets.ACK, "/", 15, ["bar", {"_placeholder": True, "num": 0}], 1)),
    ],
)  # fmt: skip
def test_the_protocols_own_examples(text: str, packet: Packet) -> None:
    assert decode(text) == packet


def test_depth_is_counted_in_what_nests_not_in_brackets() -> None:
    assert decode(json_event("[" * 1000)).data == ["x", "[" * 1000]
    assert decode(json_event([[]] * 100)).data == ["x", [[]] * 100]
    assert decode('2["x",' + "[" * 32 + "]" * 32 + "]").data == ["x", Unfit("too_deep")]


def json_event(value: Any) -> str:
    return "2" + json.dumps(["x", value])


def test_what_json_cannot_hold_is_the_callers_fault() -> None:
    with pytest.raises(TypeError):
        packets.encode(packets.EVENT, "/", ["x", object()])
    assert parts(packets.encode(packets.EVENT, "/", ["x", {1: "int key"}]))[0] == '2["x",{"1":"int key"}]'


HALVES = st.characters(categories=["Cs"])


@example(None, {"": [float("inf")]})
@given(IDS, json_values(LEAVES | st.floats() | st.text(st.characters() | HALVES)))
def test_what_python_s_json_writes_is_read_or_named(identifier: int | None, value: Any) -> None:
    """Whatever an app hands to a library: the event is there, with its name and id."""
    text = f"2{'' if identifier is None else identifier}{json.dumps(['x', value])}"
    packet = decode(text)
    assert packet.id == identifier
    name, found = packet.data
    assert name == "x"
    if not isinstance(found, Unfit):
        assert json.loads(json.dumps(value)) == found
        found = json.dumps(found, ensure_ascii=False, allow_nan=False)
        found.encode()
        return
    assert found.reason in {"not_unicode", "not_a_number", "too_deep"}
    path = value
    for part in found.path.split(".") if found.path else ():
        if "?" in part or "." in str(value) or len(part) == 64:  # it stands for another
            return
        path = path[int(part)] if isinstance(path, list) else path[part]
    with pytest.raises(ValueError):
        json.dumps(path, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("size", [10, 40_000, 100_000])
def test_half_an_emoji_is_named_at_any_length_and_a_whole_one_is_taken(size: int) -> None:
    assert decode('27["x",{"body":"' + "y" * size + '\\ud83d\\ude00"}]').id == 7
    for cut in ("\\ud83d", "\\ude00", "\\ud83dx", "\\\\\\ud83d"):
        found = decode('27["x",{"body":"' + "y" * size + cut + '"}]')
        assert (found.id, found.data[0]) == (7, "x")
        assert found.data[1] == Unfit("not_unicode", "body" if size < 30_000 else "")
    assert decode('27["x","' + "y" * size + '\\\\ud83d"]').data[1].endswith("\\ud83d")


def test_what_is_long_and_no_json_is_answered_without_a_closer_look() -> None:
    assert decode('27["x",{"a":"' + "y" * 200_000 + "}").data == ["x", Unfit("not_json")]
    assert decode('27["x",' + "[" * 20_000).data == ["x", Unfit("too_complex")]
    assert decode('2/a,7["x",' + "[]," * 20_000 + "1]").data == ["x", Unfit("too_complex")]
    for text in ('3/a,7["x",', '27{"x":', '27["connect",', '27["a\\"b",'):
        with pytest.raises(ProtocolError):
            decode(text + "[]," * 20_000 + "1]")
    assert len(decode('27["x","' + "[{" * 20_000 + '\\"["]').data[1]) == 40_002


def test_a_connect_that_was_cut_is_read_with_a_mark() -> None:
    assert decode('0{"token":"a\\ud83d"}').data == {"token": "a?"}
    with pytest.raises(ProtocolError):
        decode('0{"token":NaN}')
