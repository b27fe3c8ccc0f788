"""The whole application in the tests' own process, over each database."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gochat.config import load_settings
from gochat.main import Chat
from gochat.storage.migrate import upgrade
from tests.contract.rest import Rest


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings that a test module wants otherwise."""
    return {}


@pytest.fixture
async def rest(database_url: str, overrides: dict[str, Any]) -> AsyncIterator[Rest]:
    """REST over a real and empty database, by the same composition as in production."""
    upgrade(database_url)
    scheme, _, path = database_url.partition(":///")
    place = {"sqlite_path": path} if scheme == "sqlite" else {"mysql_url": database_url}
    cheap = {"argon2_memory_kib": 8_192, "argon2_time_cost": 1, "login_rate": "10000/minute"}
    chat = Chat(load_settings(jwt_secret="k3" * 20, **place, **{**cheap, **overrides}))
    await chat.start()
    yield Rest(chat)
    await chat.stop()
