"""The example of docs/protocol.md, "The unread formula", by the store that tests/phone has."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.test_docs import table
from tests.phone.store import Store

ME, OTHER, CID = "a" * 16, "b" * 16, "c" * 16


def message(seq: int, revision: int, sender: str = OTHER, *, deleted: bool = False) -> dict[str, Any]:
    at = "2026-01-01T00:00:00.000Z" if deleted else None
    return {"conversation_id": CID, "seq": seq, "revision": revision, "sender_id": sender, "deleted_at": at}


def delta(since: int, *messages: dict[str, Any], **more: Any) -> Any:
    revision = max(it["revision"] for it in messages)
    return {"conversation_id": CID, "since": since, "revision": revision, "messages": list(messages), **more}


@pytest.fixture
def store() -> Store:
    """It synced: of messages 1 to 7 it holds two, and four are read."""
    me = {"role": "member", "delivered_seq": 4, "read_seq": 4, "unread": 3, "visible_from_seq": 1}
    conversation = {"id": CID, "revision": 20, "last_seq": 7, "me": me}
    store = Store(ME)
    assert store.apply(delta(0, message(6, 19), message(7, 20), conversation=conversation))
    return store


def test_the_example_of_the_protocol(store: Store) -> None:
    held = store.conversations[CID]

    def read() -> bool:
        held.read_up_to(7)
        return held.counted

    happens: list[Callable[[], bool]] = [
        lambda: True,
        lambda: store.apply(delta(20, message(5, 21, deleted=True))),
        lambda: store.apply(delta(21, message(8, 23, deleted=True))),
        lambda: store.apply(delta(23, message(9, 24))),
        read,
        lambda: store.apply(delta(24, message(10, 25, ME))),
    ]
    told = table("protocol.md", "| what happens | last_seq | read_seq | skipped | unread |")
    assert len(told) == len(happens)
    for row, happen in zip(told, happens, strict=True):
        assert happen(), row
        assert [int(cell) for cell in row[1:]] == [held.last_seq, held.read_seq, held.skipped, held.unread], (
            row
        )
