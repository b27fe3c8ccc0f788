"""What changes: the one door for it, and who is told."""

from collections.abc import Awaitable
from typing import Protocol

from gochat.core.command import A, Command
from gochat.core.delta import Committed
from gochat.core.model import ConversationId, Message, SessionId, UserId
from gochat.core.reactions import Wish
from gochat.core.receipts import Position, Receipt


class Writer(Protocol):
    """The one door for every change of a conversation."""

    def submit(self, command: Command[A]) -> Awaitable[A]:
        """Queue a command. One user's are decided in the order of submission; users take turns.

        Where somebody else has locked rows in the database, those commands that need them come later than
        others, each conversation's in order.

        The answer comes after the commit: what it says is durable. It is published (`Publisher`) before it
        is answered, once, whatever happens to whoever waits for the answer.

        Raises:
            Overloaded: at once, or from the awaitable after 2 s: too much waits; nothing of it is stored.
            ChatError: from the awaitable; the command was refused, or (`Unavailable`, after 10 s at most) the
                database does not answer: then it may be stored or not, and sending it again with its key
                settles that.
        """
        ...


class Receipts(Protocol):
    """The door for receipts: they gather for a moment, then go through `Writer` together."""

    async def advance(self, conversation_id: ConversationId, user_id: UserId, position: Position) -> Receipt:
        """Move a member's positions; the answer comes after the commit.

        Raises:
            NotFound: not there, or not a member.
        """
        ...


class Reactions(Protocol):
    """The door for reactions: those to one message gather for a moment, then go through `Writer` together."""

    async def react(self, wish: Wish) -> Message:
        """Make a reaction, or take it back; after the commit comes the message, as its user sees it.

        Raises:
            NotFound: not there, not a member, or no message that they see.
            MessageDeleted, Forbidden, LimitExceeded: see `React.decide`.
        """
        ...


class Publisher(Protocol):
    """Takes what was committed to whoever is online."""

    def publish(self, committed: Committed) -> None:
        """Called on the event loop, once per batch, in order of the commits of this process."""
        ...

    def revoked(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        """A session was ended: its sockets are told why, and dismissed."""
        ...
