"""Whether the database answers, has a schema that this code may run on, and lets it write."""

import asyncio
from collections.abc import Callable, Mapping

from gochat.core.errors import ChatError
from gochat.storage import migrate
from gochat.storage.database import Database
from gochat.storage.faults import DATABASE_ERRORS, Fault, fault_of, summary
from gochat.storage.probe import probe

TIMEOUT = 2.0


class DatabaseHealth:
    """Implements `core.ports.health.Health`: the parts `database` and `schema`.

    Args:
        trouble: what the writer suffers from, such as a full disk, which a look does not show; None: nothing.
    """

    def __init__(self, database: Database, trouble: Callable[[], str | None] = lambda: None) -> None:
        self._database = database
        self._trouble = trouble

    async def check(self) -> Mapping[str, str]:
        """Each part, `ok` or what is wrong with it."""
        try:
            async with asyncio.timeout(TIMEOUT):
                standing = await self._database.read(migrate.standing)
                if not standing.fits:
                    return {"database": "ok", "schema": standing.state}
                await self._database.read(probe)
        except (ChatError, TimeoutError) as error:
            cause = error.__cause__
            if isinstance(cause, DATABASE_ERRORS) and fault_of(cause) is Fault.UNABLE:
                return {"database": f"can't be used: {summary(cause)}", "schema": "unknown"}
            return {"database": "does not answer", "schema": "unknown"}
        except DATABASE_ERRORS as error:
            return {"database": f"can't be used: {summary(error)}", "schema": "unknown"}
        trouble = self._trouble()
        return {"database": "ok" if trouble is None else f"can't be used: {trouble}", "schema": "ok"}
