from gochat.core.presence import ALIVE_MS, Presence, Sighting, is_alive, presence

NOW = 1_000_000


def seen(*processes: str, went_at: int | None = None) -> Sighting:
    return Sighting(frozenset(processes), went_at)


def test_online_while_any_process_that_holds_him_lives() -> None:
    beats = {"a": NOW - ALIVE_MS, "b": NOW - ALIVE_MS + 1}
    assert presence(1, seen("a", "b"), beats, NOW) == Presence(1, online=True)


def test_a_process_that_died_took_him_with_it() -> None:
    gone = NOW - ALIVE_MS
    assert presence(1, seen("a", went_at=gone - 5), {"a": gone}, NOW) == Presence(1, False, gone)


def test_he_went_by_himself() -> None:
    assert presence(1, seen(went_at=5), {"a": NOW}, NOW) == Presence(1, False, 5)


def test_nothing_is_known_of_who_never_came_or_whose_process_is_forgotten() -> None:
    assert presence(1, seen(), {}, NOW) == presence(1, seen("x"), {}, NOW) == Presence(1)


def test_a_process_is_taken_for_dead_after_fifteen_seconds() -> None:
    assert [is_alive(0, now) for now in (14_999, 15_000)] == [True, False]
