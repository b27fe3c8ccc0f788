"""What members set for themselves in a conversation, and the rules of that: mute, archive, pin, mark, draft.

Each takes a step of the member's own log, and nothing that others see.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Final

from gochat.core.command import Command
from gochat.core.errors import InvalidPayload
from gochat.core.limits import Limits
from gochat.core.membership import membership
from gochat.core.model import Conversation, ConversationId, Member, Millis, MuteLevel, Side, UserId
from gochat.core.needs import Needs
from gochat.core.state import Decision, State
from gochat.core.values import value

FOREVER: Final[Millis] = 2**53 - 1
"""Until when a mute lasts that does not end by itself."""


@value(frozen=True, slots=True)
class SideCommand(Command[Conversation]):
    """A member changes their own side of a conversation. The same again changes nothing."""

    conversation_id: ConversationId
    user_id: UserId

    def need(self, needs: Needs) -> None:
        """Lock the conversation and the user; read the member's row and side."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.user_id))
        needs.me.add(self.user_id)
        needs.sides.add((self.conversation_id, self.user_id))

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 1024

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Conversation]:
        """Change the side.

        Raises:
            NotFound: not a member.
            InvalidPayload: what it is to be set to can't be.
        """
        conversation, member = membership(state, self.conversation_id, self.user_id)
        before = state.sides.find((self.conversation_id, self.user_id))
        before = before or Side(self.user_id, self.conversation_id)
        after = self.changed(before, conversation, member, now, limits)
        if after == before:
            return Decision(conversation)
        return Decision(
            conversation,
            members=(replace(member, me_revision=state.me[self.user_id] + 1),),
            sides=(after,),
            me=(self.user_id,),
        )

    @abstractmethod
    def changed(
        self, side: Side, conversation: Conversation, member: Member, now: Millis, limits: Limits
    ) -> Side:
        """The side after it."""


@value(frozen=True, slots=True)
class Mute(SideCommand):
    """Mute until a time, or for ever; `level` says what still counts. `until` 0: no more."""

    until: Millis
    level: MuteLevel

    def changed(
        self, side: Side, conversation: Conversation, member: Member, now: Millis, limits: Limits
    ) -> Side:
        """The side after it.

        Raises:
            InvalidPayload: the time is over.
        """
        if self.until == 0:
            return replace(side, muted_until=0, mute_level=MuteLevel.ALL)
        if self.until <= now:
            raise InvalidPayload("That time is over.", field="until", details={"reason": "past"})
        return replace(side, muted_until=min(self.until, FOREVER), mute_level=self.level)


@value(frozen=True, slots=True)
class Archive(SideCommand):
    """Put a conversation out of sight until something is written in it, or bring it back."""

    on: bool

    def changed(
        self, side: Side, conversation: Conversation, member: Member, now: Millis, limits: Limits
    ) -> Side:
        """The side after it."""
        if self.on == side.is_archived(conversation.last_seq, now):
            return side
        return replace(side, archived_seq=conversation.last_seq if self.on else None)


@value(frozen=True, slots=True)
class Pin(SideCommand):
    """Put a conversation on top of one's list, or no more."""

    on: bool

    def changed(
        self, side: Side, conversation: Conversation, member: Member, now: Millis, limits: Limits
    ) -> Side:
        """The side after it."""
        if self.on == (side.pinned_at > 0):
            return side
        return replace(side, pinned_at=now if self.on else 0)


@value(frozen=True, slots=True)
class Mark(SideCommand):
    """Mark a conversation as unread, whatever was read, or no more."""

    unread: bool

    def changed(
        self, side: Side, conversation: Conversation, member: Member, now: Millis, limits: Limits
    ) -> Side:
        """The side after it."""
        if self.unread == side.is_marked(member.read_seq):
            return side
        return replace(side, marked_seq=member.read_seq if self.unread else None)


@value(frozen=True, slots=True)
class SaveDraft(SideCommand):
    """Keep what was written and not sent, for the user's other devices; None: nothing any more."""

    text: str | None

    @property
    def size(self) -> int:
        """About how many bytes it adds to a batch's statements."""
        return 1024 + 4 * len(self.text or "")

    def changed(
        self, side: Side, conversation: Conversation, member: Member, now: Millis, limits: Limits
    ) -> Side:
        """The side after it.

        Raises:
            InvalidPayload: it is longer than a message may be.
        """
        text = self.text or None
        if text is not None and len(text) > limits.body:
            raise InvalidPayload(
                f"The draft is longer than {limits.body} characters.",
                field="text",
                details={"reason": "too_long", "limit": limits.body},
            )
        if text == side.draft:
            return side
        return replace(side, draft=text, draft_at=0 if text is None else now)
