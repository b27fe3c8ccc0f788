"""The supervisor of `gochat serve --workers`: it ends, whatever what it started does."""

import asyncio
import os
import signal

from gochat.supervisor import Supervisor


async def test_it_ends_though_what_looks_at_the_settings_hangs() -> None:
    supervisor = Supervisor(["sleep", "300"], ["sh", "-c", "exec sleep 300"], workers=1, patience=0.2)
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0)  # it hears signals
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(30):
        assert await running == 0
