"""How many connections may stay, of the descriptors that there are."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gochat.descriptors import OWN, OWN_EACH, SPARE, for_clients, most, take_most


@contextmanager
def limited(soft: int) -> Iterator[int]:
    """This process asks for no more than that; gives what it may ask for."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("soft", [400, 1_024, 4_096])
@pytest.mark.parametrize("pool_size", [1, 8, 50])
def test_what_the_process_opens_itself_is_kept_for_it(soft: int, pool_size: int) -> None:
    with limited(soft):
        stay, spare = for_clients(pool_size)
    assert stay is not None
    assert stay + spare == soft - OWN - OWN_EACH * pool_size
    assert 0 < spare <= SPARE


def test_as_many_as_the_operators_guide_says() -> None:
    with limited(1_024):
        assert for_clients(8) == (893, 59)


def test_where_the_pool_would_take_all_a_quarter_is_for_clients() -> None:
    with limited(400):
        stay, spare = for_clients(1_000)
    assert stay is not None
    assert stay + spare == 100


def test_all_that_the_process_may_have_is_asked_for() -> None:
    with limited(200) as hard:
        take_most()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
        assert most() == (None if hard == resource.RLIM_INFINITY else hard)
