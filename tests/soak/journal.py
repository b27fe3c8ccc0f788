"""What was sent, answered and heard; what is wrong already while it happens."""

import time
from collections import defaultdict
from dataclasses import dataclass, field

from gochat.contract import shapes
from tests.phone.outbox import Draft

SHOWN = 20
"""Violations of one kind that are told in words."""
HALF = "cut \ud83d"
"""A body that no server may store, as the libraries write it."""


@dataclass
class Sending:
    """One message as its sender knows it. Times by `time.monotonic`."""

    draft: Draft
    user_id: str
    place: int
    """Among what this phone wrote in this conversation, one after the other."""
    in_order: bool
    sent_at: float | None = None
    acked_at: float | None = None
    seq: int | None = None
    refused: str | None = None
    acked_body: str | None = None
    """After edits; None: deleted."""
    maybe: set[str | None] = field(default_factory=set)
    """Bodies of edits (None: a delete) that were not answered: each may be done or not, sooner or later."""


class Journal:
    """All phones write into it."""

    def __init__(self) -> None:
        self.sendings: dict[str, Sending] = {}
        self.acked = 0
        self.acked_at = time.monotonic()
        """When a message was acked for the first time, the last time."""
        self.repeats = 0
        self.deltas = 0
        self.violations: dict[str, list[str]] = defaultdict(list)
        self.heard: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        """By conversation and user: revision, and the oldest message's seq or 0, of every delta."""
        self.closed: set[str] = set()
        """Conversations in which one ever blocked the other."""
        self._news: list[str] = []
        self._receipts: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._places: dict[tuple[str, str], int] = defaultdict(int)

    def violation(self, kind: str, text: str) -> None:
        """A promise was broken."""
        self.violations[kind].append(text)
        if len(self.violations[kind]) <= SHOWN:
            self._news.append(f"{kind}: {text}"[:1_000])

    def news(self) -> list[str]:
        """Violations since the last call; of each kind only the first ones."""
        news, self._news = self._news, []
        return news

    def writes(self, draft: Draft, user_id: str, *, in_order: bool) -> Sending:
        """A user pressed send."""
        self._places[(draft.conversation_id, user_id)] += 1
        place = self._places[(draft.conversation_id, user_id)]
        sending = Sending(draft, user_id, place, in_order, acked_body=draft.body)
        self.sendings[draft.key] = sending
        return sending

    def sends(self, key: str) -> None:
        """It is emitted now."""
        sending = self.sendings[key]
        if sending.sent_at is None:
            sending.sent_at = time.monotonic()

    def acks(self, key: str, message: shapes.Message, *, duplicate: bool) -> None:
        """An ack, the first or a repeated one."""
        sending = self.sendings[key]
        seq = message["seq"]
        if message["client_message_id"] != key or message["sender_id"] != sending.user_id:
            self.violation("ack", f"{key}: the ack is of another message: {message}")
        if sending.draft.body == HALF:
            self.violation("ack", f"{key}: half an emoji was acked")
        if sending.seq is None:
            sending.seq, sending.acked_at = seq, time.monotonic()
            self.acked, self.acked_at = self.acked + 1, sending.acked_at
            return
        self.repeats += 1
        if sending.seq != seq:
            self.violation("ack", f"{key}: acked as {sending.seq}, then as {seq}")
        if not duplicate:
            self.violation("ack", f"{key}: a repeated ack is no duplicate")

    def refuses(self, key: str, code: str) -> None:
        """Refused for good."""
        sending = self.sendings[key]
        sending.refused = code
        closed = code == "forbidden" and sending.draft.conversation_id in self.closed
        half = code == "invalid_payload" and sending.draft.body == HALF
        if sending.seq is not None or (code != "not_found" and not closed and not half):
            self.violation("ack", f"{key}: refused as {code}, seq {sending.seq}")

    def blocked(self, conversation_id: str, since: float, until: float) -> None:
        """A block was answered, and was to be lifted: between that nothing is first sent and acked."""
        for key, it in self.sendings.items():
            if it.draft.conversation_id != conversation_id or it.sent_at is None or it.acked_at is None:
                continue
            if since < it.sent_at and it.acked_at < until:
                self.violation("block", f"{key}: acked though {conversation_id} was blocked")

    def hears(self, user_id: str, delta: shapes.Delta) -> None:
        """A delta, live or as an answer."""
        self.deltas += 1
        if delta.get("removed"):
            return
        cid = delta["conversation_id"]
        oldest = min((message["seq"] for message in delta.get("messages", ())), default=0)
        self.heard[(cid, user_id)].append((delta["revision"], oldest))
        for member in delta.get("members", ()):
            self._receipt(cid, member)

    def _receipt(self, cid: str, member: shapes.Member) -> None:
        """Positions never go back from one revision to the next."""
        key = (cid, member["user_id"])
        now = (member["revision"], member["read_seq"], member["delivered_seq"])
        before = self._receipts.setdefault(key, now)
        low, high = sorted((before, now))
        if low[1] > high[1] or low[2] > high[2] or (low[0] == high[0] and low != high):
            self.violation("receipts", f"{cid}: the positions of {member['user_id']} went {low} -> {high}")
        self._receipts[key] = high


class Chain:
    """The live deltas of one connection: each conversation's in order, with something new each, no holes."""

    def __init__(self, journal: Journal, user_id: str) -> None:
        self._journal = journal
        self._user_id = user_id
        self._revisions: dict[str, int] = {}

    def hears(self, delta: shapes.Delta) -> None:
        """A live delta. One from 0 begins a conversation (again), `removed` ends it."""
        cid, since, revision = delta["conversation_id"], delta["since"], delta["revision"]
        if delta.get("removed"):
            self._revisions.pop(cid, None)
            return
        last = self._revisions.get(cid)
        if since == 0:
            self._revisions[cid] = max(revision, last or 0)
            return
        if last is not None and not since <= last < revision:
            self._journal.violation(
                "chain", f"{cid}: {self._user_id} has heard up to {last}, then {since} to {revision}"
            )
        self._revisions[cid] = revision
