"""What an app keeps of the chats, and the whole rule by which that changes. No I/O.

Everything durable comes as deltas: live events, `sync` and the answers to `conversation:join` alike. A
delta is the state of what changed after `since` up to `revision`, so there is one routine for all of them.
"""

from dataclasses import dataclass, field

from gochat.contract import shapes

OWN = {"id", "kind", "title", "avatar_url", "data", "settings", "pinned_seqs", "history"}
OWN |= {"member_count", "created_at", "created_by"}
"""The fields of a conversation that only its own deltas change."""


@dataclass
class Conversation:
    """One conversation as held, up to `revision`: messages by seq, active members by user id."""

    id: str
    user_id: str
    """Whose phone it is on."""
    revision: int = 0
    own: dict[str, object] = field(default_factory=dict)
    last_seq: int = 0
    messages: dict[int, shapes.Message] = field(default_factory=dict)
    complete_from: int = 1
    """From this seq on every message is held; older ones, where the user scrolls, are pages of history."""
    members: dict[str, shapes.Member] = field(default_factory=dict)
    visible_from_seq: int = 1
    delivered_seq: int = 0
    read_seq: int = 0
    skipped: int = 0
    """Messages after `read_seq` that are never unread: see `skips`."""
    counted: bool = True
    """False: `skipped` could not be counted here; an answer to `conversation:join` tells it."""

    @property
    def unread(self) -> int:
        """What the badge shows."""
        return max(0, self.last_seq - self.read_seq - self.skipped)

    def read_by(self, user_id: str) -> int:
        """How far another member has read: what their row says, or their own newest message."""
        said = self.members[user_id]["read_seq"] if user_id in self.members else 0
        wrote = (read_with(message) for message in self.messages.values() if message["sender_id"] == user_id)
        return max(said, *wrote, 0)

    def keep(self, message: shapes.Message) -> None:
        """Hold a message, unless what is held of it is newer."""
        held = self.messages.get(message["seq"])
        if held is None or held["revision"] <= message["revision"]:
            self.messages[message["seq"]] = self._with_mine(message, held)

    def _with_mine(self, message: shapes.Message, held: shapes.Message | None) -> shapes.Message:
        """The message with one's own reactions told, which live events leave out.

        Who is named is one of them; where not all are named, who was before.
        """
        told = message.get("reactions", [])
        if all("mine" in it for it in told):
            return message
        before = {it["emoji"] for it in held["reactions"] if it["mine"]} if held is not None else set()
        reactions: list[shapes.Reaction] = []
        for it in told:
            kept = it["count"] > len(it["user_ids"]) and it["emoji"] in before
            reactions.append({**it, "mine": it.get("mine", kept or self.user_id in it["user_ids"])})
        return {**message, "reactions": reactions}

    def advance(self, position: shapes.MeConversation) -> None:
        """One's own positions, as one's own log tells them."""
        self.delivered_seq = max(self.delivered_seq, position["delivered_seq"])
        self.read_up_to(position["read_seq"])

    def read_up_to(self, seq: int) -> None:
        """One's own read position, which never goes back. What was deleted after it is counted, if held."""
        if seq <= self.read_seq:
            return
        self.read_seq = seq
        self.delivered_seq = max(self.delivered_seq, seq)
        self.count()

    def skips(self, message: shapes.Message) -> bool:
        """Whether a message is never unread."""
        silent = message["deleted_at"] is not None or message.get("kind") == "system"
        return silent or message["sender_id"] == self.user_id

    def count(self) -> None:
        """Count what is never unread after `read_seq`, if all that is after it is held."""
        after = [self.messages.get(n) for n in range(self.read_seq + 1, self.last_seq + 1)]
        self.skipped = sum(message is not None and self.skips(message) for message in after)
        self.counted = None not in after


def read_with(message: shapes.Message) -> int:
    """How far its sender had read: up to it, if it says nothing else."""
    return message.get("read_up_to", message["seq"])


class Store:
    """One user's local database. An app writes it to disk; the outbox lies apart."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.epoch: str | None = None
        self.me: int | None = None
        self.position: str | None = None
        """What the last sync said that is held, kept once all its pages are taken in."""
        self.conversations: dict[str, Conversation] = {}
        self._left: dict[str, int] = {}
        self._early: dict[str, shapes.MeConversation] = {}
        """Own positions told before the conversation was."""

    @property
    def known(self) -> dict[str, int]:
        """What `sync` asks for: how far each conversation is held."""
        return {cid: held.revision for cid, held in self.conversations.items()}

    @property
    def uncounted(self) -> set[str]:
        """Conversations whose unread only `conversation:join` can tell."""
        return {cid for cid, held in self.conversations.items() if not held.counted}

    @property
    def total_unread(self) -> int:
        """The badge of the app."""
        return sum(held.unread for held in self.conversations.values())

    def revision(self, conversation_id: str) -> int:
        """How far a conversation is held; 0: not at all."""
        held = self.conversations.get(conversation_id)
        return 0 if held is None else held.revision

    def has(self, conversation_id: str, revision: int) -> bool:
        """Whether it knows a conversation up to there: holds it, or knows that the user left later."""
        return max(self.revision(conversation_id), self._left.get(conversation_id, 0)) >= revision

    def apply(self, delta: shapes.Delta) -> bool:
        """Take a delta in. False: something is missing; ask `conversation:join` with `revision`."""
        cid, since, revision = delta["conversation_id"], delta["since"], delta["revision"]
        mine = self.revision(cid)
        if revision < mine or revision <= self._left.get(cid, 0):
            return True
        if revision == mine:
            return self._apply_me(self.conversations[cid], delta)
        if delta.get("removed"):
            self.conversations.pop(cid, None)
            self._left[cid] = revision
            return True
        if since > mine:
            return False
        self._left.pop(cid, None)
        held = self.conversations.setdefault(cid, Conversation(cid, self.user_id))
        if since == 0:
            held.messages, held.members = {}, {}
        self._take(held, delta)
        if cid in self._early:
            held.advance(self._early.pop(cid))
        return self._apply_me(held, delta)

    def apply_me(self, delta: shapes.MeDelta) -> bool:
        """Take the user's own log in. False: something is missing; ask `sync` with `me`.

        Afterwards some conversations may be `uncounted`.
        """
        mine = self.me or 0
        if self.me is not None and delta["revision"] <= mine:
            return True
        if delta["since"] > mine:
            return False
        self.me = delta["revision"]
        for entry in delta["conversations"]:
            held = self.conversations.get(entry["conversation_id"])
            if held is None:
                self._early[entry["conversation_id"]] = entry
            else:
                held.advance(entry)
        return True

    def apply_sync(self, answer: shapes.SyncAnswer) -> set[str]:
        """Take one page of a sync in; return the conversations that `conversation:join` must be asked for.

        Another epoch means that the server lost history: all but the outbox is discarded.
        """
        if self.epoch not in (None, answer["epoch"]):
            self.forget()
        self.epoch = answer["epoch"]
        missing = {delta["conversation_id"] for delta in answer["conversations"] if not self.apply(delta)}
        if "me" in answer:
            self.apply_me(answer["me"])
        return missing | self.uncounted

    def keep(self, message: shapes.Message) -> None:
        """Take in a message from an ack or a page of history: those never move a revision.

        To a sender who was no member any more an ack tells the numbers alone; there is nothing to keep.
        """
        held = self.conversations.get(message["conversation_id"])
        if held is not None and (message["body"] is not None or message["deleted_at"] is not None):
            held.keep(message)

    def drop(self, conversation_id: str) -> None:
        """`conversation:join` answered `not_found`: one is no longer a member."""
        self.conversations.pop(conversation_id, None)

    def forget(self) -> None:
        """Discard everything."""
        self.me, self.position = None, None
        self.conversations, self._left, self._early = {}, {}, {}

    def _take(self, held: Conversation, delta: shapes.Delta) -> None:
        before, last_seq, held.revision = held.revision, held.last_seq, delta["revision"]
        conversation = delta.get("conversation")
        if conversation is not None:
            held.own = {name: value for name, value in conversation.items() if name in OWN}
            if conversation["revision"] == delta["revision"]:
                held.last_seq = max(held.last_seq, conversation["last_seq"])
        if delta["since"] == 0:
            page = (message["seq"] for message in delta.get("messages", ()))
            held.complete_from = min(page, default=held.last_seq + 1)
        for message in delta.get("messages", ()):
            held.keep(message)
            held.last_seq = max(held.last_seq, message["seq"])
        for message in delta.get("messages", ()):
            deleted = message["deleted_at"] is not None and message["revision"] > before
            told = message.get("kind") == "system" and message["seq"] > last_seq
            others = message["sender_id"] != self.user_id
            held.skipped += (deleted or told) and others and message["seq"] > held.read_seq
        if delta["since"] == 0:
            held.count()
        for message in delta.get("messages", ()):
            if message["sender_id"] == self.user_id:
                held.read_up_to(read_with(message))
                if message["seq"] > held.read_seq:
                    held.count()
        if delta.get("members_hidden"):
            held.members = {it: row for it, row in held.members.items() if it == self.user_id}
        for member in delta.get("members", ()):
            if member["active"]:
                held.members[member["user_id"]] = member
            else:
                held.members.pop(member["user_id"], None)

    def _apply_me(self, held: Conversation, delta: shapes.Delta) -> bool:
        """One's own side, as answers to `sync` and `conversation:join` have it; live deltas have none."""
        conversation = delta.get("conversation")
        if conversation is not None and "me" in conversation and conversation["revision"] == held.revision:
            me = conversation["me"]
            held.visible_from_seq = me["visible_from_seq"]
            held.delivered_seq = max(held.delivered_seq, me["delivered_seq"])
            if me["read_seq"] >= held.read_seq:
                held.read_seq = me["read_seq"]
                held.skipped = max(0, conversation["last_seq"] - me["read_seq"] - me["unread"])
                held.counted = True
            elif not held.counted:
                held.count()
        return held.counted
