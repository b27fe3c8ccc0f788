"""Hostile loads: the server's memory, its other clients and its way to the exit are unharmed."""

import json
import random
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from tests.wire.engine.conftest import Server, Start
from tests.wire.engine.wire import TIMEOUT, Closed, Poller, Ws, answer, frame, request

MIB = 1 << 20
UPGRADE = "EIO=4&transport=websocket&sid="


def test_who_is_behind_is_found_without_the_room_being_gone_through(start: Start) -> None:
    """On each transport, until they have caught up, have changed over or are gone."""
    with ExitStack() as stack:
        server = stack.enter_context(start(ping_interval=60))
        other = stack.enter_context(Ws(server.port).connect())
        sockets = [stack.enter_context(Ws(server.port, receive_buffer=65_536).connect()) for _ in range(2)]
        pollers = [Poller(server.port).connect() for _ in range(3)]
        for ws in sockets:
            ws.send('421["join","sockets"]')
            ws.expect("431[]")
        for poller in pollers:
            assert poller.post('421["join","pollers"]') == (200, "ok")
            assert poller.poll() == (200, "431[]")

        def behind(room: str) -> tuple[int, int]:
            """How many of a room are, and on how many transports in all something waits."""
            other.send(f'421["behind","{room}",262144]')
            told, scanned, congested = json.loads(other.text()[3:])
            assert told == scanned
            return len(told), congested

        assert behind("sockets") == behind("pollers") == (0, 0)
        other.send('42["flood",600,"pollers"]')
        assert behind("pollers") == (3, 3)
        flooded = 0
        while behind("sockets")[0] < 2:
            other.send('42["flood",100,"sockets"]')
            flooded += 100
        assert behind("pollers") == (3, 5)
        sockets[0].socket.close()
        for _ in range(flooded):
            assert sockets[1].text().startswith('42["flood"')
        heard = 0
        while heard < 600:
            heard += pollers[0].poll()[1].count('42["flood"')
        with Ws(server.port, UPGRADE + pollers[1].sid) as upgraded:
            upgraded.send("2probe")
            upgraded.expect("3probe")
            upgraded.send("5")
            for _ in range(600):
                assert upgraded.text().startswith('42["flood"')
            assert pollers[2].post("1") == (200, "ok")
            deadline = time.monotonic() + TIMEOUT
            while behind("sockets") != (0, 0) or behind("pollers") != (0, 0):
                assert time.monotonic() < deadline


def test_slow_reader_is_evicted_and_the_room_goes_on(start: Start) -> None:
    with start(ping_interval=20) as server, Ws(server.port).connect() as other:
        other.send('421["join","room"]')
        other.expect("431[]")
        with Ws(server.port, receive_buffer=4096).connect() as slow:
            slow.send('421["join","room"]')
            slow.expect("431[]")
            before = server.memory()
            for _ in range(50):  # 40 MB for a client that reads none of it
                other.send('42["flood",800,"room"]')
                for _ in range(800):
                    other.text()
            assert server.memory() - before < 16 * MIB
            slow.expect_closed()
        other.expect_alive()
        assert "slow consumer" in server.log()


def test_slow_poller_is_evicted(server: Server) -> None:
    poller = Poller(server.port).connect()
    with Ws(server.port).connect() as other:
        poller.post('42["join","slow polls"]')
        for _ in range(3):
            other.send('421["flood",1000,"slow polls"]')
            other.expect("431[]")
    assert poller.poll()[0] == 400


def test_a_flood_of_events_is_answered_in_order(server: Server) -> None:
    with Ws(server.port).connect() as ws, Ws(server.port).connect() as other:
        count = 20_000
        data = b"".join(frame(f'42{n}["echo",{n}]'.encode()) for n in range(count))
        sender = threading.Thread(target=ws.raw, args=(data,))
        sender.start()
        other.expect_alive()
        ws.expect(*(f"43{n}[{n}]" for n in range(count)))
        sender.join()


def test_a_flood_that_reads_no_answers(server: Server) -> None:
    with Ws(server.port, receive_buffer=4096).connect() as ws, Ws(server.port).connect() as other:
        event = frame(b'421["echo","' + b"x" * 50_000 + b'"]')
        ws.socket.settimeout(2)
        try:
            for _ in range(1000):
                ws.socket.sendall(event)
        except OSError:  # cut off, or held up by backpressure
            pass
        other.expect_alive()


def test_a_flood_of_pings_that_reads_no_pongs(server: Server) -> None:
    with Ws(server.port, receive_buffer=4096).connect() as ws, Ws(server.port).connect() as other:
        pings = frame(b"x" * 125, 0x89) * 1000
        ws.socket.settimeout(2)
        try:
            for _ in range(200):
                ws.socket.sendall(pings)
        except OSError:
            pass
        other.expect_alive()


def test_a_flood_of_fragments(server: Server) -> None:
    with Ws(server.port).connect() as ws, Ws(server.port).connect() as other:
        ws.raw(frame(b"4", 0x01) + frame(b"", 0x00) * 20_000)
        other.expect_alive()
        ws.raw(frame(b"x" * 99_999 + b"y", 0x00))
        ws.expect_closed()


def test_a_large_message_in_single_bytes_costs_no_more_than_it_sends(server: Server) -> None:
    with Ws(server.port).connect() as ws, Ws(server.port).connect() as other:
        ws.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = frame(b'421["echo","' + b"x" * 20_000 + b'"]')
        for position in range(len(data)):
            ws.raw(data[position : position + 1])
        ws.expect('431["' + "x" * 20_000 + '"]')
        other.expect_alive()


def test_attachments_that_never_come(server: Server) -> None:
    sockets = [Ws(server.port).connect() for _ in range(50)]
    for ws in sockets:
        ws.send('4510-["echo"]')
    with Ws(server.port).connect() as other:
        other.expect_alive()
    for ws in sockets:
        ws.send('42["echo"]')
        ws.expect_closed()
        ws.socket.close()


def test_token_guesses_end_at_the_fourth(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.open()
        ws.send(*(f'40{{"token":"guess {n}"}}' for n in range(3000)))
        for _ in range(4):
            assert ws.text().startswith("44")
        with pytest.raises(Closed):
            ws.text()


def test_sessions_that_never_connect(quick: Server) -> None:
    sockets = [Ws(quick.port) for _ in range(200)]
    for ws in sockets:
        ws.expect_closed()
        ws.socket.close()


def test_reconnecting_without_end(server: Server) -> None:
    for _ in range(300):
        with Ws(server.port).connect():
            pass
    with Ws(server.port).connect() as other:
        other.expect_alive()


def test_connect_and_disconnect_without_end(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        for _ in range(300):
            ws.send("41", "40")
            assert ws.text().startswith("40")
        ws.expect_alive()


def test_polling_sessions_that_are_never_polled(quick: Server) -> None:
    pollers = [Poller(quick.port) for _ in range(200)]
    with Ws(quick.port) as ws:
        ws.open()
        ws.expect_closed()  # it is as old as they are young
    assert pollers[0].poll()[0] == 400


def test_a_post_that_never_ends(quick: Server) -> None:
    poller = Poller(quick.port)
    with socket.create_connection(("127.0.0.1", quick.port), TIMEOUT) as client:
        path = f"/socket.io/?EIO=4&transport=polling&sid={poller.sid}"
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n4".encode())
        assert answer(client)[0] in (400, 408)
    assert poller.poll()[0] == 400


def test_a_chunked_post_without_end(server: Server) -> None:
    poller = Poller(server.port)
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client:
        path = f"/socket.io/?EIO=4&transport=polling&sid={poller.sid}"
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(100):
                client.sendall(b"1000\r\n" + b"4" * 4096 + b"\r\n")
        except OSError:
            return
        assert answer(client)[0] == 413


def test_a_post_that_announces_too_much(server: Server) -> None:
    poller = Poller(server.port)
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client:
        path = f"/socket.io/?EIO=4&transport=polling&sid={poller.sid}"
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 40}\r\n\r\n4".encode())
        assert answer(client)[0] == 413


def test_a_post_of_a_hundred_thousand_packets(server: Server) -> None:
    poller = Poller(server.port).connect()
    assert poller.post("\x1e".join(["3"] * 50_000))[0] == 200
    assert poller.post("\x1e".join(["7"] * 50_000))[0] == 400
    with Ws(server.port).connect() as other:
        other.expect_alive()


def test_connections_that_say_nothing(start: Start, way: str) -> None:
    if way == "asgi":
        pytest.skip("the ASGI server's own connections are its own matter")
    with start(request_timeout=2) as server:
        begun = (b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT", *[b""] * 98)
        clients = []
        for sent in begun:
            clients.append(socket.create_connection(("127.0.0.1", server.port), TIMEOUT))
            clients[-1].sendall(sent)
        assert answer(clients[1])[0] == 404
        for client in clients:
            assert client.recv(100) == b""
            client.close()


def test_a_head_without_end(server: Server, way: str) -> None:
    if way == "asgi":
        pytest.skip("the ASGI server's own connections are its own matter")
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError):
            client.sendall((b"X-Long: " + b"x" * 1000 + b"\r\n") * 50_000)


def test_one_address_has_a_bound(start: Start) -> None:
    with start(max_sessions_per_address=5) as server:
        sockets = [Ws(server.port).connect() for _ in range(5)]
        assert request(server.port, "GET", "/socket.io/?EIO=4&transport=polling")[0] == 429
        with Ws(server.port) as ws:
            assert ws.status in (403, 429)
        sockets[0].send("1")
        sockets[0].expect_closed()
        with Ws(server.port) as ws:
            ws.open()
        for ws in sockets:
            ws.socket.close()


def test_where_no_more_connections_fit_who_is_there_goes_on_and_others_come_when_there_is_room(
    way: str, start: Start
) -> None:
    if way == "asgi":
        pytest.skip("the ASGI server's own connections are its own matter")
    with start(max_connections=3, spare_connections=2) as server, ExitStack() as stack:
        there = [stack.enter_context(Ws(server.port)).connect() for _ in range(3)]
        with Ws(server.port) as refused:
            assert (refused.status, refused.headers["retry-after"]) == (503, "2")
        poll = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"
        for asked, status in ((poll, 503), (b"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n", 404)):
            with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client:
                client.sendall(asked)
                assert answer(client)[0] == status
                assert client.recv(100) == b""  # though it did not ask for that
        spare = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), TIMEOUT))
            for _ in range(3)
        ]
        assert spare[2].recv(100) == b""
        for ws in there:
            ws.expect_alive()
        for client in spare:
            client.close()
        there[0].send("1")
        there[0].expect_closed()
        deadline = time.monotonic() + TIMEOUT
        while (ws := stack.enter_context(Ws(server.port))).status != 101:
            assert time.monotonic() < deadline
        ws.connect().expect_alive()


def test_half_open_upgrades(server: Server) -> None:
    poller = Poller(server.port).connect()
    for _ in range(50):
        with Ws(server.port, UPGRADE + poller.sid) as ws:
            ws.send("2probe")
            ws.expect("3probe")
    poller.post('42["back",1]')
    body = "6"
    while body == "6":
        body = poller.poll()[1]
    assert body == '42["back",1]'


def test_random_bytes(server: Server) -> None:

    source = random.Random(1)
    for _ in range(100):
        with Ws(server.port).connect() as ws:
            ws.raw(source.randbytes(2000))
            ws.socket.shutdown(socket.SHUT_WR)
            ws.expect_closed()
    with Ws(server.port).connect() as other:
        other.expect_alive()


def test_a_large_room_by_one_system_call(start: Start) -> None:
    with start(ping_interval=20, io_uring=True) as server, ExitStack() as stack:
        members = [stack.enter_context(Ws(server.port).connect()) for _ in range(40)]
        slow = stack.enter_context(Ws(server.port, receive_buffer=4096).connect())
        for member in (*members, slow):
            member.send('421["join","room"]')
            member.expect("431[]")
        for n in range(300):
            body = f"{n} " + "x" * random.choice((1, 100, 10_000, 70_000))
            members[n % 40].send(f'42["room","room","{body}"]')
            for member in members:
                member.expect(f'42["room","{body}"]')
        slow.expect_closed()
        for member in members:
            member.expect_alive()


def test_a_room_that_is_sent_to_over_several_turns_hears_all_in_order(server: Server) -> None:
    """And whoever is in it gets what concerns them alone in order with that."""
    members, count = 600, 30
    with ExitStack() as stack:
        sockets = [stack.enter_context(Ws(server.port).connect()) for _ in range(members)]
        for ws in sockets:
            ws.send('421["join","crowd"]')
            ws.expect("431[]")
        for number in range(count):
            sockets[0].send(f'42["room","crowd",{number}]', f'42{number}["back",{number}]')
        for ws in sockets[1:]:
            ws.expect(*(f'42["room",{number}]' for number in range(count)))
        for number in range(count):
            sockets[0].expect(f'42["room",{number}]', f'42["back",{number}]', f"43{number}[]")
