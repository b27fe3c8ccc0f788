"""What wakes the writer's thread."""

import threading
import time

from gochat.storage.signal import Signal


def test_it_is_set_until_it_is_cleared() -> None:
    signal = Signal()
    assert not signal.wait(0)
    signal.set()
    signal.set()
    assert signal.wait(0)
    assert signal.wait(0)
    signal.clear()
    assert not signal.wait(0)


def test_who_waits_is_woken_by_another_thread_each_time() -> None:
    signal, woken = Signal(), [0]

    def work() -> None:
        for _ in range(1_000):
            assert signal.wait(60)
            signal.clear()
            woken[0] += 1

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while thread.is_alive() and time.monotonic() < until:
        signal.set()
    thread.join(1)
    assert woken[0] == 1_000
