"""The flaws that the soak plants: each fits the code as it is, and none is planted where it does not."""

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tests.soak.planted import FLAWS, _patch


def test_every_flaw_can_be_planted() -> None:
    """In a process of its own, where they stay."""
    code = "from tests.soak.planted import FLAWS\nfor flaw in FLAWS.values(): flaw.plant()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert FLAWS


def _mend(key: int, gate: int, cause: str, patience: float | None = None) -> None:
    """As the product has it."""


def _of_old(key: int, gate: int) -> None:
    """As it had it when the flaw was made."""


def _in_full(key: int, gate: int, cause: str, patience: float | None) -> None:
    """What may be left out there has to be given here."""


def _planted(_key: int, _gate: int, _cause: str, _patience: float = 0.0) -> str:
    return "planted"


@pytest.mark.parametrize("other", [_of_old, _in_full])
def test_what_is_called_otherwise_is_not_planted(other: Callable[..., None]) -> None:
    owner = SimpleNamespace(mend=_mend)
    with pytest.raises(TypeError, match="mend"):
        _patch(owner, "mend", lambda _: other)
    _patch(owner, "mend", lambda _: _planted)
    assert owner.mend(1, 2, "gap") == "planted"
