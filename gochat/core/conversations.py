"""The rules of conversations themselves: creating and renaming them."""

from dataclasses import replace

from gochat.core.commands import CreateConversation, UpdateConversation
from gochat.core.delta import Why
from gochat.core.errors import Forbidden, IdempotencyConflict, InvalidPayload, LimitExceeded
from gochat.core.limits import Limits
from gochat.core.membership import group, require_admin
from gochat.core.model import Conversation, History, Kind, Member, Millis, Role, UserId
from gochat.core.profiles import check_welcome
from gochat.core.state import Decision, State


def create(state: State, command: CreateConversation, now: Millis, limits: Limits) -> Decision:
    """Create a conversation, or find it: a direct one by its pair, a group by its creator's key.

    Raises:
        IdempotencyConflict: the group's key was used for another request.
        InvalidPayload: a direct conversation with nobody, oneself, several, or a title.
        NotFound: a member does not exist, or has blocked the creator.
        Forbidden: the creator has blocked the other of a direct one.
        LimitExceeded: too many members, or conversations of one user.
    """
    others = _others(command, limits)
    key = command.unique_key
    found = state.conversations.get(state.by_key[key]) if key in state.by_key else None
    if found is not None and found.revision > 0:
        if found.kind is Kind.GROUP and found.request_hash != command.request_hash:
            raise IdempotencyConflict(field="client_conversation_id")
        return Decision(found)
    _check_users(state, command, others, limits)
    conversation = Conversation(
        id=found.id if found is not None else command.new_id,
        kind=command.kind,
        title=_title(command.title, limits),
        history=History.FROM_START if command.kind is Kind.DIRECT else command.history,
        revision=1,
        last_seq=0,
        last_message_at=now,
        member_count=1 + len(others),
        created_at=now,
        created_by=command.creator_id,
        unique_key=key,
        request_hash=command.request_hash,
    )
    role = Role.MEMBER if command.kind is Kind.DIRECT else Role.OWNER
    members = [_first_member(conversation, command.creator_id, role)]
    members += [_first_member(conversation, user_id, Role.MEMBER) for user_id in others]
    return Decision(
        conversation,
        Why.CONVERSATION_CREATED,
        conversation,
        members=tuple(members),
        joined=(command.creator_id, *others),
        own=True,
    )


def update(state: State, command: UpdateConversation, limits: Limits) -> Decision:
    """Rename a group.

    Raises:
        NotFound, Forbidden: not a member, not a group, not an admin.
        InvalidPayload: the title is too long.
    """
    conversation, member = group(state, command.conversation_id, command.user_id)
    require_admin(member)
    title = _title(command.title, limits)
    if title == conversation.title:
        return Decision(conversation)
    renamed = replace(conversation, title=title, revision=conversation.revision + 1)
    return Decision(renamed, Why.CONVERSATION_UPDATED, renamed, own=True)


def _others(command: CreateConversation, limits: Limits) -> list[UserId]:
    """The members apart from the creator, each once, in the order named."""
    others = [user_id for user_id in dict.fromkeys(command.member_ids) if user_id != command.creator_id]
    if command.kind is Kind.DIRECT:
        if len(command.member_ids) != 1 or not others:
            raise InvalidPayload("A direct conversation has exactly one other member.", field="member_ids")
        if command.title is not None:
            raise InvalidPayload("A direct conversation has no title.", field="title")
    if len(others) > limits.members_added:
        raise LimitExceeded(field="member_ids", details={"limit": limits.members_added})
    return others


def _check_users(state: State, command: CreateConversation, others: list[UserId], limits: Limits) -> None:
    creator = command.creator_id
    check_welcome(state, creator, (creator, *others))
    if command.kind is Kind.DIRECT and (creator, others[0]) in state.blocks:
        raise Forbidden("Whom one has blocked one does not write to.", details={"reason": "blocked"})
    if any(state.users[user_id] >= limits.conversations for user_id in (creator, *others)):
        raise LimitExceeded(
            "A member is in too many conversations.",
            field="member_ids",
            details={"limit": limits.conversations},
        )


def _title(title: str | None, limits: Limits) -> str | None:
    title = (title or "").strip() or None
    if title is not None and len(title) > limits.title:
        raise InvalidPayload(
            f"The title is longer than {limits.title} characters.",
            field="title",
            details={"reason": "too_long", "limit": limits.title},
        )
    return title


def _first_member(conversation: Conversation, user_id: UserId, role: Role) -> Member:
    return Member(
        conversation_id=conversation.id,
        user_id=user_id,
        role=role,
        active=True,
        revision=1,
        joined_revision=1,
        visible_from_seq=1,
    )
