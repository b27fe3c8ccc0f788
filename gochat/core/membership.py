"""Who a user is in a conversation: the check that stands before every rule."""

from gochat.core.errors import Forbidden, NotFound
from gochat.core.model import Conversation, ConversationId, Kind, Member, Role, UserId, Who
from gochat.core.state import State

_STANDING = {Role.OWNER: 2, Role.ADMIN: 1, Role.MEMBER: 0}


def membership(state: State, conversation_id: ConversationId, user_id: UserId) -> tuple[Conversation, Member]:
    """The conversation and the user's row in it.

    Raises:
        NotFound: there is no such conversation, or they are not a member: the same answer for both.
    """
    conversation = state.conversations.find(conversation_id)
    member = state.members.find((conversation_id, user_id))
    if conversation is None or member is None or not member.active:
        raise NotFound("There is no such conversation.", field="conversation_id")
    return conversation, member


def group(state: State, conversation_id: ConversationId, user_id: UserId) -> tuple[Conversation, Member]:
    """The same, for what only groups have.

    Raises:
        NotFound: as above.
        Forbidden: the conversation is direct.
    """
    _, member = membership(state, conversation_id, user_id)
    return a_group(state, conversation_id), member


def a_group(state: State, conversation_id: ConversationId) -> Conversation:
    """The group, whoever asks.

    Raises:
        NotFound: there is no such conversation.
        Forbidden: it is direct.
    """
    conversation = state.conversations.find(conversation_id)
    if conversation is None:
        raise NotFound("There is no such conversation.", field="conversation_id")
    if conversation.kind is not Kind.GROUP:
        raise Forbidden("A direct conversation has no members to change and no title.")
    return conversation


def outranks(one: Member, other: Member) -> bool:
    """Whether one member's role stands above the other's."""
    return _STANDING[one.role] > _STANDING[other.role]


def require(member: Member, who: Who, setting: str) -> None:
    """Refuse whom a setting of the group does not let.

    Raises:
        Forbidden: `details.reason` is the setting's name.
    """
    if who is Who.ADMINS and member.role is Role.MEMBER:
        raise Forbidden("Only an admin or the owner may do this here.", details={"reason": setting})


def require_admin(member: Member) -> None:
    """Refuse an ordinary member.

    Raises:
        Forbidden: they are neither an admin nor the owner.
    """
    if member.role is Role.MEMBER:
        raise Forbidden("Only an admin or the owner may do this.")
