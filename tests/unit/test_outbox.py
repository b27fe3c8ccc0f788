"""The outbox of the tests' phone: nothing is dropped, and order is kept where it is wanted."""

from tests.phone.outbox import CUTS, LARGE, WINDOW, Draft, Outbox


def drafts(*conversations: str) -> list[Draft]:
    return [Draft(f"key {n}", cid, f"body {n}") for n, cid in enumerate(conversations)]


def fill(outbox: Outbox, *conversations: str) -> list[Draft]:
    written = drafts(*conversations)
    for draft in written:
        outbox.add(draft)
    return written


def test_in_order_one_of_each_conversation_is_in_flight() -> None:
    outbox = Outbox(in_order=True)
    one, two, other = fill(outbox, "a", "a", "b")
    assert outbox.take() == [one, other]
    assert outbox.take() == []
    outbox.postpone(one.key)
    assert outbox.take() == [one]
    assert outbox.settle(one.key) == one
    assert outbox.take() == [two]


def test_without_order_all_go_at_once_up_to_a_bound() -> None:
    outbox = Outbox(in_order=False)
    written = fill(outbox, *["a"] * (WINDOW + 1))
    assert outbox.take() == written[:WINDOW]
    outbox.settle(written[0].key)
    assert outbox.take() == written[WINDOW:]
    assert outbox.keys == [draft.key for draft in written[1:]]


def test_an_answer_that_comes_twice_settles_once() -> None:
    outbox = Outbox()
    (draft,) = fill(outbox, "a")
    assert outbox.settle(draft.key) == draft
    assert outbox.settle(draft.key) is None
    outbox.postpone(draft.key)
    assert not outbox


def test_what_was_about_to_leave_a_lost_connection_waits_again() -> None:
    outbox = Outbox()
    outbox.add(draft := Draft("a", "c", "hello"))
    assert outbox.take() == [draft]
    assert outbox.take() == []
    outbox.lose()
    assert outbox.take() == [draft]


def test_what_is_too_large_is_given_up_and_nothing_else() -> None:
    outbox = Outbox()
    small, large = Draft("a", "c", "x"), Draft("b", "c", "x" * 1_000)
    outbox.add(large)
    outbox.add(small)
    assert outbox.give_up() == []
    outbox.max_payload = 1_000
    assert outbox.give_up() == [large]
    assert outbox.take() == [small]


def test_what_is_large_and_cut_off_twice_is_given_up() -> None:
    outbox = Outbox(in_order=False)
    small, large, late = (
        Draft(key, "c", "x" * size) for key, size in (("a", 10), ("b", LARGE), ("c", LARGE))
    )
    outbox.add(small)
    outbox.add(large)
    for _ in range(CUTS):
        assert outbox.give_up() == []
        outbox.take()
        outbox.lose()
    outbox.add(late)
    assert outbox.give_up() == [large]
    assert outbox.take() == [small, late]
