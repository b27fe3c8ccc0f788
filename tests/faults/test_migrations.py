"""A migration that was killed can be run again, whatever it had done."""

import subprocess
import sys

import pytest

from tests.faults import dies_while_migrating
from tests.services.sql_server import SQLServer

STATEMENTS = 30
"""At least as many change something."""


@pytest.mark.timeout(600)
def test_it_is_killed_at_each_statement(sql_server: SQLServer) -> None:
    done = subprocess.run(
        [sys.executable, dies_while_migrating.__file__, sql_server.url],
        capture_output=True,
        text=True,
        timeout=590,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.splitlines()[-1]) >= STATEMENTS
