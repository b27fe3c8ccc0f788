"""The whole application in the tests' own process, over each database."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gochat.storage import turns, writer
from tests.contract.rest import Rest, running

PATIENCE_S = 60.0
"""How long what is written may wait, unless that is what a test is about: on a busy machine it does wait."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that refuses and gives up nobody for a machine that has much to do."""
    monkeypatch.setattr(turns, "WAIT_SECONDS", PATIENCE_S)
    monkeypatch.setattr(writer, "WAIT_SECONDS", PATIENCE_S)
    monkeypatch.setattr(writer, "ANSWER_SECONDS", PATIENCE_S)


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings that a test module wants otherwise."""
    return {}


@pytest.fixture
async def rest(database_url: str, overrides: dict[str, Any]) -> AsyncIterator[Rest]:
    """REST over a real and empty database."""
    async with running(database_url, **overrides) as rest:
        yield rest
