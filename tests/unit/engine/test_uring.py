"""Many sockets are sent to by one system call: what one of them does not take comes back."""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gochat.events.engine import uring
from gochat.events.engine.uring import Uring, open_uring

PAIRS = 32
DATA = b"0123456789"


class Sink:
    """One end of a pair of sockets, and what was put back."""

    def __init__(self, fd: int, data: bytes | None) -> None:
        self.fd = fd
        self.data = data
        self.left = b""

    def take(self) -> bytes | None:
        data, self.data = self.data, None
        return data

    def put_back(self, data: bytes) -> None:
        self.left = data


@pytest.fixture
def ring() -> Iterator[Uring]:
    ring = open_uring()
    if ring is None:
        pytest.skip("this kernel gives us no io_uring")
    yield ring
    ring.close()


def pairs(stack: ExitStack, count: int) -> list[tuple[socket.socket, socket.socket]]:
    made = [socket.socketpair() for _ in range(count)]
    for pair in made:
        for end in pair:
            stack.enter_context(end)
    return made


@pytest.mark.parametrize("count", [1, 16, uring._ENTRIES // 8 + 1])
def test_each_socket_gets_its_own(ring: Uring, count: int) -> None:
    with ExitStack() as stack:
        ends = pairs(stack, count)
        for _ in range(20):  # round the ring
            sent = [random.randbytes(random.choice((1, 100, 3000))) for _ in ends]
            sinks = [Sink(here.fileno(), data) for (here, _), data in zip(ends, sent, strict=True)]
            assert ring.send(sinks) == []
            assert [there.recv(4096) for _, there in ends] == sent


def test_more_than_the_ring_holds(ring: Uring) -> None:
    rounds = 2 * uring._ENTRIES // PAIRS + 1
    with ExitStack() as stack:
        ends = pairs(stack, PAIRS)
        assert ring.send([Sink(here.fileno(), DATA) for _ in range(rounds) for here, _ in ends]) == []
        assert all(there.recv(1 << 20) == DATA * rounds for _, there in ends)


def test_what_is_not_taken_comes_back(ring: Uring) -> None:
    with ExitStack() as stack:
        (full, gone, whole, other) = pairs(stack, 4)
        full[0].setblocking(False)
        body = random.randbytes(uring._BUFFER)
        gone[1].close()
        sinks = [
            Sink(full[0].fileno(), body),
            Sink(full[0].fileno(), body),
            Sink(gone[0].fileno(), b"nobody hears"),
            Sink(whole[0].fileno(), b"heard"),
            Sink(other[0].fileno(), None),
            Sink(-1, b"not past its transport"),
            Sink(other[0].fileno(), body + b"!"),
        ]
        left = ring.send(sinks)
        assert len(left) > 3
        assert set(left) == {*sinks} - {sinks[3]} - ({sinks[0]} if not sinks[0].left else set())
        assert sinks[2].left == b"nobody hears"
        assert whole[1].recv(100) == b"heard"
        assert sinks[5].data == b"not past its transport"
        assert sinks[6].left == body + b"!"
        full[1].setblocking(False)
        arrived = b""
        while len(arrived) < 2 * len(body) - len(sinks[0].left) - len(sinks[1].left):
            arrived += full[1].recv(1 << 20)
        assert arrived == (body[: len(body) - len(sinks[0].left)] + body[: len(body) - len(sinks[1].left)])


def test_a_ring_that_fails_says_so_and_keeps_nothing(ring: Uring) -> None:
    with ExitStack() as stack:
        ((here, there),) = pairs(stack, 1)
        fd, ring._fd = ring._fd, os.open(os.devnull, os.O_RDONLY)
        sinks = [Sink(here.fileno(), b"data") for _ in range(uring._ENTRIES + 2)]
        with pytest.raises(OSError):
            ring.send(sinks)
        os.close(ring._fd)
        ring._fd = fd
        assert {sink.left or sink.data for sink in sinks} == {b"data"}
        there.setblocking(False)
        with pytest.raises(BlockingIOError):
            there.recv(10)


def test_without_it_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uring, "_SETUP", 100_000)
    assert open_uring() is None
