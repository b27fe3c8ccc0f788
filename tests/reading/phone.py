"""A phone's store: what is left of all that it was told, if it believes every delta."""

from dataclasses import dataclass, field, replace

from gochat.core.delta import Delta
from gochat.core.model import Conversation, ConversationId, Member, Message, UserId
from gochat.core.queries import SyncRequest
from gochat.storage.reader import ConversationReader


@dataclass
class Held:
    """What a phone has of a conversation. `floor`: the first seq that it was told."""

    revision: int = 0
    conversation: Conversation | None = None
    me: Member | None = None
    floor: int = 0
    members: dict[UserId, Member] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)


@dataclass
class Phone:
    """Applies deltas by the rule of the protocol. `forgetful`: sends the `known` of its first request."""

    user_id: UserId
    forgetful: bool = False
    epoch: str | None = None
    held: dict[ConversationId, Held] = field(default_factory=dict)

    @property
    def known(self) -> dict[ConversationId, int]:
        """What it has, as it tells the server."""
        return {cid: held.revision for cid, held in self.held.items()}

    def apply(self, delta: Delta) -> None:
        """Per object, the higher revision stays."""
        cid = delta.conversation_id
        if delta.removed:
            self.held.pop(cid, None)
            return
        held = self.held.get(cid, Held())
        assert delta.gap or delta.since <= held.revision
        if delta.gap:
            held = Held()
        if held.revision == 0:
            assert delta.conversation is not None
            held.floor = min((it.seq for it in delta.messages), default=delta.conversation.last_seq + 1)
        for message in delta.messages:
            if message.seq not in held.messages or held.messages[message.seq].revision <= message.revision:
                held.messages[message.seq] = message
        for member in delta.members:
            if member.user_id not in held.members or held.members[member.user_id].revision <= member.revision:
                held.members[member.user_id] = member
        held.revision = max(held.revision, delta.revision)
        held.conversation = delta.conversation or held.conversation
        held.me = delta.me or held.me
        self.held[cid] = held
        if delta.conversation is not None and delta.conversation.revision == delta.revision:
            seqs = {seq for seq in held.messages if seq >= held.floor}
            assert seqs == set(range(held.floor, delta.conversation.last_seq + 1)), "a hole"

    async def sync(self, reader: ConversationReader, limit: int = 200) -> int:
        """Ask until there is no more; the number of answers."""
        asked = SyncRequest(self.known, None, self.epoch, None, limit)
        for answers in range(1, 1000):
            page = await reader.sync(self.user_id, asked)
            for delta in page.conversations:
                self.apply(delta)
            if page.position is None:
                self.epoch = page.epoch
                return answers
            known = asked.known if self.forgetful else self.known
            asked = replace(asked, known=known, position=page.position)
        raise AssertionError("the pages never end")

    async def check(self, reader: ConversationReader) -> None:
        """All that it has is what a fresh fetch gives, while nothing changes."""
        memberships = (await reader.memberships(self.user_id)).conversations
        assert self.known == {it.conversation_id: it.revision for it in memberships}
        for cid, held in self.held.items():
            view = await reader.conversation(self.user_id, cid)
            assert (held.conversation, held.me) == (view.conversation, view.me)
            members = (await reader.members(self.user_id, cid, None, 1000)).members
            assert sorted(it.user_id for it in held.members.values() if it.active) == [
                it.user_id for it in members
            ]
            shown = {it.user_id: _shown(it) for it in members}
            assert {it.user_id: _shown(it) for it in held.members.values() if it.active} == shown
            page = await reader.history(self.user_id, cid, after_seq=held.floor - 1, limit=1000)
            held_on = [held.messages[seq] for seq in sorted(held.messages) if seq >= held.floor]
            assert tuple(held_on) == page.messages


def _shown(member: Member) -> tuple[object, ...]:
    """What others are shown of a member."""
    return member.role, member.revision, member.shown_delivered_seq, member.shown_read_seq
