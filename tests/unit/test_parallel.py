"""What the tests ask of pytest-xdist: the tests of a file run in one worker, and in order."""

import subprocess
import sys
from pathlib import Path

TESTS = """
import os
import pytest

@pytest.mark.parametrize("n", range(12))
def test_one_of_several(n):
    with open(f"{__file__}.ran", "a") as ran:
        ran.write(f"{os.environ['PYTEST_XDIST_WORKER']} {n}\\n")
"""


def test_a_file_runs_in_one_worker_and_in_order(tmp_path: Path) -> None:
    files = [tmp_path / f"test_{letter}.py" for letter in "abcd"]
    for file in files:
        file.write_text(TESTS)
    parallel = ["-n", "2", "--dist", "loadfile", "-c", "/dev/null", "--rootdir", "."]
    command = [sys.executable, "-m", "pytest", "-q", *parallel, "."]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    for file in files:
        ran = [line.split() for line in Path(f"{file}.ran").read_text().splitlines()]
        assert len({worker for worker, _ in ran}) == 1
        assert [int(n) for _, n in ran] == list(range(12))
