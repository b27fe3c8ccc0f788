"""Blocks and their rules: who has blocked whom, and what that closes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gochat.core.command import Reserving
from gochat.core.errors import Forbidden, InvalidPayload, LimitExceeded, NotFound
from gochat.core.limits import Limits
from gochat.core.model import Conversation, ConversationId, Millis, UserId, direct_key
from gochat.core.needs import Needs
from gochat.core.state import Decision, State
from gochat.core.values import value


@value(frozen=True, slots=True)
class Block(Reserving[None]):
    """A user blocks another, or does so no more.

    Their direct conversation is locked, or, as `new_id`, the place that it would have: so no message is
    stored in it after the answer.
    """

    new_id: ConversationId
    user_id: UserId
    other_id: UserId
    on: bool

    @property
    def unique_key(self) -> str:
        """Of their direct conversation."""
        return direct_key(self.user_id, self.other_id)

    def need(self, needs: Needs) -> None:
        """Lock the conversation and the user; read the blocks between the two, and how many they have."""
        needs.unique_keys.add(self.unique_key)
        needs.me.add(self.user_id)
        needs.users.add(self.other_id)
        needs.blocks.update(((self.user_id, self.other_id), (self.other_id, self.user_id)))
        needs.blockers.add(self.user_id)

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""
        return 1_536

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[None]:
        """Block a user, or do so no more; what is so already stays as it is.

        Raises:
            InvalidPayload: oneself.
            NotFound: there is no such user.
            LimitExceeded: too many are blocked.
        """
        pair = (self.user_id, self.other_id)
        if self.user_id == self.other_id:
            raise InvalidPayload("Nobody blocks themselves.", field="user_id")
        if state.users.find(self.other_id) is None:
            raise NotFound("There is no such user.", field="user_id")
        blocked, back = state.blocked(*pair), state.blocked(*pair[::-1])
        if blocked is self.on:
            return Decision(None)
        if self.on and state.blockers[self.user_id] >= limits.blocks:
            raise LimitExceeded(field="user_id", details={"limit": limits.blocks})
        conversation = state.conversations[state.by_key[self.unique_key]]
        closed = self.on or back
        closing = conversation.revision > 0 and conversation.blocked is not closed
        return Decision(
            None,
            unseen=replace(conversation, blocked=closed) if closing else None,
            me=(self.user_id,),
            block=(*pair, self.on),
        )


def check_open(conversation: Conversation) -> None:
    """Refuse what would speak in a direct conversation in which one has blocked the other.

    Raises:
        Forbidden
    """
    if conversation.blocked:
        raise Forbidden("One of the two has blocked the other.", details={"reason": "blocked"})


def need_welcome(needs: Needs, user_id: UserId, others: Iterable[UserId]) -> None:
    """Read what `check_welcome` asks."""
    others = [other for other in others if other != user_id]
    needs.users.update(others)
    needs.blocks.update((other, user_id) for other in others)
    needs.welcome.update((other, user_id) for other in others)


def check_welcome(state: State, user_id: UserId, others: Sequence[UserId], field: str) -> None:
    """Who may be brought into a conversation by a user: who exists, has not blocked them, and lets them.

    Who is deleted, or about to be, is nobody: they would be a member, and inherit, for ever. Who was blocked
    is not told so: it is as if there were no such user.

    Raises:
        NotFound, Forbidden: of `field`.
    """
    for other in others:
        if state.welcome.find((other, user_id)) is None or state.blocked(other, user_id):
            raise NotFound("A user does not exist.", field=field)
    if not all(state.welcome[other, user_id] for other in others):
        raise Forbidden(
            "A user does not let you bring them into conversations.",
            field=field,
            details={"reason": "who_can_add"},
        )
