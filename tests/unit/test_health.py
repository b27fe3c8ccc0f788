"""Who asks about health: all share one look at the parts."""

import asyncio
from collections.abc import Mapping

import pytest

from gochat import readiness
from gochat.readiness import Readiness


class Database:
    """A part, and how often it was asked."""

    asked = 0

    async def check(self) -> Mapping[str, str]:
        self.asked += 1
        await asyncio.sleep(0)
        return {"database": f"answer {self.asked}"}


def test_many_who_ask_cost_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "KEPT_S", 60.0)
    database = Database()
    parts = Readiness(database)

    async def scenario() -> None:
        answers = await asyncio.gather(*(parts.check() for _ in range(100)))
        assert [*answers, await parts.check()] == [{"database": "answer 1"}] * 101
        monkeypatch.setattr(readiness, "KEPT_S", 0.0)
        assert await parts.check() == {"database": "answer 2"}

    asyncio.run(scenario())


def test_who_stops_waiting_takes_no_answer_from_others() -> None:
    database = Database()
    parts = Readiness(database)

    async def scenario() -> None:
        asking = [asyncio.create_task(parts.check()) for _ in range(2)]
        await asyncio.sleep(0)
        asking[0].cancel()
        assert await asking[1] == {"database": "answer 1"}

    asyncio.run(scenario())
