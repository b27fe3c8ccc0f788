"""The rules of what a user decides about himself: whom he blocks, and what is said of him."""

from dataclasses import replace

from gochat.core.commands import Block, UpdateProfile
from gochat.core.errors import Forbidden, InvalidPayload, LimitExceeded, NotFound
from gochat.core.limits import Limits
from gochat.core.model import Conversation, UserId
from gochat.core.state import Decision, State


def block(state: State, command: Block, limits: Limits) -> Decision:
    """Block a user, or do so no more; what is so already stays as it is.

    Raises:
        InvalidPayload: oneself.
        NotFound: there is no such user.
        LimitExceeded: too many are blocked.
    """
    pair = (command.user_id, command.other_id)
    if command.user_id == command.other_id:
        raise InvalidPayload("Nobody blocks himself.", field="user_id")
    if command.other_id not in state.users:
        raise NotFound("There is no such user.", field="user_id")
    if (pair in state.blocks) is command.on:
        return Decision(None)
    if command.on and state.blockers[command.user_id] >= limits.blocks:
        raise LimitExceeded(field="user_id", details={"limit": limits.blocks})
    conversation = state.conversations[state.by_key[command.unique_key]]
    blocked = command.on or pair[::-1] in state.blocks
    closing = conversation.revision > 0 and conversation.blocked is not blocked
    return Decision(
        None,
        unseen=replace(conversation, blocked=blocked) if closing else None,
        me=(command.user_id,),
        profile=command,
    )


def update(state: State, command: UpdateProfile) -> Decision:
    """Change what is said of a user.

    Raises:
        InvalidPayload: a blank name.
        NotFound: there is no such user.
    """
    name = command.display_name
    if name is not None:
        name = name.strip()
        if not name:
            raise InvalidPayload("display_name: is blank.", field="display_name")
    if command.user_id not in state.me:
        raise NotFound("There is no such user.")
    if name is None and command.presence_hidden is None:
        return Decision(None)
    return Decision(None, me=(command.user_id,), profile=replace(command, display_name=name))


def check_open(conversation: Conversation) -> None:
    """Refuse what would speak in a direct conversation in which one has blocked the other.

    Raises:
        Forbidden
    """
    if conversation.blocked:
        raise Forbidden("One of the two has blocked the other.", details={"reason": "blocked"})


def check_welcome(state: State, user_id: UserId, others: tuple[UserId, ...]) -> None:
    """Who may be brought into a conversation by a user: who exists, and has not blocked him.

    He is not told which of the two it is.

    Raises:
        NotFound: of `member_ids`.
    """
    if any(other not in state.users or (other, user_id) in state.blocks for other in others):
        raise NotFound("A user does not exist.", field="member_ids")
