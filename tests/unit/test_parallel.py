"""What the tests ask of pytest-xdist: a server is started by one worker, for all that share it."""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

TESTS = """
import os
import pytest

GROUPS = [pytest.mark.xdist_group(f"g{n}") for n in range(4)]

@pytest.mark.parametrize("n", [pytest.param(n, marks=GROUPS[n % 4]) for n in range(24)])
def test_of_a_group(n):
    with open("ran", "a") as ran:
        ran.write(f"{n % 4} {os.environ['PYTEST_XDIST_WORKER']} {n}\\n")
"""


def test_a_group_runs_in_one_worker_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "test_groups.py").write_text(TESTS)
    parallel = ["-n", "2", "--dist", "loadgroup", "-c", "/dev/null", "--rootdir", "."]
    command = [sys.executable, "-m", "pytest", "-q", *parallel, "test_groups.py"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    workers, order = defaultdict(set), defaultdict(list)
    for line in (tmp_path / "ran").read_text().splitlines():
        group, worker, n = line.split()
        workers[group].add(worker)
        order[group].append(int(n))
    assert sorted(map(len, workers.values())) == [1, 1, 1, 1]
    assert all(numbers == sorted(numbers) for numbers in order.values())
