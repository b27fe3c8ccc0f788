"""Who is heard in which turn of the loop."""

from collections.abc import Callable

from gochat.events.engine.newcomers import EACH_TURN, MOST_BYTES, Newcomers


class Scene:
    """Newcomers whose loop turns when it is told to."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.newcomers = Newcomers(lambda call: self.soon.append(call))
        self.heard: list[bytes] = []

    def begin(self, data: bytes) -> None:
        self.heard.append(data)

    def come(self, *names: int) -> None:
        for name in names:
            if self.newcomers.hears(self, b"%d" % name):
                self.begin(b"%d" % name)

    def turn(self) -> list[int]:
        """Who was heard until a turn was over."""
        heard, self.heard = self.heard, []
        self.begin_next()
        return [*map(int, heard)]

    def begin_next(self) -> None:
        due, self.soon = self.soon, []
        for call in due:
            call()


def test_few_are_heard_at_once() -> None:
    scene = Scene()
    scene.come(1, 2)
    assert scene.turn() == [1, 2]
    scene.come(3)
    assert scene.turn() == [3]
    scene.turn()
    assert not scene.soon, "nothing goes on while nobody comes"


def test_many_are_heard_a_few_in_each_turn_in_the_order_in_which_they_came() -> None:
    scene = Scene()
    scene.come(*range(3 * EACH_TURN))
    assert scene.turn() == [*range(EACH_TURN)]
    scene.come(*range(3 * EACH_TURN, 4 * EACH_TURN))
    for n in range(1, 4):
        assert scene.turn() == [*range(n * EACH_TURN, (n + 1) * EACH_TURN)]
    assert scene.turn() == []
    scene.come(7)
    assert scene.turn() == [7]


def test_so_many_bytes_wait_and_who_says_more_is_heard_at_once() -> None:
    scene = Scene()
    scene.come(*range(EACH_TURN))
    half = b"x" * (MOST_BYTES // 2)
    assert [scene.newcomers.hears(scene, half) for _ in range(3)] == [False, False, True]
    scene.heard.clear()
    scene.begin_next()
    assert scene.heard == [half, half]
    scene.begin_next()
    scene.come(*range(EACH_TURN))
    assert [scene.newcomers.hears(scene, half) for _ in range(3)] == [False, False, True]
