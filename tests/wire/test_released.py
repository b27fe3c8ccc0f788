"""Apps of earlier contracts go on: what they send is taken, and what they read is there, of its type."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.services.gochat import GoChatServer
from tests.wire.conftest import SETTINGS
from tests.wire.released import HERE, Player, missing, shape

RECORDED = sorted(HERE.glob("*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_an_app_of_an_earlier_contract_goes_on(path: Path, tmp_path: Path) -> None:
    steps = json.loads(path.read_text("utf-8"))["steps"]
    lost: list[str] = []

    async def scene(url: str) -> None:
        player = Player(url)
        try:
            for step in steps:
                name = f"{step.get('who')}: {step.get('emit') or step.get('ask') or step['hear']}"
                lost.extend(f"{name}{it}" for it in missing(step["shape"], shape(await player.play(step))))
        finally:
            await player.close()

    with GoChatServer(tmp_path, SETTINGS) as server:
        asyncio.run(scene(server.url))
    assert not lost


def test_what_is_gone_or_of_another_type_is_found() -> None:
    then = {"a": 1, "b": [{"c": "x", "d": None}, {"c": "y"}], "e": None, "f": {"g": True}, "h": []}
    assert list(missing(shape(then), shape(then | {"new": 1, "e": 3, "h": [4]}))) == []
    now: object = {"a": "1", "b": [{"d": 2}], "e": None, "f": None, "h": {}}
    assert list(missing(shape(then), shape(now))) == [
        ".a was integer and is string",
        ".b[].c is gone",
        ".f was {'g': 'boolean'} and is null",
        ".h was [None] and is {}",
    ]
