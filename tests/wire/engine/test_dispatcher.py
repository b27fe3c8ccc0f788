"""The dispatcher: synchronous, in order, bounded in flight, acked once."""

import socket

import pytest

from tests.wire.engine.conftest import Server, Start
from tests.wire.engine.wire import TIMEOUT, Poller, Ws, answer

IN_FLIGHT = 8  # the server's `max_in_flight`


def test_events_are_answered(dispatching: Server) -> None:
    with Ws(dispatching.port).connect() as ws:
        ws.send('421["echo",1,"2",{"3":null}]', '422["echo"]', '42["echo",1]', '423["encoded",{"a":1}]')
        ws.expect('431[1,"2",{"3":null}]', "432[]", '433[{"a":1}]')


def test_binary_events_come_too(dispatching: Server) -> None:
    with Ws(dispatching.port).connect() as ws:
        ws.send('451-1["echo",{"_placeholder":true,"num":0},"x"]', b"\1\2")
        ws.expect('461-1[{"_placeholder":true,"num":0},"x"]', b"\1\2")


def test_other_namespaces_have_handlers(dispatching: Server) -> None:
    with Ws(dispatching.port).connect() as ws:
        ws.send("40/custom,")
        assert ws.text().startswith("40/custom,")
        ws.send('42/custom,1["echo",1]')
        ws.expect("43/custom,1[1]")


def test_waiting_events_do_not_hold_up_others(dispatching: Server) -> None:
    with Ws(dispatching.port).connect() as ws, Ws(dispatching.port).connect() as other:
        ws.send('421["wait"]', '422["echo"]')
        ws.expect("432[]")
        other.expect_alive()
        other.send('42["open"]')
        ws.expect('431["waited"]')


def expect_silence(client: socket.socket) -> None:
    """Hear nothing for a moment."""
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(100)
    client.settimeout(TIMEOUT)


def test_reading_stops_at_the_bound_and_goes_on(start: Start) -> None:
    with (
        start("dispatcher", max_in_flight=IN_FLIGHT) as server,
        Ws(server.port).connect() as ws,
        Ws(server.port).connect() as other,
    ):
        ws.send(*(f'42{n}["wait"]' for n in range(IN_FLIGHT)), '4299["echo"]')
        other.expect_alive()
        expect_silence(ws.socket)
        other.send('42["open"]')
        answers = {ws.text() for _ in range(IN_FLIGHT + 1)}
        assert answers == {f'43{n}["waited"]' for n in range(IN_FLIGHT)} | {"4399[]"}


def test_a_post_waits_at_the_bound(start: Start) -> None:
    with start("dispatcher", max_in_flight=IN_FLIGHT) as server, Ws(server.port).connect() as other:
        poller = Poller(server.port).connect()
        body = "\x1e".join(f'42{n}["wait"]' for n in range(IN_FLIGHT * 3))
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client:
            path = f"/socket.io/?EIO=4&transport=polling&sid={poller.sid}"
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall((head + body).encode())
            expect_silence(client)
            other.send('42["open"]')
            assert answer(client) == (200, "ok")


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_many_that_are_answered_at_once_beside_as_many_as_may_wait(start: Start, transport: str) -> None:
    """However many come together: each is answered, none within the one before it."""
    waiting = [f'42{n}["wait"]' for n in range(IN_FLIGHT - 1)]
    at_once = [f'42{n}["echo"]' for n in range(1_000, 2_500)]
    wanted = {f"43{n}[]" for n in range(1_000, 2_500)}
    with start("dispatcher", max_in_flight=IN_FLIGHT) as server, Ws(server.port).connect() as other:
        if transport == "polling":
            poller, heard = Poller(server.port).connect(), set[str]()
            assert poller.post("\x1e".join((*waiting, *at_once))) == (200, "ok")
            while not wanted <= heard:
                heard |= set(poller.poll()[1].split("\x1e"))
        else:
            with Ws(server.port).connect() as ws:
                ws.send(*waiting, *at_once)
                assert {ws.text() for _ in at_once} == wanted
        other.send('42["open"]')
