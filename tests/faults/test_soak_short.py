"""The soak in short: faults under load break no promise, and its checker is not blind."""

import asyncio
from pathlib import Path

import pytest

from tests.soak.cluster import DATABASES
from tests.soak.planted import FLAWS
from tests.soak.run import Plan, run

KINDS = (
    "WorkerKilled",
    "WorkerStopped",
    "RedisPubSubKilled",
    "RedisSilentlyDead",
    "DatabaseKilled",
    "DatabaseConnectionsKilled",
    "CommitsCut",
    "AcksCut",
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", DATABASES)
def test_faults_break_no_promise(database: str, tmp_path: Path) -> None:
    plan = Plan(seed=1, messages=1_500, faults=KINDS, servers=2, pace=4, database=database)
    report = asyncio.run(run(plan, tmp_path, print))
    assert report.injected.total() == len(KINDS)
    assert report.journal.acked >= 1_500
    assert not report.violations


@pytest.mark.timeout(300)
@pytest.mark.parametrize("flaw", ["ack_before_commit", "double_delivery"])
def test_a_planted_flaw_is_found(flaw: str, tmp_path: Path) -> None:
    plan = Plan(seed=1, messages=500, faults=FLAWS[flaw].faults, servers=2, pace=4, flaw=flaw)
    assert asyncio.run(run(plan, tmp_path, print)).violations.keys() & set(FLAWS[flaw].breaks)
