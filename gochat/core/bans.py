"""Bans and their rules: who takes whom out of a group for good."""

from dataclasses import replace

from gochat.core.command import Command
from gochat.core.delta import Why
from gochat.core.errors import Forbidden, NotFound
from gochat.core.limits import Limits
from gochat.core.members import removal
from gochat.core.membership import a_group, group, outranks, require_admin
from gochat.core.model import NOBODY, Ban, Conversation, ConversationId, Millis, UserId
from gochat.core.needs import Needs
from gochat.core.state import Decision, State
from gochat.core.values import value


@value(frozen=True, slots=True)
class BanMember(Command[Conversation]):
    """An admin or the owner bans somebody from a group, or does so no more; a member is taken out with it.

    `user_id`: who does it; None is whoever runs the server, who needs no role.
    """

    conversation_id: ConversationId
    user_id: UserId | None
    member_id: UserId
    on: bool

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read both rows, whether the other exists, and whether they are banned."""
        needs.conversations.add(self.conversation_id)
        if self.user_id is not None:
            needs.members.add((self.conversation_id, self.user_id))
        needs.members.add((self.conversation_id, self.member_id))
        needs.users.add(self.member_id)
        needs.bans.add((self.conversation_id, self.member_id))
        needs.successors.add(self.conversation_id)

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return 2_048

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Conversation]:
        """Ban somebody, or do so no more; what is so already stays as it is.

        Raises:
            NotFound: not a member; or there is no such user.
            Forbidden: not a group, not an admin, oneself, or a member whose role does not stand below.
        """
        if self.user_id is None:
            conversation = a_group(state, self.conversation_id)
        else:
            conversation, member = group(state, self.conversation_id, self.user_id)
            require_admin(member)
        other = state.members.find((conversation.id, self.member_id))
        if other is not None and other.active and self.user_id is not None and not outranks(member, other):
            raise Forbidden("Only a member of higher standing may ban a member.")
        if state.users.find(self.member_id) is None:
            raise NotFound("There is no such user.", field="user_id")
        if bool(state.bans.find((conversation.id, self.member_id))) is self.on:
            return Decision(conversation)
        ban = Ban(conversation.id, self.member_id, self.user_id, self.on)
        if self.on and other is not None and other.active:
            by = NOBODY if self.user_id is None else self.user_id
            return replace(removal(state, conversation, other, by, now, limits), ban=ban)
        changed = replace(conversation, revision=conversation.revision + 1)
        return Decision(changed, Why.CONVERSATION_UPDATED, changed, ban=ban, restated=True)
