"""A test that fails is one that fails: what it left open is not found out in the next one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import gc
import socket


def test_that_fails():
    left_open = socket.socket()
    assert left_open is None


def test_that_finds_what_is_left():
    gc.collect()


def test_that_leaves_something():
    socket.socket()
"""


@pytest.mark.timeout(300)
def test_what_a_failed_test_left_open_is_no_fault_of_the_next_one(tmp_path: Path) -> None:
    tests = tmp_path / "test_two.py"
    tests.write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tests)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert ["test_that_fails" in line for line in failed] == [True, False], done.stdout + done.stderr
    assert "test_that_leaves_something" in failed[1], "of one that does not fail it is"
