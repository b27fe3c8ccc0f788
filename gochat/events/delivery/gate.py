"""The gate: every entry of a log passes it, so that sockets hear revisions in order, once, without holes.

A log is a conversation's, or a user's own. No I/O: what is late or missing is for `gates` to time and fetch.
"""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from gochat.core.model import ConversationId, UserId
from gochat.core.values import value

MAX_EARLY = 256
"""Entries held while one before them is missing; more are dropped, and read back from the database."""


class Entry(Protocol):
    """What passes: a span of a log, encoded once. `payload`: JSON; None: read it from the database."""

    @property
    def since(self) -> int:
        """The revision before it."""

    @property
    def revision(self) -> int:
        """The revision after it."""

    @property
    def payload(self) -> bytes | None:
        """The delta, as it goes to sockets."""


@value(frozen=True, slots=True)
class Notice:
    """A delta of a conversation, and who has come and gone by it.

    `apart`: who joined is told the conversation whole, not this delta. `as_of`: the revision as of which
    `joined` and `left` are so, where that is later than the delta's own.
    """

    event: str
    conversation_id: ConversationId
    since: int
    revision: int
    payload: bytes | None
    joined: tuple[UserId, ...] = ()
    left: tuple[UserId, ...] = ()
    theirs: tuple[UserId, ...] = ()
    apart: bool = False
    as_of: int = 0
    first_seq: int = 0
    """The lowest seq of its messages, by which it is decided who may hear all of it; 0: it has none."""

    @property
    def members_as_of(self) -> int:
        """The revision as of which it is known who has come and gone."""
        return max(self.revision, self.as_of)


@value(frozen=True, slots=True)
class MeNotice:
    """A delta of a user's own log."""

    user_id: UserId
    since: int
    revision: int
    payload: bytes | None


EntryT = TypeVar("EntryT", bound=Entry)


@dataclass(slots=True)
class Gate(Generic[EntryT]):
    """One log's place: `revision` is the last that was handed on here."""

    revision: int
    opened: int = field(init=False)
    """The revision after which it is heard: what was before was not handed on by it."""
    highest: int = 0
    """The highest revision that is known to exist."""
    early: dict[int, EntryT] = field(default_factory=dict)
    """By `since`: those that wait for the one before them."""

    def __post_init__(self) -> None:
        self.opened = self.revision

    def offer(self, entry: EntryT) -> list[EntryT]:
        """What may be handed on now that this one came, in order; what was handed on before is dropped.

        So is what begins before the place and ends after it, as a batch does in whose middle a part of a
        repair ended: nobody hears anything twice, and the rest of it is missing, to be repaired.
        """
        self.learn(entry.revision)
        if entry.since < self.revision or entry.payload is None:
            return []
        if entry.since > self.revision:
            if len(self.early) < MAX_EARLY:
                self.early[entry.since] = entry
            return []
        self.revision = entry.revision
        return self._pass_early([entry]) if self.early else [entry]

    def learn(self, revision: int) -> None:
        """The log goes at least that far."""
        self.highest = max(self.highest, revision)

    def handed_on(self, entry: EntryT) -> bool:
        """Whether all of it went through here."""
        return self.opened <= entry.since and entry.revision <= self.revision

    @property
    def missing(self) -> bool:
        """Whether something that exists has not come yet."""
        return self.highest > self.revision

    def _pass_early(self, passed: list[EntryT]) -> list[EntryT]:
        """What just passed, and those that waited for it."""
        for since in sorted(self.early):
            if since > self.revision:
                break
            early = self.early.pop(since)
            if since == self.revision:
                passed.append(early)
                self.revision = early.revision
        return passed
