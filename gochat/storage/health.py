"""Whether the database answers and has the schema that this code needs."""

import asyncio
from collections.abc import Mapping

from gochat.core.errors import ChatError
from gochat.storage import migrate
from gochat.storage.database import Database

TIMEOUT = 2.0


class DatabaseHealth:
    """Implements `core.ports.health.Health`: the parts `database` and `schema`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self) -> Mapping[str, str]:
        """Each part, `ok` or what is wrong with it."""
        try:
            async with asyncio.timeout(TIMEOUT):
                standing = await self._database.read(migrate.standing)
        except (ChatError, TimeoutError):
            return {"database": "does not answer", "schema": "unknown"}
        return {"database": "ok", "schema": standing.state}
