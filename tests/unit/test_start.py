"""What a start imports: each library is time that phones wait for after every restart."""

import subprocess
import sys

import pytest

COMMAND_LINE = (
    "import gochat.cli",
    {"sqlalchemy", "pydantic", "uvicorn", "redis", "starlette", "jwt", "structlog"},
)
SERVER = (
    "from gochat.cli.serve import leave_out_rich; leave_out_rich(); import gochat.serving",
    {"alembic", "mako", "gochat.traced", "rich", "pygments", "phonenumbers", "markdown_it"},
)


def python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize(("code", "not_needed"), [COMMAND_LINE, SERVER], ids=["command line", "server"])
def test_what_is_not_needed_is_not_imported(code: str, not_needed: set[str]) -> None:
    assert not_needed & set(python(f"{code}\nimport sys\nprint(*sys.modules)").split()) == set()


def test_what_was_left_out_can_be_had_later() -> None:
    python("from gochat.cli.serve import leave_out_rich; leave_out_rich(); import rich.console")
