"""The official Java client: what Android apps run on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.official.habits import Habits
from tests.official.phones import Phones
from tests.services.java import JavaClient


@pytest.fixture
def phones(tmp_path: Path) -> Iterator[Phones]:
    with JavaClient(log=tmp_path / "java.log") as program:
        yield Phones(program)


class TestJavaClient(Habits):
    # OkHttp tells of it by `onClosing`, which the library does not hear: it waits for its heartbeat.
    heeds_close_frames = False
