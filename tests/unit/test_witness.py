from gochat.core.witness import KEPT_ROWS, KEPT_S, MAX_PROCESSES, Span, Witness


def test_what_is_there_is_not_missed() -> None:
    witness = Witness()
    witness.saw(1, 5, at=100)
    assert not witness.misses({1: 5, 2: 1}, now=100)
    assert not witness.misses({1: 6}, now=100)


def test_a_lower_number_is_missed_however_long_ago() -> None:
    witness = Witness()
    witness.saw(1, 5, at=float("-inf"))
    assert witness.misses({1: 4}, now=10**9)


def test_a_process_that_is_not_there_is_missed_only_while_its_batches_are_kept() -> None:
    witness = Witness()
    witness.saw(1, 5, at=100)
    witness.saw(2, 7, at=float("-inf"))
    assert witness.misses({}, now=100 + KEPT_S - 1)
    assert not witness.misses({}, now=100 + KEPT_S)


def test_a_batch_seen_again_was_committed_no_later() -> None:
    witness = Witness()
    witness.saw(1, 5, at=100)
    witness.saw(1, 5, at=100 + KEPT_S)
    assert not witness.misses({}, now=100 + KEPT_S)


def test_a_new_history_is_what_there_is_now() -> None:
    witness = Witness()
    witness.saw(1, 5, at=100)
    witness.start_anew({1: 3})
    assert not witness.misses({1: 3}, now=100)
    assert witness.misses({1: 2}, now=100)


def test_what_is_remembered_is_bounded() -> None:
    witness = Witness()
    for process_id in range(MAX_PROCESSES + 10):
        witness.saw(process_id, 1, at=0)
    assert len(witness.seen) == MAX_PROCESSES


def test_of_what_is_forgotten_nothing_is_left() -> None:
    """Those heard of first go first; with what was there when it was looked at."""
    witness = Witness()
    witness.look({0: 5, 1: 5}, at=0)
    for process_id in range(2, MAX_PROCESSES):
        witness.saw(process_id, 1, at=0)
    assert (len(witness.seen), witness.looked) == (MAX_PROCESSES, {0: 5, 1: 5})
    witness.saw(MAX_PROCESSES, 1, at=0)
    assert (min(witness.seen), witness.looked) == (1, {1: 5})


def test_how_long_a_process_is_known() -> None:
    assert (KEPT_S, KEPT_ROWS, MAX_PROCESSES) == (30 * 60, 1_000, 10_000)


def test_what_came_since_the_last_look_has_to_be_whole() -> None:
    witness = Witness()
    witness.saw(1, 5, at=100)
    assert witness.spans({1: 5}) == ()
    witness.look({1: 5, 2: 7}, at=100)
    witness.saw(1, 8, at=101)
    assert witness.spans({1: 9, 2: 7, 3: 4}) == (Span(1, 5, 9),)


def test_what_may_have_been_deleted_is_not_counted() -> None:
    witness = Witness()
    witness.look({1: 5}, at=100)
    assert witness.spans({1: 5 + KEPT_ROWS - 1}) == (Span(1, 5, 5 + KEPT_ROWS - 1),)
    assert witness.spans({1: 5 + KEPT_ROWS}) == ()


def test_a_new_history_is_looked_at_from_where_it_is() -> None:
    witness = Witness()
    witness.look({1: 5, 2: 7}, at=100)
    witness.start_anew({1: 3})
    assert witness.spans({1: 4, 2: 8}) == (Span(1, 3, 4),)
