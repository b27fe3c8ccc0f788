import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from gochat.contract.ids import id_in, id_out
from gochat.ids import new_id


def test_new_ids_are_of_63_bits_and_survive_the_wire() -> None:
    for _ in range(1_000):
        number = new_id()
        assert 0 < number < 2**63
        assert id_in(id_out(number)) == number


def test_new_ids_differ_and_cannot_be_counted() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert len({after - before for before, after in pairwise(ids)}) > 900


def test_of_one_millisecond_none_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not to several threads: a process writes and registers on threads of its own."""
    monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    with ThreadPoolExecutor(4) as threads:
        many = list(threads.map(lambda _: [new_id() for _ in range(5_000)], range(4)))
    assert len({it for some in many for it in some}) == 20_000
