from gochat.core.witness import KEPT_S, MAX_PROCESSES, Witness


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
