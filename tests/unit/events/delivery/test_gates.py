import asyncio

import pytest

from gochat.core.errors import NotFound, Unavailable
from gochat.events.delivery import gates as module
from gochat.events.delivery.gate import MeNotice
from gochat.events.delivery.gates import Gates


class Log:
    """A user's own log in a database that may be away, and what is handed on of it."""

    def __init__(self) -> None:
        self.revision = 0
        self.part = 100
        self.failures: list[Exception] = []
        self.reads = 0
        self.passed: list[MeNotice] = []
        self.news = asyncio.Event()
        self.gates: Gates[int, MeNotice] = Gates("user", self.hand_on, self.read)
        self.faults: list[Exception] = []

    async def read(self, key: int, since: int) -> MeNotice:
        self.reads += 1
        if self.failures:
            raise self.failures.pop()
        return MeNotice(key, since, min(self.revision, since + self.part), b"{}")

    def hand_on(self, notice: MeNotice) -> None:
        if self.faults:
            raise self.faults.pop()
        self.passed.append(notice)
        self.news.set()

    async def reach(self, revision: int) -> None:
        async with asyncio.timeout(10):
            while not self.passed or self.passed[-1].revision < revision:
                self.news.clear()
                await self.news.wait()
        mine = 0
        for notice in self.passed:
            assert notice.since == mine < notice.revision
            mine = notice.revision


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0)
    monkeypatch.setattr(module, "RETRY_S", 0)


async def test_numbers_alone_are_read_from_the_database() -> None:
    log = Log()
    log.gates.open(7, 0)
    log.revision = 3
    log.gates.learn(7, 3)
    await log.reach(3)


async def test_much_is_read_part_by_part() -> None:
    log = Log()
    log.part = 2
    log.gates.open(7, 0)
    log.revision = 5
    log.gates.learn(7, 5)
    await log.reach(5)
    assert len(log.passed) == 3


async def test_a_database_that_is_away_is_asked_again() -> None:
    log = Log()
    log.gates.open(7, 0)
    log.failures = [Unavailable(), ValueError("a bug"), Unavailable()]
    log.revision = 1
    log.gates.learn(7, 1)
    await log.reach(1)


async def test_what_comes_in_time_is_not_read() -> None:
    log = Log()
    log.gates.open(7, 0)
    log.gates.offer(7, MeNotice(7, 1, 2, b"{}"))
    log.gates.offer(7, MeNotice(7, 0, 1, b"{}"))
    await log.reach(2)
    await asyncio.sleep(0)
    assert log.reads == 0


async def test_a_log_that_is_gone_is_forgotten() -> None:
    log = Log()
    log.gates.open(7, 0)
    log.failures = [NotFound()]
    log.gates.learn(7, 1)
    async with asyncio.timeout(10):
        while 7 in log.gates:  # noqa: ASYNC110 (nothing tells)
            await asyncio.sleep(0)
    assert log.passed == []


async def test_what_nobody_hears_is_not_read() -> None:
    log = Log()
    log.gates.open(7, 0)
    log.gates.learn(7, 1)
    log.gates.close(7)
    log.gates.learn(7, 1)
    await asyncio.sleep(0.01)
    assert log.reads == 0


@pytest.mark.parametrize("is_read", [False, True])
async def test_a_fault_in_handing_on_one_entry_holds_up_no_other(is_read: bool) -> None:
    log = Log()
    log.gates.open(1, 0)
    log.faults.append(ValueError("a fault of ours"))
    log.revision = 1
    if is_read:
        log.gates.learn(1, 1)
        async with asyncio.timeout(10):
            while log.faults:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    else:
        log.gates.offer(1, MeNotice(1, 0, 1, b"{}"))
    log.gates.offer(1, MeNotice(1, 1, 2, b"{}"))
    assert [notice.revision for notice in log.passed] == [2]


async def test_it_is_known_what_was_handed_on_after_nobody_hears_it() -> None:
    log = Log()
    log.gates.open(7, 3)
    for since in (3, 4):
        log.gates.offer(7, MeNotice(7, since, since + 1, b"{}"))

    def known() -> list[int]:
        return [since for since in range(8) if log.gates.handed_on(7, MeNotice(7, since, since + 1, b"{}"))]

    assert known() == [3, 4], "not what was before it was heard"
    assert log.gates.close(7)
    assert known() == [0, 1, 2, 3, 4]
    log.gates.open(7, 6)
    log.gates.offer(7, MeNotice(7, 6, 7, b"{}"))
    assert known() == [0, 1, 2, 3, 4, 6]
    log.gates.close_all()
    assert known() == [], "the revisions may come again, of another history"


async def test_what_is_known_of_logs_that_nobody_hears_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CLOSED", 2)
    log = Log()
    for key in (1, 2, 1, 3):
        log.gates.open(key, 1)
        log.gates.close(key)
    assert [key for key in (1, 2, 3) if log.gates.handed_on(key, MeNotice(key, 0, 1, b"{}"))] == [1, 3]


async def test_what_is_past_is_no_news() -> None:
    log = Log()
    assert log.gates.is_past(7, 3)  # nobody hears it
    log.gates.open(7, 2)
    assert log.gates.is_past(7, 2)
    assert not log.gates.is_past(7, 3)
    log.gates.offer(7, MeNotice(7, 3, 4, b"{}"), patience=60)
    assert not log.gates.is_past(7, 2)  # whatever may bring what is missing is news
    log.gates.close(7)
