"""What is stored, as phones ask for it, and the log of what was committed."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from gochat.core.delta import Change, Delta
from gochat.core.model import ConversationId, Message, SessionId, Standing, User, UserId
from gochat.core.queries import (
    Batch,
    ConversationPage,
    ConversationView,
    Heads,
    HistoryPage,
    ListPosition,
    MeDelta,
    MemberPage,
    Memberships,
    ReactionPage,
    ReactionPosition,
    SyncPage,
    SyncRequest,
)
from gochat.core.search import SearchPage, SearchRequest


class Reader(Protocol):
    """The reading side. Every answer is a consistent state at least as new as what was acked before the call.

    Every method raises `Unavailable` if the database does not answer in time, and `Overloaded` if too many
    reads wait.
    """

    async def memberships(self, user_id: UserId) -> Memberships:
        """All active memberships."""
        ...

    async def conversation(self, user_id: UserId, conversation_id: ConversationId) -> ConversationView:
        """One conversation.

        Raises:
            NotFound: not there, or not a member.
        """
        ...

    async def conversations(
        self, user_id: UserId, position: ListPosition | None, limit: int, *, archived: bool | None = None
    ) -> ConversationPage:
        """A user's conversations: pinned ones first, then by `last_message_at`, newest first.

        `archived`: only those that are, or that are not.
        """
        ...

    async def members(
        self, user_id: UserId, conversation_id: ConversationId, after: UserId | None, limit: int
    ) -> MemberPage:
        """The active members of a conversation.

        Raises:
            NotFound: not there, or not a member.
        """
        ...

    async def banned(self, user_id: UserId, conversation_id: ConversationId) -> tuple[User, ...]:
        """Who is banned from a group, the newest 500, for its owner and admins.

        Raises:
            NotFound: not there, or not a member.
            Forbidden: neither the owner nor an admin.
        """
        ...

    async def history(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        around_seq: int | None = None,
        limit: int = 50,
    ) -> HistoryPage:
        """A page of messages: the newest, or those before, after or around a seq (itself in the middle).

        Raises:
            NotFound: not there, or not a member.
        """
        ...

    async def reactions(
        self,
        user_id: UserId,
        conversation_id: ConversationId,
        seq: int,
        emoji: str | None,
        position: ReactionPosition | None,
        limit: int,
    ) -> ReactionPage:
        """Who reacted to a message, and how: kind by kind, the newest first; `emoji`: of that kind alone.

        Raises:
            NotFound: not there, not a member, or no message that they see.
        """
        ...

    async def status(self, user_id: UserId, keys: Iterable[bytes]) -> Mapping[bytes, Message]:
        """Which of a user's retry keys are stored, with the message; an ex-member gets only its numbers."""
        ...

    async def changes(
        self, user_id: UserId, conversation_id: ConversationId, since: int | None, *, in_parts: bool = False
    ) -> Delta:
        """What one member has to know after `since` (None: all): the answer to a join.

        It has `conversation` and `me`, always. Too much, an unknown revision, or one from before they joined
        is answered whole, from 0, with its newest page and, if the phone had something, `gap`.

        Args:
            in_parts: what is too much for one answer is told up to an earlier revision, to go on from; only
                who is thousands of revisions behind is told the whole.

        Raises:
            NotFound: not there, or not a member.
        """
        ...

    async def repair(self, conversation_id: ConversationId, since: int) -> Change:
        """What all members see that changed after `since`: for a process that missed a delta.

        Its delta has `conversation`. With much to tell it is the first part of that; from 0 it is whole.

        Raises:
            NotFound: not there.
        """
        ...

    async def me(self, user_id: UserId, since: int) -> MeDelta:
        """What changed in a user's own log after `since`."""
        ...

    async def seen(self, user_id: UserId, others: Iterable[UserId]) -> frozenset[UserId]:
        """Those of the others whose presence they may see, themselves too.

        Who is in a conversation with them now and does not hide it, where neither has blocked the other.
        """
        ...

    async def seers(self, user_id: UserId, others: Iterable[UserId]) -> frozenset[UserId]:
        """The other way: those of the others who may see theirs."""
        ...

    async def places(self, user_id: UserId) -> tuple[ConversationId, ...]:
        """The conversations that a user is or was in: what they wrote there is seen by its members."""
        ...

    async def standing(self, user_id: UserId) -> Standing:
        """What decides whether a user may speak."""
        ...

    async def closed(self, user_id: UserId) -> frozenset[ConversationId]:
        """The direct conversations in which they have blocked the other."""
        ...

    async def search(self, user_id: UserId, request: SearchRequest) -> SearchPage:
        """Messages whose text holds a query, of those that the user sees at this moment; the newest first.

        Raises:
            NotFound: the conversation named is not there, or the user is not a member.
            InvalidPayload: a query with nothing to look for, or too long.
        """
        ...

    async def sync(self, user_id: UserId, request: SyncRequest) -> SyncPage:
        """What a phone lacks. Where they are no longer a member, what they name comes as `removed`."""
        ...


class ChangeLog(Protocol):
    """What all processes committed in the last hour, whether or not they could tell anybody.

    Every method raises `Unavailable` if the database does not answer in time.
    """

    async def heads(self) -> Heads:
        """How far the log is. What this process saw before and is lost makes a new epoch at once."""
        ...

    async def batches(self, after: Mapping[int, int], limit: int = 500) -> tuple[Batch, ...]:
        """Of the processes named, the batches after those numbers, in order; at most `limit` of each call.

        A number that is missing was there too long ago: then only `revisions` tells what changed.
        """
        ...

    async def revoked(self, within_ms: int) -> tuple[tuple[SessionId, UserId], ...]:
        """Sessions ended in the last so many milliseconds, by the clocks of the processes that ended them."""
        ...

    async def said(self, within_ms: int) -> Mapping[UserId, int]:
        """Of whom others see something else since so many milliseconds, with the revision; the newest 500."""
        ...

    async def renew_epoch(self) -> None:
        """Some of the history was lost, as its reader found out."""
        ...

    async def me_revisions(self, user_ids: Iterable[UserId]) -> Mapping[UserId, int]:
        """How far the own logs of those users are that exist."""
        ...

    async def revisions(self, conversation_ids: Iterable[ConversationId]) -> Mapping[ConversationId, int]:
        """How far those conversations are that exist."""
        ...
