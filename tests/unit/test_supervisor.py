"""The supervisor of `gochat serve --workers`: when its workers serve, and that it ends whatever they do."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from gochat.supervisor import Supervisor


async def test_it_ends_though_what_looks_at_the_settings_hangs() -> None:
    supervisor = Supervisor(["sleep", "300"], ["sh", "-c", "exec sleep 300"], workers=1, patience=0.2)
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0)  # it hears signals
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(30):
        assert await running == 0


@pytest.mark.parametrize(
    ("look", "status", "serves"), [("exit 0", 3, True), ("sleep 0.3; exit 78", 78, False)]
)
async def test_no_worker_serves_before_the_settings_were_looked_at(
    tmp_path: Path, look: str, status: int, serves: bool
) -> None:
    served = tmp_path / "served"
    worker = f"read go && touch {served}; exit 3"
    supervisor = Supervisor(["sh", "-c", look], ["sh", "-c", worker], workers=2, patience=20)
    async with asyncio.timeout(30):
        assert await supervisor.run() == status
    assert served.exists() is serves


async def test_workers_that_end_all_at_once_end_it() -> None:
    """Of some it is not heard yet when the first one stops them all."""
    supervisor = Supervisor(["true"], ["sh", "-c", "read go; exit 3"], workers=24, patience=20)
    async with asyncio.timeout(60):
        assert await supervisor.run() == 3
