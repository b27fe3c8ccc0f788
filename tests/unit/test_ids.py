from itertools import pairwise

from gochat.contract.ids import id_in, id_out
from gochat.ids import new_id


def test_new_ids_are_of_63_bits_and_survive_the_wire() -> None:
    for _ in range(1_000):
        number = new_id()
        assert 0 < number < 2**63
        assert id_in(id_out(number)) == number


def test_new_ids_differ_and_cannot_be_counted() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert len(set(ids)) > 990
    assert len({after - before for before, after in pairwise(ids)}) > 900
