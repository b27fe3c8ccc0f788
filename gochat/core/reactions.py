"""Reactions to messages, and their rules: who reacts how, and what of it a message carries.

A message carries how often each kind was made and the newest who made it; so whoever reads it needs no more.
All reactions stand in rows of their own. Those of many at about the same time are gathered, and take one
revision.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, TypeAlias

from gochat.core.blocks import check_open
from gochat.core.command import Gathered
from gochat.core.delta import Why
from gochat.core.emoji_sequences import SEQUENCES
from gochat.core.errors import ChatError, InvalidPayload, LimitExceeded, MessageDeleted
from gochat.core.limits import Limits
from gochat.core.membership import membership
from gochat.core.messages import ROW_BYTES, visible
from gochat.core.model import ConversationId, Message, Millis, Reaction, UserId
from gochat.core.needs import Needs
from gochat.core.state import A, Decision, State
from gochat.core.values import value

SHOWN: Final = 20
"""So many of those who made one kind of reaction a message carries."""
SHOWN_IN_ALL: Final = 120
"""Of so many kinds that these were more: a message goes out whole with each change."""
_SELECTOR: Final = "\ufe0f"
"""Asks for the coloured form of the character before it; keyboards may leave it out."""
_CUSTOM = re.compile(r"custom:[a-z0-9_-]{1,32}")
_KNOWN: Final = {text.replace(_SELECTOR, ""): text for text in SEQUENCES.split()}


def kind_of(text: str) -> str:
    """Return a reaction as it is kept: one emoji of Unicode in its full form, or `custom:` and a name.

    Raises:
        InvalidPayload: it is neither; `details.reason` is `no_emoji`.
    """
    if _CUSTOM.fullmatch(text):
        return text
    known = _KNOWN.get(text.replace(_SELECTOR, ""))
    if known is None:
        raise InvalidPayload("emoji: is not one emoji.", field="emoji", details={"reason": "no_emoji"})
    return known


@value(frozen=True, slots=True)
class Wish:
    """A user wants to have reacted so to a message, or not to have."""

    conversation_id: ConversationId
    seq: int
    user_id: UserId
    emoji: str
    on: bool


Answers: TypeAlias = dict[tuple[UserId, str], Message | ChatError]


@value(frozen=True, slots=True)
class React(Gathered[Answers]):
    """Users react to one message, or take that back: at most one revision for them all.

    The answer has the message as each sees it, or a ChatError, by user and emoji.
    """

    conversation_id: ConversationId
    seq: int
    wanted: Mapping[tuple[UserId, str], bool]

    def need(self, needs: Needs) -> None:
        """Lock the conversation; read the message, the users' rows and reactions, and who else is shown."""
        needs.conversations.add(self.conversation_id)
        needs.messages.add((self.conversation_id, self.seq))
        for (user_id, emoji), on in self.wanted.items():
            needs.members.add((self.conversation_id, user_id))
            needs.reactions.add((self.conversation_id, user_id, self.seq))
            if not on:
                needs.reactors.add((self.conversation_id, self.seq, emoji))

    @property
    def rows(self) -> int:
        """One for each reaction."""
        return len(self.wanted)

    @property
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements, beside what the message has already."""
        return 4 * ROW_BYTES + 400 * len(self.wanted)

    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[Answers]:
        """Make reactions, or take them back; what is so already changes nothing.

        The answer has for each the message, or NotFound: no member, or no message that they see;
        MessageDeleted; Forbidden: one of the two has blocked the other; LimitExceeded: too many kinds.
        """
        answers: dict[tuple[UserId, str], Message | ChatError] = {}
        message = state.messages.find((self.conversation_id, self.seq))
        tally = Tally(state, self.conversation_id, self.seq, () if message is None else message.reactions)
        for (user_id, emoji), on in self.wanted.items():
            try:
                self._check(state, user_id)
                tally.take(user_id, emoji, on, limits)
            except ChatError as refusal:
                answers[user_id, emoji] = refusal.with_traceback(None)
        if message is None:
            return Decision(answers)
        decision = tally.decision(answers, message)
        told = decision.updated or message
        for user_id, emoji in self.wanted.keys() - answers.keys():
            answers[user_id, emoji] = seen_by(told, user_id, tally.own(user_id))
        return decision

    def _check(self, state: State, user_id: UserId) -> None:
        conversation, member = membership(state, self.conversation_id, user_id)
        message = visible(state, member, self.conversation_id, self.seq, "seq")
        if message.deleted_at is not None:
            raise MessageDeleted(field="seq")
        check_open(conversation)


@dataclass(slots=True)
class Tally:
    """The reactions to one message, while some are made and taken back.

    Of users whose reactions were asked for.
    """

    state: State
    conversation_id: ConversationId
    seq: int
    before: tuple[Reaction, ...]
    counts: dict[str, int] = field(init=False)
    shown: dict[str, list[UserId]] = field(init=False)
    kinds: dict[UserId, frozenset[str]] = field(default_factory=dict)
    """Of users whose reactions changed."""
    changed: dict[tuple[UserId, str], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counts = {it.emoji: it.count for it in self.before}
        self.shown = {it.emoji: list(it.user_ids) for it in self.before}

    def own(self, user_id: UserId) -> frozenset[str]:
        """How a user reacts now."""
        if user_id in self.kinds:
            return self.kinds[user_id]
        return self.state.reactions.find((self.conversation_id, user_id, self.seq)) or frozenset()

    def take(self, user_id: UserId, emoji: str, on: bool, limits: Limits) -> None:
        """Make a reaction, or take it back.

        Raises:
            LimitExceeded: `details.name` is `reactions` (of the user) or `reaction_kinds` (of all).
        """
        own = self.own(user_id)
        if (emoji in own) is on:
            return
        if on:
            _check_room("reactions", len(own), limits.reactions)
            if emoji not in self.counts:
                _check_room("reaction_kinds", len(self.counts), limits.reaction_kinds)
        self.kinds[user_id] = own | {emoji} if on else own - {emoji}
        self.changed[user_id, emoji] = on
        shown = [it for it in self.shown.get(emoji, ()) if it != user_id]
        self.shown[emoji] = [user_id, *shown][:SHOWN] if on else shown
        self.counts[emoji] = self.counts.get(emoji, 0) + (1 if on else -1)
        if self.counts[emoji] < 1:
            del self.counts[emoji], self.shown[emoji]

    def decision(self, result: A, message: Message) -> Decision[A]:
        """What became of the message by all that was taken; nothing, if nothing changed."""
        if not self.changed:
            return Decision(result)
        conversation = self.state.conversations[self.conversation_id]
        revision = conversation.revision + 1
        return Decision(
            result,
            Why.MESSAGE_REACTED,
            replace(conversation, revision=revision),
            updated=replace(message.with_reactions(self._reactions()), revision=revision),
            reactions=tuple((*key, on) for key, on in self.changed.items()),
        )

    def _reactions(self) -> tuple[Reaction, ...]:
        """As the message carries them."""
        if not self.counts:
            return ()
        each = min(SHOWN, max(1, SHOWN_IN_ALL // len(self.counts)))
        taken_back = {emoji for (_, emoji), on in self.changed.items() if not on}
        for emoji in taken_back & self.counts.keys():
            self._fill(emoji)
        return tuple(
            Reaction(emoji, count, tuple(self.shown[emoji][:each])) for emoji, count in self.counts.items()
        )

    def _fill(self, emoji: str) -> None:
        """Show others in the place of those who took it back: no fewer than a message carries."""
        shown = self.shown[emoji]
        before: Iterable[UserId] = self.state.reactors.find((self.conversation_id, self.seq, emoji)) or ()
        others = (it for it in before if it not in shown and self._still(it, emoji))
        shown.extend(islice(others, SHOWN))

    def _still(self, user_id: UserId, emoji: str) -> bool:
        """Whether who had reacted so before the batch still does."""
        if user_id in self.kinds:
            return emoji in self.kinds[user_id]
        known = self.state.reactions.get((self.conversation_id, user_id, self.seq))
        return known is None or emoji in known


def _check_room(name: str, there: int, limit: int) -> None:
    if there >= limit:
        raise LimitExceeded(field="emoji", details={"name": name, "limit": limit})


def names_all(reaction: Reaction) -> bool:
    """Whether a reaction carries everybody who made it."""
    return reaction.count <= len(reaction.user_ids)


def seen_by(message: Message, user_id: UserId, own: Collection[str]) -> Message:
    """The message as one user sees it.

    Args:
        own: how they reacted; of those reactions that name all who made them it need not tell.
    """
    if not message.reactions:
        return message
    return message.with_reactions(
        tuple(
            replace(it, mine=user_id in it.user_ids or (not names_all(it) and it.emoji in own))
            for it in message.reactions
        )
    )
