"""The whole application in the tests' own process, over each database."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.rest import Rest, running


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings that a test module wants otherwise."""
    return {}


@pytest.fixture
async def rest(database_url: str, overrides: dict[str, Any]) -> AsyncIterator[Rest]:
    """REST over a real and empty database."""
    async with running(database_url, **overrides) as rest:
        yield rest
