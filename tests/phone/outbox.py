"""What the user wrote and the server has not acked yet. It outlives the app; a draft keeps its key."""

import json
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Draft:
    """A message to send. `key` is its `client_message_id`, chosen once: every retry has the same."""

    key: str
    conversation_id: str
    body: str
    reply_to_seq: int | None = None

    @property
    def payload(self) -> dict[str, object]:
        """What `message:send` takes."""
        payload: dict[str, object] = {
            "conversation_id": self.conversation_id,
            "client_message_id": self.key,
            "body": self.body,
        }
        return payload if self.reply_to_seq is None else payload | {"reply_to_seq": self.reply_to_seq}

    @property
    def size(self) -> int:
        """Bytes of its packet, as the library writes it."""
        return len(json.dumps(self.payload).encode()) + 64


WINDOW = 64
"""Drafts in flight at once."""
LARGE = 16_384
"""Bytes from which on a draft is suspected when its connection closes."""
CUTS = 2
"""So many closes, and it is not sent again."""


class Outbox:
    """Drafts in the order in which they were written.

    Args:
        in_order: one at a time in each conversation, so that order holds even over failures; else all that
            wait go at once, and keep their order as long as nothing fails.
    """

    def __init__(self, *, in_order: bool = True) -> None:
        self._in_order = in_order
        self.max_payload = 512 * 1024
        """Bytes of the largest packet, as `sync` says."""
        self._cuts: Counter[str] = Counter()
        self._drafts: dict[str, Draft] = {}
        self._in_flight: set[str] = set()

    def __len__(self) -> int:
        return len(self._drafts)

    @property
    def keys(self) -> list[str]:
        """Of all drafts: what to ask `messages:status` for after a restart."""
        return list(self._drafts)

    def add(self, draft: Draft) -> None:
        """The user pressed send."""
        self._drafts[draft.key] = draft

    def take(self) -> list[Draft]:
        """Those that may be sent now; they are in flight from then on."""
        busy: set[str] = set()
        taken: list[Draft] = []
        for draft in self._drafts.values():
            if len(self._in_flight) + len(taken) >= WINDOW:
                break
            if draft.key not in self._in_flight and draft.conversation_id not in busy:
                taken.append(draft)
            if self._in_order:
                busy.add(draft.conversation_id)
        self._in_flight.update(draft.key for draft in taken)
        return taken

    def settle(self, key: str) -> Draft | None:
        """It is stored, or was refused for good."""
        self._in_flight.discard(key)
        del self._cuts[key]
        return self._drafts.pop(key, None)

    def lose(self) -> None:
        """The connection went, and what was in flight or about to leave with it: all wait again.

        What is too large can't be answered, only closed for: so closes are counted for what is large.
        """
        self._cuts.update(key for key in self._in_flight if self._drafts[key].size > LARGE)
        self._in_flight.clear()

    def give_up(self) -> list[Draft]:
        """Take out those that will never get through: too large, or cut off again and again."""
        hopeless = [
            draft
            for draft in self._drafts.values()
            if draft.size > self.max_payload or self._cuts[draft.key] >= CUTS
        ]
        for draft in hopeless:
            self.settle(draft.key)
        return hopeless

    def postpone(self, key: str) -> None:
        """No answer, or one that says to send it again later: it keeps its place."""
        self._in_flight.discard(key)
