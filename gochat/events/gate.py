"""The gate: every delta of a conversation passes it, so that sockets hear revisions in order, without holes.

No I/O: what is late or missing is for `Fanout` to time and to fetch.
"""

from dataclasses import dataclass, field

from gochat.core.model import ConversationId, UserId

MAX_EARLY = 256
"""Notices held while one before them is missing; more are dropped, and read back from the database."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A delta on its way to sockets, encoded once. `payload`: JSON; None: read it from the database."""

    event: str
    conversation_id: ConversationId
    since: int
    revision: int
    payload: bytes | None
    joined: tuple[UserId, ...] = ()
    left: tuple[UserId, ...] = ()


@dataclass(slots=True)
class Gate:
    """One conversation's place in its log: `revision` is the last that was handed on here."""

    revision: int
    highest: int = 0
    """The highest revision that is known to exist."""
    early: dict[int, Notice] = field(default_factory=dict)
    """By `since`: those that wait for the one before them."""

    def offer(self, notice: Notice) -> list[Notice]:
        """What may be handed on now that this notice came, in order; what was handed on before is dropped."""
        self.highest = max(self.highest, notice.revision)
        if notice.revision <= self.revision or notice.payload is None:
            return []
        if notice.since > self.revision:
            if len(self.early) < MAX_EARLY:
                self.early[notice.since] = notice
            return []
        return self._pass(notice)

    @property
    def missing(self) -> bool:
        """Whether something that exists has not come yet."""
        return self.highest > self.revision

    def _pass(self, notice: Notice) -> list[Notice]:
        """This one, and those that waited for it."""
        passed = [notice]
        self.revision = notice.revision
        for since in sorted(self.early):
            if since > self.revision:
                break
            early = self.early.pop(since)
            if early.revision > self.revision:
                passed.append(early)
                self.revision = early.revision
        return passed
