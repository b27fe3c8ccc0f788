"""The Engine.IO 4 protocol text, case by case."""

import http.client
import socket

import pytest

from tests.wire.engine.conftest import Server
from tests.wire.engine.wire import TIMEOUT, Closed, Poller, Ws, answer, frame, request

POLLING = "/socket.io/?EIO=4&transport=polling"
UPGRADE = "EIO=4&transport=websocket&sid="
PINGS = 5
"""They take longer than who answers none is kept, with the times of `QUICK`."""


# Handshake


def test_polling_handshake(server: Server) -> None:
    assert Poller(server.port).handshake | {"sid": ""} == {
        "sid": "",
        "upgrades": ["websocket"],
        "pingInterval": 5000,
        "pingTimeout": 5000,
        "maxPayload": 100_000,
    }


def test_websocket_handshake(server: Server) -> None:
    with Ws(server.port) as ws:
        assert ws.open()["upgrades"] == []


def test_fractions_of_a_second_are_told(quick: Server) -> None:
    handshake = Poller(quick.port).handshake
    assert (handshake["pingInterval"], handshake["pingTimeout"]) == (500, 1500)


def test_second_path_and_path_without_slash(server: Server) -> None:
    for path in ("/api/v1/ws/", "/api/v1/ws", "/socket.io"):
        assert request(server.port, "GET", f"{path}?EIO=4&transport=polling")[0] == 200
        with Ws(server.port, path=path) as ws:
            ws.open()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("transport=polling", 5),
        ("EIO=3&transport=polling", 5),
        ("EIO=abc&transport=polling", 5),
        ("EIO=&transport=polling", 5),
        ("EIO=4", 0),
        ("EIO=4&transport=abc", 0),
        ("EIO=4&transport=", 0),
        ("EIO=4&transport=websocket", 3),
        ("EIO=3&EIO=4&transport=polling", 5),
        ("EIO=4&transport=polling&sid=unknown", 1),
        ("EIO=4&transport=polling&sid=%20", 1),
    ],
)
def test_bad_requests_get_400_with_the_reference_servers_code(server: Server, query: str, code: int) -> None:
    status, body = request(server.port, "GET", f"/socket.io/?{query}")
    assert status == 400
    assert f'"code":{code},' in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "PATCH"])
def test_handshake_is_a_get(server: Server, method: str) -> None:
    assert request(server.port, method, POLLING)[0] == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_other_methods_on_a_session(server: Server, method: str) -> None:
    poller = Poller(server.port)
    assert poller.request(method, f"&sid={poller.sid}")[0] == 400
    poller.connect()


@pytest.mark.parametrize(
    "query",
    ["transport=websocket", "EIO=3&transport=websocket", "EIO=4", "EIO=4&transport=polling", UPGRADE + "x"],
)
def test_bad_websocket_handshakes(server: Server, query: str) -> None:
    with Ws(server.port, query) as ws:
        assert ws.status in (400, 403)


def test_elsewhere_is_not_ours(server: Server) -> None:
    assert request(server.port, "GET", "/socket.io/x?EIO=4&transport=polling")[0] == 404
    with Ws(server.port, path="/other") as ws:
        assert ws.status == 403


@pytest.mark.parametrize(
    "query",
    [
        "transport=polling&b64=1&EIO=4&EIO=4",
        "EIO=4&EIO=3&transport=polling",
        "EIO=4&transport=polling&transport=websocket",
        "EIO=4&transport=pollin%67",
        "%45IO=4&transport=polling",
        "EIO=4&transport=polling&&x=&%zz=%",
        "EIO=4&transport=polling&sid=",
    ],
)
def test_queries_that_are_as_good(server: Server, query: str) -> None:
    assert request(server.port, "GET", f"/socket.io/?{query}")[0] == 200
    with Ws(server.port, query.replace("polling", "websocket").replace("pollin%67", "websocke%74")) as ws:
        ws.open()


@pytest.mark.parametrize("path", ["//socket.io/", "/socket.io//", "//socket.io", "/api/v1/ws//"])
def test_addresses_and_paths_that_end_in_a_slash(server: Server, path: str) -> None:
    """Libraries put the path behind the address, and C# a slash behind the path."""
    assert request(server.port, "GET", f"{path}?EIO=4&transport=polling")[0] == 200
    with Ws(server.port, path=path) as ws:
        ws.open()


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("https://good.example", "x", 200),
        ("https://bad.example", "x", 403),
        ("http://bad.example", "x", 403),
        ("wss://bad.example", "x", 403),
        ("https://good.example.bad", "x", 403),
        ("https://good.example:8443", "x", 403),
        # apps that are pages, and Electron
        ("null", "x", 200),
        ("file://", "x", 200),
        ("capacitor://localhost", "x", 200),
        ("ionic://localhost", "x", 200),
        # native libraries name the host that they connect to: Starscream, React Native
        ("wss://chat.example", "chat.example", 200),
        ("wss://chat.example", "chat.example:443", 200),
        ("ws://chat.example", "chat.example:80", 200),
        ("https://chat.example", "chat.example", 200),
        ("https://Chat.Example", "chat.example", 200),
        ("https://chat.example:8443", "chat.example:8443", 200),
        ("https://chat.example:8443", "chat.example", 200),  # proxies leave the port out
        ("http://[::1]:8000", "[::1]:8000", 200),
        ("http://chat.example:3000", "chat.example:8000", 403),
        ("https://chat.example.bad", "chat.example", 403),
        ("https://", "", 403),
        ("https://x/x", "x", 403),
    ],
)
def test_origins(server: Server, origin: str, host: str, status: int) -> None:
    headers = {"Origin": origin, "Host": host}
    assert request(server.port, "GET", POLLING, headers=headers)[0] == status
    with Ws(server.port, headers=f"Origin: {origin}\r\n", host=host) as ws:
        assert ws.status == (101 if status == 200 else 403)


def test_a_forwarded_host_makes_no_origin_good(server: Server) -> None:
    headers = {"Origin": "https://bad.example", "Host": "x", "X-Forwarded-Host": "bad.example"}
    assert request(server.port, "GET", POLLING, headers=headers)[0] == 403


def test_preflight(server: Server) -> None:
    good = {"Origin": "https://good.example", "Access-Control-Request-Method": "GET"}
    wanted = "authorization, traceparent, x-client-version"
    status, headers = options(server, good | {"Access-Control-Request-Headers": wanted})
    assert status == 204
    assert headers["access-control-allow-origin"] == "https://good.example"
    assert headers["access-control-allow-headers"] == wanted
    assert int(headers["access-control-max-age"]) >= 600
    assert headers["vary"] == "origin"
    _, headers = options(server, good | {"Access-Control-Request-Headers": 'x"<script>'})
    assert "script" not in headers["access-control-allow-headers"]
    assert options(server, good | {"Origin": "https://bad.example"})[0] == 403


def options(server: Server, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    try:
        connection.request("OPTIONS", POLLING, headers=headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


def test_a_page_may_read_errors(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    try:
        connection.request("GET", f"{POLLING}&sid=gone", headers={"Origin": "https://good.example"})
        response = connection.getresponse()
        assert response.status == 400
        assert response.headers["access-control-allow-origin"] == "https://good.example"
    finally:
        connection.close()


@pytest.mark.parametrize(("offered", "answer"), [("chat, v2", "chat"), ("v1", "v1"), (None, None)])
def test_the_first_subprotocol_is_answered(server: Server, offered: str | None, answer: str | None) -> None:
    headers = "" if offered is None else f"Sec-WebSocket-Protocol: {offered}\r\n"
    with Ws(server.port, headers=headers) as ws:
        assert ws.headers.get("sec-websocket-protocol") == answer
        ws.open()


# Long-polling


def test_post_and_poll(server: Server) -> None:
    poller = Poller(server.port).connect()
    assert poller.post('42["back",1]\x1e42["back","é😀"]') == (200, "ok")
    assert poller.poll() == (200, '42["back",1]\x1e42["back","é😀"]')


def test_binary_is_base64_with_b(server: Server) -> None:
    poller = Poller(server.port).connect()
    assert poller.post('451-["back",{"_placeholder":true,"num":0}]\x1ebAQIDBA==') == (200, "ok")
    assert poller.poll() == (200, '451-["back",{"_placeholder":true,"num":0}]\x1ebAQIDBA==')


def test_more_than_sixteen_packets_in_a_post(server: Server) -> None:
    poller = Poller(server.port).connect()
    assert poller.post("\x1e".join(f'42["back",{n}]' for n in range(500))) == (200, "ok")
    received: list[str] = []
    while len(received) < 500:
        received += poller.poll()[1].split("\x1e")
    assert received == [f'42["back",{n}]' for n in range(500)]


def test_second_poll_closes_the_session(server: Server) -> None:
    poller = Poller(server.port)
    with poller.pending_poll() as first, poller.pending_poll() as second:
        assert sorted([answer(first)[0], answer(second)[0]]) == [200, 400]
    assert poller.poll()[0] == 400


def test_second_post_closes_the_session(server: Server) -> None:
    poller = Poller(server.port).connect()
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client:
        path = f"{POLLING}&sid={poller.sid}"
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n4".encode())
        while (status := poller.post('42["x"]')[0]) == 200:
            pass
        assert status == 400
    assert poller.poll()[0] == 400


def test_abandoned_poll_closes_the_session(server: Server) -> None:
    poller = Poller(server.port).connect()
    with Ws(server.port).connect() as watcher:
        watcher.send('421["join","watchers"]')
        watcher.expect("431[]")
        with poller.pending_poll():
            pass
        while watcher.text() != '42["gone","transport close"]':
            pass
    assert poller.poll()[0] == 400


@pytest.mark.parametrize("body", ["", "abc", "x", "\x1e", "4\x1e", "2", "0{}", "7", "bA", "b!", "4x"])
def test_invalid_packet_closes_the_session(server: Server, body: str) -> None:
    poller = Poller(server.port).connect()
    assert poller.post(body)[0] == 400
    assert poller.poll()[0] == 400


@pytest.mark.parametrize("body", ["6", "3", "3probe", "5", "6\x1e3\x1e6"])
def test_what_the_reference_server_overhears(server: Server, body: str) -> None:
    poller = Poller(server.port).connect()
    assert poller.post(f'{body}\x1e42["back",1]\x1e{body}') == (200, "ok")
    assert poller.poll() == (200, '42["back",1]')


def test_a_post_is_bounded_packet_by_packet(server: Server) -> None:
    """Clients that know no `maxPayload` send all that was written offline in one."""
    poller = Poller(server.port).connect()
    body = "\x1e".join(f'42["back","{n} {"x" * 4000}"]' for n in range(200))
    assert len(body) > 8 * 100_000
    assert poller.post(body) == (200, "ok")
    received: list[str] = []
    while len(received) < 200:
        received += poller.poll()[1].split("\x1e")
    assert received == body.split("\x1e")


def test_payload_over_the_limit(server: Server) -> None:
    poller = Poller(server.port).connect()
    assert poller.post(b"4" * 100_001)[0] == 413
    assert poller.poll()[0] == 400


def test_limit_is_in_bytes(server: Server) -> None:
    poller = Poller(server.port).connect()
    assert poller.post('42["echo","' + "é" * 60_000 + '"]')[0] == 413


def test_close_packet_lets_the_poll_go(server: Server) -> None:
    poller = Poller(server.port).connect()
    with poller.pending_poll() as pending:
        assert poller.post("1") == (200, "ok")
        assert answer(pending) == (200, "6")
    assert poller.poll()[0] == 400


# Websocket


def test_every_size_of_frame(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        for size in (0, 1, 100, 125, 126, 127, 65_000, 65_536, 99_000):
            ws.send(f'42["back","{"x" * size}"]')
            ws.expect(f'42["back","{"x" * size}"]')


def test_binary_both_ways(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send('452-["back",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]', b"\1\2", b"\3")
        ws.expect('452-["back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"\3", b"\1\2")


def test_binary_as_base64(server: Server) -> None:
    """What the JavaScript client sends with `forceBase64`."""
    with Ws(server.port).connect() as ws:
        ws.send('451-["back",{"_placeholder":true,"num":0}]', "bAQIDBA==")
        ws.expect('451-["back",{"_placeholder":true,"num":0}]', b"\1\2\3\4")
        ws.send('451-["back",{"_placeholder":true,"num":0}]', "b!")
        assert ws.expect_closed() == 1002


def test_fragments_and_an_interleaved_ping(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.raw(frame(b'421["ec', 0x01) + frame(b"hi", 0x89) + frame(b'ho","', 0x00))
        ws.raw(frame('é"]'.encode(), 0x80))
        assert ws.receive() == (10, b"hi")
        ws.expect('431["é"]')


def test_a_frame_byte_by_byte(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        for byte in frame(b'422["echo","' + b"q" * 300 + b'"]'):
            ws.raw(bytes([byte]))
        ws.expect('432["' + "q" * 300 + '"]')


def test_frames_behind_the_handshake(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.raw(b"".join(frame(p) for p in (b"40", b'421["echo",1]', b'422["echo",2]')))
        ws.open()
        assert ws.text().startswith("40{")
        ws.expect("431[1]", "432[2]")


def test_close_packet_closes(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send("1")
        assert ws.expect_closed() == 1000


def test_close_frame_is_answered(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.raw(frame(b"\x03\xe9bye", 0x88))
        assert ws.expect_closed() == 1001


# Heartbeat


def test_ping_and_pong_on_polling(quick: Server) -> None:
    poller = Poller(quick.port).connect()
    for _ in range(PINGS):
        assert poller.poll() == (200, "2")
        assert poller.post("3") == (200, "ok")


def test_ping_and_pong_on_websocket(quick: Server) -> None:
    with Ws(quick.port, silent=True).connect() as ws:
        for _ in range(PINGS):
            ws.expect("2")
            ws.send("3")


def test_silence_closes(quick: Server) -> None:
    poller = Poller(quick.port).connect()
    with Ws(quick.port, silent=True).connect() as ws:
        ws.expect("2")
        assert ws.expect_closed() is None
    assert poller.poll()[0] == 400


# Upgrade


def test_upgrade(server: Server) -> None:
    poller = Poller(server.port).connect()
    with poller.pending_poll() as pending, Ws(server.port, UPGRADE + poller.sid) as ws:
        ws.send("2probe")
        ws.expect("3probe")
        assert answer(pending) == (200, "6")
        ws.send("5", '421["echo",1]')
        ws.expect("431[1]")
        assert poller.poll()[0] == 400
        assert poller.post('42["x"]')[0] == 400
        ws.expect_alive()


def test_next_poll_is_released_too(server: Server) -> None:
    poller = Poller(server.port).connect()
    with Ws(server.port, UPGRADE + poller.sid) as ws:
        ws.send("2probe")
        ws.expect("3probe")
        assert poller.poll() == (200, "6")


def test_every_poll_is_released_until_the_upgrade_is_done(server: Server) -> None:
    """NOOP and the probe's answer come on two connections: the client may poll again in between."""
    poller = Poller(server.port).connect()
    with Ws(server.port, UPGRADE + poller.sid) as ws:
        ws.send("2probe")
        ws.expect("3probe")
        for _ in range(3):
            assert poller.poll() == (200, "6")
        ws.send("5")
        ws.expect_alive()


def test_what_was_queued_for_polling_comes_first(server: Server) -> None:
    poller = Poller(server.port).connect()
    with Ws(server.port, UPGRADE + poller.sid) as ws:
        ws.send("2probe")
        ws.expect("3probe")
        assert poller.poll() == (200, "6")
        assert poller.post("\x1e".join(f'42["back",{n}]' for n in range(10))) == (200, "ok")
        ws.send("5", '42["back",10]')
        ws.expect(*(f'42["back",{n}]' for n in range(11)))


@pytest.mark.parametrize("packets", [["2"], ["2probe", "4"], ["3probe"], ["6"], ["2probe", "6"], [b"x"]])
def test_bad_upgrade_leaves_polling_alone(server: Server, packets: list[str | bytes]) -> None:
    poller = Poller(server.port).connect()
    with Ws(server.port, UPGRADE + poller.sid) as ws:
        ws.send(*packets)
        ws.expect_closed()
    poller.post('42["back",1]')
    body = poller.poll()[1]
    assert (poller.poll()[1] if body == "6" else body) == '42["back",1]'


@pytest.mark.parametrize("packets", [["5"], ["2probe", "2probe", "5"], ["2probe", "5", "6"], ["5", "5", "3"]])
def test_upgrades_as_libraries_do_them(server: Server, packets: list[str]) -> None:
    """C# sends no probe, and polls no more; Swift sends what waited for a POST, a NOOP, behind the `5`."""
    poller = Poller(server.port)
    poller.post("40")
    with Ws(server.port, UPGRADE + poller.sid) as ws:
        ws.send(*packets, '42["back",1]')
        received = [ws.text() for _ in range(2 + packets.count("2probe"))]
        assert [text for text in received if text[:3] != "40{"] == [
            *["3probe"] * packets.count("2probe"),
            '42["back",1]',
        ]
        ws.expect_alive()


def test_aborted_upgrade_can_be_tried_again(server: Server) -> None:
    poller = Poller(server.port).connect()
    for _ in range(3):
        with Ws(server.port, UPGRADE + poller.sid) as ws:
            ws.send("2probe")
            ws.expect("3probe")
            ws.send("1")
            ws.expect_closed()
    with Ws(server.port, UPGRADE + poller.sid) as ws:
        ws.send("2probe", "5")
        ws.expect("3probe")
        ws.expect_alive()


def test_second_websocket_is_closed(server: Server) -> None:
    with Ws(server.port) as first:
        sid = first.open()["sid"]
        first.send("40")
        first.text()
        with Ws(server.port, UPGRADE + sid) as second:
            assert second.status == 101
            second.expect_closed()
        first.expect_alive()


def test_fifty_websockets_for_one_session(server: Server) -> None:
    poller = Poller(server.port).connect()
    sockets = [Ws(server.port, UPGRADE + poller.sid) for _ in range(50)]
    for ws in sockets[1:]:
        ws.expect_closed()
        ws.socket.close()
    with sockets[0] as ws:
        ws.send("2probe", "5")
        ws.expect("3probe")
        ws.expect_alive()


def test_upgrade_takes_its_time(quick: Server) -> None:
    poller = Poller(quick.port)
    with Ws(quick.port, UPGRADE + poller.sid) as ws, pytest.raises(Closed):
        ws.receive()
