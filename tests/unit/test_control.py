"""The control socket: for its own user alone, and bounded."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gochat.control.client import ask_all, follow_all
from gochat.control.place import PlaceError, folder, socket_path
from gochat.control.server import ControlServer


async def counting() -> AsyncIterator[int]:
    for n in range(3):
        yield n


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_only_its_own_user_can_enter(run_dir: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(folder(run_dir).stat().st_mode) == 0o700
    run_dir.chmod(0o755)
    with pytest.raises(PlaceError, match="RUN_DIR"):
        folder(run_dir)
    (tmp_path / "link").symlink_to(run_dir)
    with pytest.raises(PlaceError):
        folder(tmp_path / "link")
    with pytest.raises(PlaceError):
        folder(Path("/proc/nothing/here"))


def test_processes_are_asked_and_those_that_are_gone_left_out(run_dir: Path) -> None:
    async def scene() -> None:
        servers = [
            ControlServer(
                socket_path(run_dir, 8000, worker), {"who": lambda worker=worker: worker, "count": counting}
            )
            for worker in ("0", "1")
        ]
        for server in servers:
            await server.start()
        assert stat.S_IMODE(os.stat(socket_path(run_dir, 8000, "0")).st_mode) == 0o600
        assert await ask_all(run_dir, 8000, "who") == {"0": "0", "1": "1"}
        assert await ask_all(run_dir, 8001, "who") == {}
        assert await ask_all(run_dir, None, "who") == {"8000-0": "0", "8000-1": "1"}
        assert "error" in (await ask_all(run_dir, 8000, "nonsense"))["0"]
        async with asyncio.timeout(20):
            lines = [line async for line in follow_all(run_dir, 8000, "count")]
        assert sorted(lines) == [(worker, n) for worker in ("0", "1") for n in range(3)]
        await servers[1].close()
        socket_path(run_dir, 8000, "2").touch()  # of one that was killed
        assert await ask_all(run_dir, 8000, "who") == {"0": "0"}
        await servers[0].close()
        assert not socket_path(run_dir, 8000, "0").exists()

    asyncio.run(scene())
