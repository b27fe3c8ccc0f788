"""SIGTERM: what was accepted is answered, clients are told, the process ends within its grace."""

import signal

import pytest

from tests.wire.engine.conftest import Start
from tests.wire.engine.wire import TIMEOUT, UNKNOWN, Poller, Ws, answer


def test_idle_clients_are_closed(start: Start, way: str) -> None:
    with start() as server:
        sockets = [Ws(server.port).connect() for _ in range(20)]
        server.process.send_signal(signal.SIGTERM)
        for ws in sockets:
            assert ws.expect_closed() == (None if way == "fast" else 1012)  # uvicorn's own
            ws.socket.close()
        assert server.process.wait(TIMEOUT) in (0, -signal.SIGTERM)


def test_pending_polls_do_not_hold_it_up(start: Start, way: str) -> None:
    with start() as server:
        poller = Poller(server.port).connect()
        with poller.pending_poll() as pending:
            assert poller.post('42["unknown"]') == (200, "ok")
            server.process.send_signal(signal.SIGTERM)
            if way == "fast":
                assert answer(pending) == UNKNOWN
            assert server.process.wait(TIMEOUT) in (0, -signal.SIGTERM)


def test_half_open_sockets_do_not_hold_it_up(start: Start) -> None:
    with start(close_timeout=1) as server:
        sockets = [Ws(server.port).connect() for _ in range(5)]
        poller = Poller(server.port).connect()
        assert server.stop() in (0, -signal.SIGTERM)
        assert poller.sid
        for ws in sockets:
            ws.socket.close()


@pytest.mark.parametrize("dispatch", ["handlers", "dispatcher"])
def test_accepted_events_are_acked(start: Start, way: str, dispatch: str) -> None:
    if way == "asgi":
        pytest.skip("an ASGI server closes its websockets itself")
    with start(dispatch) as server, Ws(server.port).connect() as ws, Ws(server.port).connect() as other:
        ws.send('421["until draining"]')
        other.expect_alive()
        server.process.send_signal(signal.SIGTERM)
        ws.expect('431["draining"]')
        assert ws.expect_closed() is None
        assert server.process.wait(TIMEOUT) in (0, -signal.SIGTERM)
