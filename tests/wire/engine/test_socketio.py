"""The Socket.IO 5 protocol text, case by case, and what DESIGN promises about connections."""

import json

import pytest

from tests.wire.engine.conftest import Server, Start
from tests.wire.engine.wire import UNKNOWN, Poller, Ws, answer, frame

REFUSED = '44{"message":"bad token","data":{"code":"unauthorized","message":"bad token"}}'


# Connection to a namespace


def test_connect_answers_with_a_sid(server: Server) -> None:
    with Ws(server.port) as ws:
        engine_sid = ws.open()["sid"]
        ws.send("40")
        text = ws.text()
        assert list(json.loads(text[2:])) == ["sid"]
        assert json.loads(text[2:])["sid"] != engine_sid


def test_connect_with_auth(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.connect('40{"token":"good"}').expect_alive()


def test_swifts_form_of_the_main_namespace(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.connect('40/,{"token":"good"}').expect_alive()


def test_connecting_twice_is_connecting_once(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.open()
        ws.send("40", "40", "40")
        assert ws.text().startswith("40{")
        ws.expect_alive()


def test_custom_namespace(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.open()
        ws.send("40/custom,")
        assert ws.text().startswith('40/custom,{"sid":')
        ws.send('42/custom,7["echo",1,"2"]')
        ws.expect('43/custom,7[1,"2"]')


def test_unknown_namespace(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.open()
        ws.send("40/unknown")
        ws.expect('44/unknown,{"message":"Invalid namespace"}')


def test_refused_connect_may_be_tried_three_times_more(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.open()
        for _ in range(3):
            ws.send('40{"token":"bad"}')
            ws.expect(REFUSED)
        ws.send('40{"token":"good"}')
        assert ws.text().startswith('40{"sid"')
        ws.expect_alive()


def test_fifth_refusal_closes(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.open()
        for _ in range(4):
            ws.send('40{"token":"bad"}')
            ws.expect(REFUSED)
        ws.expect_closed()


def test_refused_connect_on_polling(server: Server) -> None:
    poller = Poller(server.port)
    assert poller.post('40{"token":"bad"}') == (200, "ok")
    assert poller.poll() == (200, REFUSED)
    poller.connect()


def test_no_connect_in_time_closes(quick: Server) -> None:
    with Ws(quick.port) as ws:
        ws.open()
        ws.expect_closed()


def test_refused_connect_closes_in_time(quick: Server) -> None:
    with Ws(quick.port) as ws:
        ws.open()
        ws.send('40{"token":"bad"}')
        ws.expect(REFUSED)
        ws.expect_closed()


def test_nothing_comes_before_the_answer(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.open()
        ws.send('40{"token":"early"}')
        assert ws.text().startswith('40{"sid"')
        ws.expect('42["early",1]')


def test_events_sent_while_connecting_are_handled_after_it(server: Server) -> None:
    with Ws(server.port) as ws:
        ws.open()
        ws.send("40", *(f'42{n}["echo",{n}]' for n in range(100)))
        assert ws.text().startswith('40{"sid"')
        ws.expect(*(f"43{n}[{n}]" for n in range(100)))


# Events and acks


def test_order_of_one_client(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send(*(f'42{n}["echo",{n}]' for n in range(1000)))
        ws.expect(*(f"43{n}[{n}]" for n in range(1000)))


def test_ack_id_zero_and_the_largest(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send('420["echo"]', f'42{2**53 - 1}["echo"]')
        ws.expect("430[]", f"43{2**53 - 1}[]")


def test_binary_ack(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send('451-9["echo",{"_placeholder":true,"num":0},"x"]', b"\0\1")
        ws.expect('461-9[{"_placeholder":true,"num":0},"x"]', b"\0\1")


def test_every_event_gets_an_answer(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send('421["unknown"]', '422["fixed",1]', '423["fixed"]', '424["fixed",1,2]')
        ws.expect('431[{"error":"unknown_event"}]', '432["fixed"]')
        ws.expect('433[{"error":"bad_arguments"}]', '434[{"error":"bad_arguments"}]')


def test_placeholder_without_binary_is_data(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send('425["echo",{"_placeholder":true,"num":0}]')
        ws.expect('435[{"_placeholder":true,"num":0}]')


def test_ack_of_nothing_is_ignored(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send("430[]", "431[1]", '461-1[{"_placeholder":true,"num":0}]', b"x")
        ws.expect_alive()


# Rooms


def test_room_reaches_every_transport_in_order(server: Server) -> None:
    poller = Poller(server.port).connect()
    with Ws(server.port).connect() as sender, Ws(server.port).connect() as other:
        for ws in (sender, other):
            ws.send('421["join","order"]')
            ws.expect("431[]")
        poller.post('42["join","order"]')
        sender.send(*(f'42["room","order",{n}]' for n in range(200)))
        sender.expect(*(f'42["room",{n}]' for n in range(200)))
        other.expect(*(f'42["room",{n}]' for n in range(200)))
        received: list[str] = []
        while len(received) < 200:
            received += poller.poll()[1].split("\x1e")
        assert received == [f'42["room",{n}]' for n in range(200)]


def test_one_write_for_many_packets_keeps_them_apart(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send('42["many",1000]')
        ws.expect(*(f'42["many",{{"number":{n}}}]' for n in range(1000)))


# Disconnection


def test_disconnect_leaves_the_connection_for_another_connect(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send("41", "40")
        assert ws.text().startswith('40{"sid"')
        ws.expect_alive()


def test_disconnected_and_idle_closes(quick: Server) -> None:
    with Ws(quick.port).connect() as ws:
        ws.send("41")
        ws.expect_closed()


def test_one_namespace_is_left_and_the_other_lives(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send("40/custom,")
        assert ws.text().startswith("40/custom,")
        ws.send("41/custom,")
        ws.expect_alive()


def test_server_disconnect_says_so_and_closes(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send('42["quit"]')
        ws.expect("41")
        assert ws.expect_closed() == 1000
    poller = Poller(server.port).connect()
    poller.post('42["quit"]')
    assert poller.poll() == (200, "41")
    assert poller.poll() == (200, "1")
    assert poller.poll()[0] == 400


def test_eviction_closes_without_disconnect(server: Server) -> None:
    with Ws(server.port).connect() as ws:
        ws.send('42["evict"]')
        assert ws.expect_closed() is None
    poller = Poller(server.port).connect()
    with poller.pending_poll() as pending:
        poller.post('42["evict"]')
        assert answer(pending) == UNKNOWN
    assert poller.poll()[0] == 400


@pytest.mark.parametrize("answers", [True, False])
def test_who_is_hung_up_on_has_a_while_to_read_all(start: Start, way: str, answers: bool) -> None:
    """Libraries drop what they hold unread when the connection ends: it ends when they answer a ping."""
    if way == "asgi":
        pytest.skip("an ASGI application can't send a ping")
    with start(close_timeout=0.5) as server, Ws(server.port, silent=True).connect() as ws:
        ws.send('42["evict"]')
        opcode, payload = ws.receive()
        assert opcode == 9
        if answers:
            ws.raw(frame(payload, 0x8A))
        assert ws.expect_closed() is None


@pytest.mark.parametrize("end", ["41", "1", ""])
def test_leaving_tells_the_others(server: Server, end: str) -> None:
    with Ws(server.port).connect() as watcher:
        watcher.send('421["join","watchers"]')
        watcher.expect("431[]")
        with Ws(server.port).connect() as ws:
            ws.send(*([end] if end else []))
        expected = "client disconnect" if end == "41" else "transport close"
        while watcher.text() != f'42["gone","{expected}"]':
            pass


def test_server_disconnect_waits_for_an_upgrade(server: Server) -> None:
    poller = Poller(server.port).connect()
    with Ws(server.port, f"EIO=4&transport=websocket&sid={poller.sid}") as ws:
        ws.send("2probe")
        ws.expect("3probe")
        assert poller.poll() == (200, "6")
        assert poller.post('42["quit"]') == (200, "ok")
        ws.send("5")
        ws.expect("41")
        assert ws.expect_closed() == 1000


def test_who_is_to_come_again_hears_no_refusal_however_far_an_upgrade_is(server: Server) -> None:
    """The libraries take CONNECT_ERROR for final: Java's would have stayed away for ever."""
    for packets in ((), ("2probe",), ("2probe", "5")):
        poller = Poller(server.port)
        with Ws(server.port, f"EIO=4&transport=websocket&sid={poller.sid}") as ws:
            ws.send(*packets[:1])
            if packets:
                ws.expect("3probe")
            assert poller.post('40{"token":"later"}') == (200, "ok")
            ws.send(*packets[1:])
            if len(packets) == 2:
                assert ws.expect_closed() is None
        if len(packets) < 2:
            assert poller.poll()[0] == 400


def test_server_disconnect_survives_an_aborted_upgrade(server: Server) -> None:
    poller = Poller(server.port).connect()
    with Ws(server.port, f"EIO=4&transport=websocket&sid={poller.sid}") as ws:
        ws.send("2probe")
        ws.expect("3probe")
        assert poller.poll() == (200, "6")
        assert poller.post('42["quit"]') == (200, "ok")
    assert poller.poll() == (200, "41")
    assert poller.poll() == (200, "1")
