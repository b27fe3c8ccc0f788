"""The official JavaScript client."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.official.habits import Habits
from tests.official.phones import Phones
from tests.services.node import NodeClient


@pytest.fixture
def phones(tmp_path: Path) -> Iterator[Phones]:
    with NodeClient("client.js", log=tmp_path / "node.log") as program:
        yield Phones(program)


class TestJavaScriptClient(Habits):
    pass
