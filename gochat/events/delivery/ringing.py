"""What was committed, as other processes are told it by the doorbell."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import orjson

from gochat.contract.encode import delta_out, me_delta_out
from gochat.core.delta import Change, Committed, MeChange
from gochat.core.model import Message, SessionId, UserId
from gochat.core.sync import parts
from gochat.events.cluster.seam import EVERYBODY, MAX_PAYLOAD, Doorbell
from gochat.events.delivery.gate import MeNotice, Notice
from gochat.events.delivery.topics import DELTA, ME, PROFILE, REVOKED, SAID, Ended, Said
from gochat.events.sockets import conversation_room, presence_room, user_room

MARGIN = 512
"""Bytes of a delta without its messages, where other processes are to get it whole."""
MAX_ROOMS = 16
"""Of more who come or go at once not each is told in their own room, but all processes."""


class Ringing:
    """`core.ports.writing.Publisher` of who has no sockets, such as an operator's command: it only rings."""

    def __init__(self, doorbell: Doorbell) -> None:
        self._doorbell = doorbell

    def publish(self, committed: Committed) -> None:
        """Ring for what was committed."""
        for change in committed.changes:
            for notice in notices(change):
                self.tell(notice)
        for me in committed.me:
            self.tell_own(me_notice(me))
            if me.profile:
                self.tell_decided(me.user_id)
            if me.said:
                self.tell_said(me.user_id, me.said)

    def revoked(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        """Ring for a session that was ended."""
        self._doorbell.ring(user_room(user_id), REVOKED, Ended(user_id, session_id, code))

    def tell(self, notice: Notice) -> None:
        """Who comes or goes is told where they are: the conversation's own room is not heard there yet."""
        self._doorbell.ring(conversation_room(notice.conversation_id), DELTA, notice)
        people = {*notice.joined, *notice.left}
        for room in [EVERYBODY] if len(people) > MAX_ROOMS else map(user_room, people):
            self._doorbell.ring(room, DELTA, notice)

    def tell_own(self, notice: MeNotice) -> None:
        """A step of a user's own log."""
        self._doorbell.ring(user_room(notice.user_id), ME, notice)

    def tell_decided(self, user_id: UserId) -> None:
        """Something was decided about a user."""
        for room in (user_room(user_id), presence_room(user_id)):
            self._doorbell.ring(room, PROFILE, user_id)

    def tell_said(self, user_id: UserId, revision: int) -> None:
        """Others see something else of a user."""
        self._doorbell.ring(EVERYBODY, SAID, Said(user_id, revision))


def notices(change: Change) -> Iterable[Notice]:
    """A change in as many notices as it takes, each so small that the doorbell takes it, or one message.

    Who comes and goes by it is told with the first, before anything is said.
    """
    notice = notice_of(change)
    if notice.payload is None or len(notice.payload) <= MAX_PAYLOAD:
        return (notice,)
    first, *others = parts(change.delta, MAX_PAYLOAD - MARGIN)
    if not others:
        return (notice,)
    last = change.delta.revision
    told = [replace(change, delta=first, as_of=last)]
    told += [replace(change, delta=delta, joined=(), left=(), theirs=()) for delta in others]
    return map(notice_of, told)


def notice_of(change: Change) -> Notice:
    """A change in one notice."""
    delta = change.delta
    payload = None if change.to_read else orjson.dumps(delta_out(delta))
    return Notice(
        change.why,
        delta.conversation_id,
        delta.since,
        delta.revision,
        payload,
        change.joined,
        change.left,
        change.theirs,
        as_of=change.as_of,
        first_seq=_first_seq(delta.messages),
    )


def _first_seq(messages: Sequence[Message]) -> int:
    if len(messages) == 1:  # mostly
        return messages[0].seq
    return min((message.seq for message in messages), default=0)


def me_notice(me: MeChange) -> MeNotice:
    """What is not all in it is read from the database."""
    payload = None if me.profile else orjson.dumps(me_delta_out(me))
    return MeNotice(me.user_id, me.since, me.revision, payload)
