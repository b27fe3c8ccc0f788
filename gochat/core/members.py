"""Membership in a group, and its rules: who comes, who goes, who may what."""

from dataclasses import replace

from gochat.core.blocks import check_welcome, need_welcome
from gochat.core.command import Command
from gochat.core.delta import Why
from gochat.core.errors import Forbidden, LimitExceeded, NotFound
from gochat.core.limits import Limits
from gochat.core.membership import group, outranks, require
from gochat.core.model import Conversation, ConversationId, History, Member, Millis, Role, UserId
from gochat.core.needs import Needs
from gochat.core.state import Decision, State
from gochat.core.system import Event, noted
from gochat.core.values import value


@value(frozen=True, slots=True)
class AddMembers(Command[Conversation]):
    """An admin or the owner brings users into a group, or any member where it lets them."""

    conversation_id: ConversationId
    user_id: UserId
    member_ids: tuple[UserId, ...]

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the user's row, the others', who exists and who has blocked them."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.user_id))
        needs.members.update((self.conversation_id, other) for other in self.member_ids)
        needs.bans.update((self.conversation_id, other) for other in self.member_ids)
        need_welcome(needs, self.user_id, self.member_ids)

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return 1_024 + 400 * len(self.member_ids)

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Conversation]:
        """Bring users in; who is there already stays as they are.

        Raises:
            NotFound: not a member, or a user who does not exist or has blocked them.
            Forbidden: not a group, or not an admin (`who_adds`); or a user does not let them, or is banned.
            LimitExceeded: too many at once, in the group, or conversations of one of them.
        """
        conversation, member = group(state, self.conversation_id, self.user_id)
        require(member, conversation.setup.who_adds, "who_adds")
        new = [
            user_id
            for user_id in dict.fromkeys(self.member_ids)
            if not _is_active(state, conversation.id, user_id)
        ]
        check_welcome(state, member.user_id, new, "user_ids")
        if any(state.bans.find((conversation.id, user_id)) for user_id in new):
            raise Forbidden("A user is banned.", field="user_ids", details={"reason": "banned"})
        if not new:
            return Decision(conversation)
        _check_room(state, conversation, new, limits)
        revision = conversation.revision + 1
        grown = replace(conversation, revision=revision, member_count=conversation.member_count + len(new))
        grown, note = noted(grown, Event.ADDED, self.user_id, now, limits, new)
        return Decision(
            grown,
            Why.MEMBER_ADDED,
            grown,
            created=note,
            members=tuple(_joining(grown, user_id, state) for user_id in new),
            joined=tuple(new),
            restated=True,
        )


@value(frozen=True, slots=True)
class RemoveMember(Command[Conversation]):
    """A member quits, or one of higher standing removes them."""

    conversation_id: ConversationId
    user_id: UserId
    member_id: UserId

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read both rows."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.user_id))
        needs.members.add((self.conversation_id, self.member_id))
        if self.user_id == self.member_id:
            needs.successors.add(self.conversation_id)

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return 1_536

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Conversation]:
        """Take a member out, or quit.

        Raises:
            NotFound: not a member; or the other is none.
            Forbidden: not a group; or the other's role does not stand below one's own.
        """
        conversation, member = group(state, self.conversation_id, self.user_id)
        gone = state.members.find((conversation.id, self.member_id))
        if gone is None or not gone.active:
            raise NotFound("There is no such member.", field="user_id")
        if gone.user_id != member.user_id and not outranks(member, gone):
            raise Forbidden("Only a member of higher standing may remove a member.")
        return removal(state, conversation, gone, self.user_id, now, limits)


@value(frozen=True, slots=True)
class SetRole(Command[Conversation]):
    """The owner changes a member's role; making another the owner makes themselves an admin."""

    conversation_id: ConversationId
    user_id: UserId
    member_id: UserId
    role: Role

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read both rows."""
        needs.conversations.add(self.conversation_id)
        needs.members.add((self.conversation_id, self.user_id))
        needs.members.add((self.conversation_id, self.member_id))

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return 1_536

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Conversation]:
        """Change a member's role; a group has one owner, so a new one replaces the old.

        Raises:
            NotFound: not a member; or the other is none.
            Forbidden: not a group, not the owner, or the owner's own role.
        """
        conversation, owner = group(state, self.conversation_id, self.user_id)
        if owner.role is not Role.OWNER:
            raise Forbidden("Only the owner may change roles.")
        member = state.members.find((conversation.id, self.member_id))
        if member is None or not member.active:
            raise NotFound("There is no such member.", field="user_id")
        if member.role is self.role:
            return Decision(conversation)
        if member.user_id == owner.user_id:
            raise Forbidden("The owner gives their role away by making another the owner.")
        revision = conversation.revision + 1
        rows = [replace(member, role=self.role, revision=revision)]
        if self.role is Role.OWNER:
            rows.append(replace(owner, role=Role.ADMIN, revision=revision))
        changed = replace(conversation, revision=revision)
        told = (self.member_id,)
        changed, note = noted(changed, Event.ROLE, self.user_id, now, limits, told, role=self.role.value)
        return Decision(changed, Why.MEMBER_UPDATED, changed, created=note, members=tuple(rows))


def removal(
    state: State, conversation: Conversation, gone: Member, by: UserId, now: Millis, limits: Limits
) -> Decision[Conversation]:
    """An active member goes. If they owned the group, the first of its `successors` inherits.

    What the last one leaves behind has no title, no picture and no data: nobody sees them any more.
    """
    revision = conversation.revision + 1
    shrunk = replace(conversation, revision=revision, member_count=conversation.member_count - 1)
    if shrunk.member_count == 0:
        shrunk = replace(shrunk, title=None, extras=None)
    rows = [replace(gone, active=False, role=Role.MEMBER, revision=revision)]
    if gone.role is Role.OWNER:
        rows += _inherit(state, gone, revision)
    event = Event.LEFT if by == gone.user_id else Event.REMOVED
    shrunk, note = noted(shrunk, event, by, now, limits, (gone.user_id,))
    return Decision(
        shrunk,
        Why.MEMBER_REMOVED,
        shrunk,
        created=note,
        members=tuple(rows),
        left=(gone.user_id,),
        restated=True,
    )


def _is_active(state: State, conversation_id: ConversationId, user_id: UserId) -> bool:
    member = state.members.find((conversation_id, user_id))
    return member is not None and member.active


def _check_room(state: State, conversation: Conversation, new: list[UserId], limits: Limits) -> None:
    bounds = (
        ("members_added", len(new), limits.members_added),
        ("group_members", conversation.member_count + len(new), limits.group_members),
        ("conversations", max(state.users[user_id] for user_id in new) + 1, limits.conversations),
    )
    for name, wanted, limit in bounds:
        if wanted > limit:
            raise LimitExceeded(field="user_ids", details={"name": name, "limit": limit})


def _joining(conversation: Conversation, user_id: UserId, state: State) -> Member:
    """A row as of joining, for the first time or again: nothing is unread."""
    before = state.members.find((conversation.id, user_id))
    last = conversation.last_seq
    return Member(
        conversation_id=conversation.id,
        user_id=user_id,
        role=Role.MEMBER,
        active=True,
        revision=conversation.revision,
        joined_revision=conversation.revision,
        visible_from_seq=1 if conversation.history is History.FROM_START else last + 1,
        delivered_seq=last,
        read_seq=last,
        shown_delivered_seq=last,
        shown_read_seq=last,
        me_revision=before.me_revision if before is not None else 0,
    )


def _inherit(state: State, owner: Member, revision: int) -> list[Member]:
    """The row of who owns the group after its owner, by standing, then by time; nobody: it was the last."""
    heirs = [it for it in state.successors(owner.conversation_id) if it.user_id != owner.user_id]
    if not heirs:
        return []
    heir = min(heirs, key=lambda it: (it.role is not Role.ADMIN, it.joined_revision, it.user_id))
    return [replace(heir, role=Role.OWNER, revision=revision)]
