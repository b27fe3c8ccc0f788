"""What a client must not send: its connection ends, with a short line in the log, and nobody else notices."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import pytest

from gochat.events.engine import EngineOptions
from tests.wire.engine.conftest import OPTIONS, Server, without_uvicorns_own
from tests.wire.engine.wire import Poller, Ws, frame, request

Raw = bytearray
"""Bytes that go out as they are; str is framed as text, bytes as binary."""

ONE = '{"_placeholder":true,"num":0}'

ENGINE_IO = {
    "open": "0{}",
    "ping": "2",
    "probe": "2probe",
    "type 7": "7",
    "type 9": "9x",
    "letter": "abc",
    "empty": "",
    "blank": " ",
    "NUL": "\0",
    "separator": "4\x1e4",
    "base64 on websocket": "bAQID",
    "emoji": "😀",
    "arabic digit": "٤2[]",
}
SOCKET_IO = {
    "no packet": "4",
    "letter": "4x",
    "type 7": "47",
    "type 9": "49[]",
    "arabic digit": '4٢["x"]',
    "minus": "4-1",
    "blank": "4 2[]",
    "CONNECT with an array": "40/custom,[]",
    "CONNECT with a string": '40/custom,"x"',
    "CONNECT with null": "40/custom,null",
    "CONNECT with an id": "40/custom,1{}",
    "CONNECT with bad JSON": "40/custom,{",
    "CONNECT with attachments": "401-{}",
    "DISCONNECT elsewhere": "41/custom,",
    "DISCONNECT with data": "41{}",
    "DISCONNECT with an id": "417",
    "CONNECT_ERROR": '44{"message":"x"}',
    "CONNECT_ERROR bare": "44",
    "event elsewhere": '42/custom,["x"]',
    "event nowhere": '42/nowhere,["x"]',
    "ack elsewhere": "43/custom,1[]",
    "endless namespace": "42/" + "x" * 300 + ',["x"]',
    "namespace without comma": '42/custom["x"]',
    "event without payload": "42",
    "event with an id only": "421",
    "event as object": "42{}",
    "event as string": '42"x"',
    "event as number": "42 5",
    "event as null": "42null",
    "event as true": "42true",
    "empty array": "42[]",
    "name is a number": "42[1]",
    "name is null": "42[null]",
    "name is an array": "42[[]]",
    "name is an object": "42[{}]",
    "id is letters": '42abc["x"]',
    "id is negative": '42-1["x"]',
    "id is a fraction": '421.5["x"]',
    "id is too large": f'42{2**53}["x"]',
    "id is endless": "42" + "1" * 500 + '["x"]',
    "id is arabic": '42٣["x"]',
    "open array": '42["x"',
    "closed twice": '42["x"]]',
    "rubbish behind": '42["x"]x',
    "single quotes": "42['x']",
    "trailing comma": '42["x",]',
    "leading zero": '42["x",01]',
    "hexadecimal": '42["x",0x1]',
    "comment": '42["x"/**/]',
    "bad escape": '42["x","\\x"]',
    "control character": '42["x","\x01"]',
    "line feed in a string": '42["x","\n"]',
    "byte order mark": '42\ufeff["x"]',
    "reserved connect": '42["connect",{}]',
    "reserved connect_error": '42["connect_error"]',
    "reserved disconnect": '42["disconnect"]',
    "reserved disconnecting": '42["disconnecting"]',
    "reserved newListener": '42["newListener"]',
    "reserved removeListener": '42["removeListener"]',
    "reserved with an id": '421["disconnect","x"]',
    "reserved, escaped": '42["conn\\u0065ct"]',
    "20,000 deep": "42" + "[" * 20_000 + "]" * 20_000,
    "20,000 deep, open": "42" + "[" * 20_000,
    "deep CONNECT": "40/custom," + '{"a":' * 40 + "1" + "}" * 40,
    "ack without an id": "43[]",
    "ack as object": "431{}",
    "ack without payload": "431",
    "ack as string": '431"x"',
}
# Not what JSON can hold, or not what anyone should be handed.
UNFIT = {
    "NaN": '["echo",NaN]',
    "Infinity": '["echo",{"a":[Infinity]}]',
    "minus Infinity": '["echo",-Infinity]',
    "a number beyond": '["echo",1e999]',
    "lone surrogate": '["echo",{"body":"cut \\ud83d"}]',
    "lone low surrogate": '["echo","\\ude00"]',
    "reversed surrogates": '["echo","\\ude00\\ud83d"]',
    "in a key": '["echo",{"\\ud83d":1}]',
    "in capitals": '["echo","\\uD83D"]',
    "behind backslashes": '["echo","\\\\\\ud83d"]',
    "in a long text": '["echo","' + "x" * 60_000 + '\\ud83d"]',
    "deep arrays": '["echo",' + "[" * 40 + "]" * 40 + "]",
    "deep objects": '["echo",' + '{"a":' * 40 + "1" + "}" * 40 + "]",
    "900 deep": '["echo",' + "[" * 900 + "]" * 900 + "]",
    "deep and cut": '["echo","\\ud83d",' + "[" * 40 + "]" * 40 + "]",
    "20,000 arrays": '["echo",' + "[]," * 20_000 + "1]",
}
BINARY: dict[str, list[str | bytes]] = {
    "attachment of nothing": [b"x"],
    "empty attachment of nothing": [b""],
    "no count": [f'45["x",{ONE}]'],
    "no count but a dash": [f'45-["x",{ONE}]'],
    "count 0": ['450-["x"]'],
    "negative count": [f'45-1-["x",{ONE}]'],
    "count over the bound": [f'4511-["x",{ONE}]'],
    "huge count": [f'451000000-["x",{ONE}]'],
    "count is letters": [f'45a-["x",{ONE}]'],
    "text for an attachment": [f'451-["x",{ONE}]', '42["x"]'],
    "ping for an attachment twice": [f'451-["x",{ONE}]', '451-["x",{ONE}]'],
    "no placeholder": ['451-["x"]', b"1"],
    "placeholder out of range": ['451-["x",{"_placeholder":true,"num":1}]', b"1"],
    "placeholder negative": ['451-["x",{"_placeholder":true,"num":-1}]', b"1"],
    "placeholder is a fraction": ['451-["x",{"_placeholder":true,"num":0.5}]', b"1"],
    "placeholder is a string": ['451-["x",{"_placeholder":true,"num":"0"}]', b"1"],
    "placeholder is true": ['451-["x",{"_placeholder":true,"num":true}]', b"1"],
    "placeholder without number": ['451-["x",{"_placeholder":true}]', b"1"],
    "placeholder that is not": [f'452-["x",{ONE},{{"_placeholder":false,"num":1}}]', b"1", b"2"],
    "placeholder with more": ['451-["x",{"_placeholder":true,"num":0,"more":1}]', b"1"],
    "placeholder twice": [f'451-["x",{ONE},{ONE}]', b"1"],
    "placeholder 500 times": ['451-["x",' + ",".join([ONE] * 500) + "]", b"x" * 1000],
    "binary event with a reserved name": [f'451-["connect",{ONE}]', b"1"],
    "binary event with no name": [f"451-[{ONE}]", b"1"],
    "binary ack without an id": [f"461-[{ONE}]", b"1"],
    "binary event elsewhere": [f'451-/custom,["x",{ONE}]', b"1"],
    "attachments over the bound": [
        '452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"x" * 60_000, b"x" * 60_000
    ],
}  # fmt: skip
FRAMES = {
    "unmasked": frame(b'42["x"]', mask=False),
    "RSV1": frame(b'42["x"]', 0xC1),
    "RSV2": frame(b'42["x"]', 0xA1),
    "RSV3": frame(b'42["x"]', 0x91),
    "opcode 3": frame(b"", 0x83),
    "opcode 7": frame(b"", 0x87),
    "opcode 11": frame(b"", 0x8B),
    "opcode 15": frame(b"", 0x8F),
    "not UTF-8": frame(b'42["\xff\xfe"]'),
    "surrogate in UTF-8": frame(b'42["\xed\xa0\x80"]'),
    "overlong UTF-8": frame(b'42["\xc0\xaf"]'),
    "cut UTF-8": frame(b'42["x","\xf0\x9f'),
    "over the limit": frame(b"4" * 100_001),
    "over the limit, announced": frame(b"", size=1 << 20),
    "over the limit by far": frame(b"", size=1 << 62),
    "negative size": frame(b"", size=(1 << 64) - 1),
    "binary over the limit": frame(b"", 0x82, size=1 << 20),
    "over the limit in fragments": frame(b"4" * 60_000, 0x01) + frame(b"4" * 60_000, 0x80),
    "continuation of nothing": frame(b"x", 0x80),
    "message in a message": frame(b"42[", 0x01) + frame(b'42["x"]'),
    "fragmented ping": frame(b"x", 0x09),
    "fragmented close": frame(b"\x03\xe8", 0x08),
    "long ping": frame(b"x" * 126, 0x89),
    "close of one byte": frame(b"\x03", 0x88),
    "close with code 999": frame(b"\x03\xe7", 0x88),
    "close with code 1005": frame(b"\x03\xed", 0x88),
    "close with code 1006": frame(b"\x03\xee", 0x88),
    "close with code 5000": frame(b"\x13\x88", 0x88),
    "close with a reason that is not UTF-8": frame(b"\x03\xe8\xff", 0x88),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}

CASES: dict[str, list[str | bytes | Raw]] = {
    **{f"engine.io: {name}": [packet] for name, packet in ENGINE_IO.items()},
    **{f"socket.io: {name}": [packet] for name, packet in SOCKET_IO.items()},
    **{f"binary: {name}": list(packets) for name, packets in BINARY.items()},
    **{f"frame: {name}": [Raw(data)] for name, data in FRAMES.items()},
}


UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
)
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"


@pytest.fixture(scope="module")
def witness(server: Server) -> Iterator[Ws]:
    """Somebody else on the same server."""
    with Ws(server.port).connect() as ws:
        yield ws


PROMPT = 2
"""Seconds in which the end comes: less than any of the server's timeouts, so that none of them brings it."""


@contextmanager
def one_line_at_most(server: Server) -> Iterator[None]:
    """Whatever is sent meanwhile, one line in the log is all it comes to."""
    before = len(server.log())
    yield
    told = without_uvicorns_own(server.log()[before:])
    assert len(told.splitlines()) <= 1, told


def test_no_timeout_is_prompt() -> None:
    options = asdict(EngineOptions(**OPTIONS))
    times = [value for name, value in options.items() if name.endswith(("_timeout", "_interval"))]
    assert len(times) >= 6
    assert min(times) > PROMPT


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 100


@pytest.mark.parametrize("name", CASES)
def test_hostile_packets_end_the_connection(server: Server, witness: Ws, name: str) -> None:
    with one_line_at_most(server):
        with Ws(server.port).connect() as ws:
            for packet in CASES[name]:
                if isinstance(packet, Raw):
                    ws.raw(bytes(packet))
                else:
                    ws.send(packet)
            ws.expect_closed(PROMPT)
        witness.expect_alive()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("socket.io")])
def test_hostile_packets_on_polling(server: Server, witness: Ws, name: str) -> None:
    packet = CASES[name][0]
    assert isinstance(packet, str)
    with one_line_at_most(server):
        poller = Poller(server.port).connect()
        poller.post(packet)
        while (status := poller.poll()[0]) == 200:  # a CONNECT is judged after the POST is answered
            pass
        assert status == 400
        witness.expect_alive()


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_unfit_is_answered_and_the_connection_lives(
    server: Server, dispatching: Server, witness: Ws, name: str
) -> None:
    bad = ["bad arguments"]
    for one, answer in ((server, [{"error": "bad_arguments"}]), (dispatching, bad)):
        with Ws(one.port).connect() as ws:
            ws.send(f"427{UNFIT[name]}")
            assert json.loads(ws.text().removeprefix("437")) == answer
            ws.send(f"42{UNFIT[name]}")
            ws.send(f"451-8{UNFIT[name][:-1]},{ONE}]")
            ws.send(b"attached")
            assert json.loads(ws.text().removeprefix("438")) == answer
            ws.expect_alive()
    poller = Poller(server.port).connect()
    assert poller.post(f'427{UNFIT[name]}\x1e428["echo",1]') == (200, "ok")
    heard = ""
    while "438[1]" not in heard:
        heard += poller.poll()[1]
    assert "bad_arguments" in heard
    witness.expect_alive()


def test_a_token_that_was_cut_is_no_token(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.open()
        ws.send('40{"token":"\\ud83d"}')
        assert ws.text().startswith("44")


@pytest.mark.parametrize(
    "first", ['42["x"]', "41", "431[]", "4", "44{}", f'451-["x",{ONE}]', "40[]", "x", b"x"]
)
def test_hostile_beginnings(server: Server, witness: Ws, first: str | bytes) -> None:
    with one_line_at_most(server):
        with Ws(server.port) as ws:
            ws.open()
            ws.send(first)
            if first == f'451-["x",{ONE}]':
                ws.send(b"x")
            ws.expect_closed(PROMPT)
        witness.expect_alive()


def test_a_flood_of_bad_packets_is_one_line_each(server: Server, witness: Ws) -> None:
    with Ws(server.port).connect() as ws:
        ws.send("42" + "[" * 20_000)
        ws.expect_closed(PROMPT)
    witness.expect_alive()
    assert max(len(line) for line in server.log().splitlines()) < 300


@pytest.mark.parametrize(
    "head",
    [
        UPGRADE + b"Sec-WebSocket-Version: 13\r\n\r\n",
        UPGRADE + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
        UPGRADE + b"Sec-WebSocket-Version: 8\r\n" + KEY,
        UPGRADE.replace(b"GET", b"POST") + b"Sec-WebSocket-Version: 13\r\n" + KEY,
        UPGRADE.replace(b"io/", b"io/%ff%00") + b"Sec-WebSocket-Version: 13\r\n" + KEY,
        UPGRADE.replace(b"/socket", b"//:::/socket") + b"Sec-WebSocket-Version: 13\r\n" + KEY,
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nGET / HTTP",
        UPGRADE.replace(b"GET", b"CONNECT") + b"Sec-WebSocket-Version: 13\r\n" + KEY,
        UPGRADE.replace(b"GET", b"CONNECT").replace(b"websocket\r", b"h2c\r") + KEY,
        b"GET \xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\1\2\3\r\n\r\n",
        b"GET /socket.io/?EIO=4&transport=polling HTTP/9.9\r\n\r\n",
        b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_hostile_heads_are_refused(server: Server, witness: Ws, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(head)
        status = client.recv(65536).split(b" ")[1]
        assert status in (b"400", b"403", b"404", b"405", b"426", b"500")
    witness.expect_alive()


def test_the_query_may_be_anything(server: Server) -> None:
    for query in (
        "&&&&",
        "=",
        "EIO",
        "%",
        "sid=%00",
        "EIO=4&transport=polling&sid=" + "x" * 5000,
        "%7f",
        "%e9",
    ):
        assert request(server.port, "GET", f"/socket.io/?{query}")[0] == 400
