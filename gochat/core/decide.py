"""Every rule of a conversation: `decide(state, command, now, limits)`, a pure function.

The rules stand in the file named for what they decide; here is only which rule decides which command.
"""

from gochat.core import conversations, members, messages, profiles, receipts
from gochat.core.commands import (
    AddMembers,
    AdvanceReceipts,
    Block,
    Command,
    CreateConversation,
    DeleteMessage,
    EditMessage,
    RemoveMember,
    SendMessage,
    SetRole,
    UpdateConversation,
    UpdateProfile,
)
from gochat.core.limits import Limits
from gochat.core.model import Millis
from gochat.core.state import Decision, State


def decide(state: State, command: Command, now: Millis, limits: Limits) -> Decision:
    """What the command does to the state.

    Args:
        state: holds all that the command `need`s.
        now: the database's clock.

    Raises:
        ChatError: it is refused, and changes nothing.
    """
    match command:
        case SendMessage():
            return messages.send(state, command, now, limits)
        case AdvanceReceipts():
            return receipts.advance(state, command, limits)
        case EditMessage():
            return messages.edit(state, command, now, limits)
        case DeleteMessage():
            return messages.delete(state, command, now)
        case CreateConversation():
            return conversations.create(state, command, now, limits)
        case UpdateConversation():
            return conversations.update(state, command, limits)
        case AddMembers():
            return members.add(state, command, limits)
        case RemoveMember():
            return members.remove(state, command)
        case SetRole():
            return members.set_role(state, command)
        case Block():
            return profiles.block(state, command, limits)
        case UpdateProfile():
            return profiles.update(state, command)
