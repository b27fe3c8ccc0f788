"""How much is kept of what is reported, and for how long: as users are told."""

from pathlib import Path

from gochat.core.reports import AROUND, KEEP_MS

DOCS = Path(__file__).parents[3] / "docs"


def test_what_is_kept_and_for_how_long_is_what_users_are_told() -> None:
    assert (AROUND, KEEP_MS) == (10, 90 * 24 * 60 * 60 * 1_000)
    protocol = " ".join((DOCS / "protocol.md").read_text(encoding="utf-8").split())
    assert "message and ten around it are kept for 90 days" in protocol
    assert "| reports about the user, with the message and ten around it | 90 days" in (
        DOCS / "privacy.md"
    ).read_text(encoding="utf-8")
