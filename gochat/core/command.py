"""What can be asked of the writer: a frozen value for each request, with what it needs and with its rule.

Each stands in the file named for what it changes: messages, receipts, conversations, members, blocks or
profiles.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeAlias, TypeVar

from gochat.core.limits import Limits
from gochat.core.model import ConversationId, Millis, UserId
from gochat.core.needs import Needs
from gochat.core.state import Decision, State

A = TypeVar("A")
"""What a command is answered with."""


class Command(ABC, Generic[A]):
    """Implemented by frozen values. It goes through `ports.Writer`, and is answered with an `A`."""

    __slots__ = ()

    @property
    @abstractmethod
    def size(self) -> int:
        """At most so many bytes it adds to a batch's statements."""

    @abstractmethod
    def need(self, needs: Needs) -> None:
        """Name what must be locked and read before it is decided."""

    @abstractmethod
    def decide(self, state: State, now: Millis, limits: Limits) -> Decision[A]:
        """Decide what it does to the state: the rule, without side effects.

        Args:
            state: holds all that it `need`s; asked for anything else it raises `NotAskedError`.
            now: the database's clock.

        Raises:
            ChatError: it is refused, and changes nothing.
        """

    def told(self, answer: A, totals: Mapping[UserId, int]) -> A:
        """The answer, with what is known only once the batch is written: `Decision.totals`."""
        return answer


class Reserving(Command[A]):
    """One that reserves a conversation's unique key. They come in batches of their own."""

    __slots__ = ()

    new_id: ConversationId
    """Of the conversation, if there is none with that key yet."""

    @property
    @abstractmethod
    def unique_key(self) -> str | None:
        """What creating it twice has in common; None: it reserves nothing."""


class Gathered(Command[A]):
    """What several users ask at about the same time of one conversation, as one command."""

    __slots__ = ()

    conversation_id: ConversationId

    @property
    @abstractmethod
    def rows(self) -> int:
        """As how many commands it counts."""


AnyCommand: TypeAlias = Command[Any]
