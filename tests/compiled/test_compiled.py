"""The engine in C holds what it holds in Python: its own tests, the hostile input and the main job."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import programs

ROOT = Path(__file__).parents[2]
SUITES = ("tests/unit/engine", "tests/wire/engine", "tests/fuzz", "tests/wire/test_main_job.py")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, compiled."""
    programs.require(programs.CC)
    target = tmp_path_factory.mktemp("compiled") / "gochat"
    run([sys.executable, str(ROOT / "scripts/compile.py"), str(target)], ROOT)
    return target


@pytest.mark.timeout(900)
@pytest.mark.parametrize("suite", SUITES)
def test_it_passes_what_the_source_passes(tree: Path, suite: str) -> None:
    assert list(tree.glob("gochat/events/engine/client.*.so"))
    run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite], tree)


def run(command: list[str], tree: Path) -> None:
    done = subprocess.run(
        command,
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout
