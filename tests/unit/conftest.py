"""What several of the unit tests need."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gochat.config import Settings, load_settings

Load = Callable[[dict[str, str]], Settings]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    """Load the settings from exactly the environment given, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def load_from(environment: dict[str, str]) -> Settings:
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return load_from
