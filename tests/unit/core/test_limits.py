"""The bounds of the product, which apps count on: as docs/protocol.md has them."""

from dataclasses import asdict
from pathlib import Path

import pytest

from gochat.core.limits import Limits

PROTOCOL = Path(__file__).parents[3] / "docs/protocol.md"
TOLD = {
    "body": (8_000, "| message body | 8,000 Unicode code points"),
    "title": (200, "| title | 200 characters |"),
    "attachments": (10, "| attachments | 10 links a message:"),
    "data": (4_096, "| `data` of a message, a user, a group | 4 KiB as compact JSON"),
    "mentions": (50, "| mentions | 50 members a message |"),
    "reactions": (20, "| kinds of reactions to a message | 20 of one user,"),
    "reaction_kinds": (50, "50 of all |"),
    "system_messages": (True, ""),
    "pins": (50, "| pinned messages | 50 a conversation |"),
    "edit_within_s": (0, "| editing, deleting one's own | for ever, or"),
    "delete_within_s": (0, "| editing, deleting one's own | for ever, or"),
    "members_added": (500, "| members | 500 by one command,"),
    "group_members": (10_000, "10,000 in a group |"),
    "conversations": (10_000, "who is in 10,000 is brought into no more |"),
    "conversations_made": (10_000, "| conversations | 10,000 that a user made and is in;"),
    "blocks": (1_000, "| blocks | 1,000 a user |"),
    "shown_members": (256, "256 members"),
}


def test_each_bound_is_told() -> None:
    assert asdict(Limits()) == {name: number for name, (number, _) in TOLD.items()}


@pytest.mark.parametrize("name", TOLD)
def test_the_protocol_says_the_same(name: str) -> None:
    assert TOLD[name][1] in PROTOCOL.read_text()
