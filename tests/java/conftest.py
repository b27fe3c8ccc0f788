import pytest

from tests.wire.conftest import ann, ben, direct, http, own, server

__all__ = ["ann", "ben", "direct", "http", "own", "server"]


@pytest.fixture(scope="session")
def serving() -> str:
    """`gochat serve`, as people run it."""
    return "serve"
