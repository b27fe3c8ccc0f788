"""The deletion of accounts, in a process that kills itself at one of its steps."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

from gochat.storage import erasure, load
from gochat.storage.database import Database
from tests.writing.world import writing


def run(url: str, messages: Any, point: int) -> None:
    """Delete the accounts that are due; die at the `point`th step, 0: never.

    A step is before a statement or COMMIT, or after it: so within a transaction as well as between two.
    """
    left = point

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any) -> Any:
            step()
            answer = call(*arguments)
            step()
            return answer

        return around

    for owner, name in (
        (erasure, "run"),
        (erasure, "fetch"),
        (load.Transaction, "find_each"),
        (load.Transaction, "run"),
        (load.Transaction, "commit"),
    ):
        setattr(owner, name, counted(getattr(owner, name)))

    async def erase() -> None:
        database = Database(url, pool_size=2)
        async with writing(url) as it:
            await erasure.Erasure(database, it.writer, messages).catch_up()
        await database.close()

    asyncio.run(erase())
