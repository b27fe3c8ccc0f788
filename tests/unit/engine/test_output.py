"""What goes out in which turn of the loop."""

import asyncio
from collections.abc import Callable

import pytest

from gochat.events.engine.output import CROWD, LATE_S, Output

TURNS = 100


class Socket:
    """What is flushed; it may take a while, or fail."""

    fd = -1

    def __init__(self, sent: list["Socket"], flushing: Callable[[], object] = lambda: None) -> None:
        self._sent = sent
        self._flushing = flushing

    def flush(self) -> None:
        self._sent.append(self)
        self._flushing()

    def take(self) -> bytes | None:
        return None

    def put_back(self, data: bytes) -> None:
        pass


class Scene:
    """An output on a clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.output = Output(io_uring=False, clock=lambda: self.now)
        self.sent: list[Socket] = []

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def room(self, size: int, each_s: float = 0.0, writing_s: float = 0.0) -> list[Socket]:
        """A large room is written to, which takes so long."""
        sockets = [Socket(self.sent, lambda: self.pass_time(each_s)) for _ in range(size)]
        with self.output.crowd():
            for socket in sockets:
                self.output.add(socket)
            self.pass_time(writing_s)
        return sockets

    def one(self) -> Socket:
        """One socket is written to."""
        socket = Socket(self.sent)
        self.output.add(socket)
        return socket


async def turn() -> None:
    await asyncio.sleep(0)


async def test_what_is_written_in_a_turn_goes_out_at_its_end() -> None:
    scene = Scene()
    few = [scene.one() for _ in range(2 * CROWD)]
    assert scene.sent == []
    await turn()
    assert scene.sent == few


async def test_a_large_room_is_sent_to_over_several_turns_each_once_and_others_go_before() -> None:
    scene = Scene()
    room = scene.room(3 * CROWD + 1)
    first = scene.one()
    await turn()
    assert scene.sent == [first, *room[:CROWD]]
    second = scene.one()
    await turn()
    assert scene.sent == [first, *room[:CROWD], second, *room[CROWD : 2 * CROWD]]
    for _ in range(TURNS):
        await turn()
    assert len(scene.sent) == len(room) + 2
    assert [it for it in scene.sent if it in set(room)] == room
    third = scene.one()
    await turn()
    assert scene.sent[-1] is third


async def test_one_room_after_the_other() -> None:
    scene = Scene()
    rooms = [*scene.room(CROWD + 1), *scene.room(CROWD + 1)]
    for _ in range(TURNS):
        await turn()
    assert scene.sent == rooms


async def test_half_of_the_time_is_for_large_rooms() -> None:
    """However long the turns are that the rest takes."""
    scene = Scene()
    chunk_s = LATE_S / 64
    room = scene.room(10 * CROWD, each_s=chunk_s / CROWD)
    scene.pass_time(3 * chunk_s)
    await turn()
    assert len(scene.sent) == 3 * CROWD
    scene.pass_time(2 * chunk_s)
    await turn()
    assert len(scene.sent) == 5 * CROWD
    await turn()
    assert len(scene.sent) == 6 * CROWD
    scene.pass_time(30 * chunk_s)
    await turn()
    assert scene.sent == room


async def test_writing_to_large_rooms_is_in_their_half_of_the_time() -> None:
    scene = Scene()
    chunk_s = LATE_S / 64
    rooms = scene.room(10 * CROWD, chunk_s / CROWD, writing_s=5 * chunk_s)
    await turn()
    assert len(scene.sent) == CROWD
    rooms += scene.room(CROWD, chunk_s / CROWD, writing_s=5 * chunk_s)
    scene.pass_time(2 * chunk_s)
    await turn()
    assert len(scene.sent) == 3 * CROWD
    for _ in range(TURNS):
        await turn()
    assert scene.sent == rooms


async def test_who_waits_for_too_long_is_sent_to_before_anything_else() -> None:
    scene = Scene()
    room = scene.room(6 * CROWD, each_s=LATE_S / 2 / CROWD)
    sent = []
    for _ in range(3):
        await turn()
        sent.append(len(scene.sent) // CROWD)
    assert sent == [1, 2, 6]
    assert scene.sent == room


@pytest.mark.parametrize("size", [2, 2 * CROWD])
async def test_one_that_fails_harms_no_other(size: int) -> None:
    def fail() -> None:
        raise OSError("gone")

    scene = Scene()
    bad = [Socket(scene.sent, fail), Socket(scene.sent, fail)]
    scene.output.add(bad[0])
    with scene.output.crowd():
        scene.output.add(bad[1])
    others = [scene.one(), *scene.room(size)]
    for _ in range(TURNS):
        await turn()
    assert set(scene.sent) == {*bad, *others}
    assert len(scene.sent) == len(others) + 2
