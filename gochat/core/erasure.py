"""An account is deleted: what becomes of what its user wrote, and of what is said of them."""

from typing import Final

from gochat.core.command import Command
from gochat.core.errors import NotFound
from gochat.core.limits import Limits
from gochat.core.messages import ROW_BYTES, emptied
from gochat.core.model import ConversationId, Message, Millis, Profile, Settings, Standing, User, UserId
from gochat.core.needs import Needs
from gochat.core.reactions import Tally
from gochat.core.state import Decision, State
from gochat.core.values import value

NEUTRAL_NAME: Final = "Deleted user"
"""Under which what they wrote is left."""


_NOBODY: Final = "deleted-"


def neutral_username(user_id: UserId) -> str:
    """A username that nobody can register, and that tells nothing."""
    return f"{_NOBODY}{user_id:016x}"


NEUTRAL_USERNAMES: Final = (_NOBODY, "deleted.")
"""From where to where, in order of code points, all neutral usernames stand, and no other."""


@value(frozen=True, slots=True)
class EraseMessage(Command[Message]):
    """Empty a message of a user who is deleted, wherever it is: they may be no member any more."""

    conversation_id: ConversationId
    user_id: UserId
    seq: int

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the message."""
        needs.conversations.add(self.conversation_id)
        needs.messages.add((self.conversation_id, self.seq))

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return ROW_BYTES

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Message]:
        """Empty it; again changes nothing.

        Raises:
            NotFound: there is no such message of this user.
        """
        conversation = state.conversations.find(self.conversation_id)
        message = state.messages.find((self.conversation_id, self.seq))
        if conversation is None or message is None or message.sender_id != self.user_id:
            raise NotFound("There is no such message.")
        if message.deleted_at is not None:
            return Decision(message)
        return emptied(conversation, message, now)


@value(frozen=True, slots=True)
class EraseReaction(Command[None]):
    """Take back a reaction of a user who is deleted, wherever it is."""

    conversation_id: ConversationId
    user_id: UserId
    seq: int
    emoji: str

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the message, the reaction, and who else made one."""
        needs.conversations.add(self.conversation_id)
        needs.messages.add((self.conversation_id, self.seq))
        needs.reactions.add((self.conversation_id, self.user_id, self.seq))
        needs.reactors.add((self.conversation_id, self.seq, self.emoji))

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return ROW_BYTES

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[None]:
        """Take it back; again changes nothing.

        Raises:
            NotFound: there is no such message.
        """
        message = state.messages.find((self.conversation_id, self.seq))
        if message is None:
            raise NotFound("There is no such message.")
        tally = Tally(state, self.conversation_id, self.seq, message.reactions)
        tally.take(self.user_id, self.emoji, False, limits)
        return tally.decision(None, message)


@value(frozen=True, slots=True)
class EraseUser(Command[None]):
    """Take away all that is said of a user; what they wrote stays under a neutral name."""

    user_id: UserId

    def need(self, needs: Needs) -> None:
        """Lock the user; read what is said of them."""
        needs.me.add(self.user_id)
        needs.profiles.add(self.user_id)

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return 4_096

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[None]:
        """Erase it; again changes nothing.

        Raises:
            NotFound: there is no such user.
        """
        profile = state.profiles.find(self.user_id)
        if profile is None:
            raise NotFound("There is no such user.")
        nobody = User(self.user_id, neutral_username(self.user_id), NEUTRAL_NAME, deleted=True)
        erased = Profile(
            profile.user.restated(nobody, now), Settings(), Standing(profile.standing.created_at)
        )
        return Decision(None) if erased == profile else Decision(None, me=(self.user_id,), profile=erased)
