"""A copy of a SQLite file is whole, whoever writes meanwhile; what was restored has another epoch."""

import asyncio
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gochat import cli
from gochat.storage.backup import copy
from tests.writing.stored import check, read
from tests.writing.world import direct, prepare, send, writing


def test_it_is_made_while_messages_are_written(tmp_path: Path) -> None:
    database, target = tmp_path / "gochat.db", tmp_path / "copy.db"
    url = f"sqlite:///{database}"
    anna, ben = prepare(url, 2)

    async def scenario() -> int:
        async with writing(url) as it:
            cid = await it.create(direct(anna, ben))
            await asyncio.gather(*(it.send(send(cid, anna)) for _ in range(50)))
            copying = asyncio.create_task(asyncio.to_thread(copy, database, target))
            while not copying.done():
                await asyncio.gather(*(it.send(send(cid, anna)) for _ in range(20)))
            assert await copying == target.stat().st_size
            return len(it.seqs_published())

    sent = asyncio.run(scenario())
    stored = read(f"sqlite:///{target}")
    check(stored)
    assert 50 <= len(stored.messages) <= sent
    # A copy of the file alone lacks what stands beside it.
    alone = tmp_path / "alone.db"
    shutil.copy(target, alone)
    check(read(f"sqlite:///{alone}"))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    prepare(f"sqlite:///{tmp_path / 'gochat.db'}", 1)
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(FileExistsError):
        copy(tmp_path / "gochat.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"
    assert sorted(it.name for it in tmp_path.glob("*copy*")) == ["copy.db"]


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    absent = run(cli.app, ["backup", "copy.db"])
    assert (absent.exit_code, "is not there" in absent.output) == (1, True)
    prepare("sqlite:///gochat.db", 1)
    assert run(cli.app, ["backup", "copy.db"]).output.startswith("copy.db has ")
    again = run(cli.app, ["backup", "copy.db"])
    assert (again.exit_code, again.output) == (1, "No copy was made: copy.db is there already\n")
    first, second = (run(cli.app, ["restored"]).output for _ in range(2))
    assert first.startswith("The epoch is ")
    assert first != second
