"""What waits by how long a batch takes: who is refused, and when they come again."""

import pytest

from gochat.core.lateness import ACK_S, RETRY_MS, come_back, too_late


@pytest.mark.parametrize(
    ("ahead", "batch_s", "late"),
    [
        (0, 60.0, False),
        (9, 60.0, False),  # into the next batch, however slow the database is
        (10, ACK_S / 2, False),
        (10, ACK_S / 2 + 0.001, True),
        (19, ACK_S / 2, False),
        (20, ACK_S / 2, True),
        (20, ACK_S / 3, False),
        (20, ACK_S / 3 + 0.001, True),
    ],
)
def test_who_is_too_late(ahead: int, batch_s: float, late: bool) -> None:
    assert too_late(ahead, 10, batch_s) is late


def test_users_come_again_apart_from_each_other() -> None:
    waits = [come_back(whose).retry_after_ms or 0 for whose in range(RETRY_MS)]
    assert sorted(waits) == list(range(RETRY_MS, 2 * RETRY_MS))
    assert (waits[0], waits[1], waits[2]) == (1_000, 1_617, 1_234)
    assert (ACK_S, RETRY_MS) == (0.06, 1_000)
