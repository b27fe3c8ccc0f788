"""What processes tell each other of users and conversations: every topic, with what it carries."""

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gochat.contract.events import DELTA_EVENTS
from gochat.contract.shapes import TypingKind
from gochat.core.delta import Why
from gochat.core.model import ConversationId, SessionId, UserId
from gochat.events.cluster.seam import MAX_PAYLOAD, Topic
from gochat.events.delivery.gate import MeNotice, Notice


class Typed(NamedTuple):
    """What a user does in a conversation: `text`, `voice`; None: neither any more."""

    conversation_id: ConversationId
    user_id: UserId
    kind: TypingKind | None


class Ended(NamedTuple):
    """A session that was ended, and the code of the error that tells why."""

    user_id: UserId
    session_id: SessionId
    code: str


class Said(NamedTuple):
    """Others see something else of a user than before, and the revision of that."""

    user_id: UserId
    revision: int


def _delta_out(notice: Notice) -> tuple[Mapping[str, Any], bytes]:
    """Of a large one only the numbers."""
    header = {
        "event": notice.event,
        "conversation": notice.conversation_id,
        "since": notice.since,
        "revision": notice.revision,
        "joined": notice.joined,
        "left": notice.left,
        "own": notice.theirs,
        "first_seq": notice.first_seq,
        "at": time.time(),  # for the measure of the lag
    }
    payload = notice.payload or b""
    return header, payload if len(payload) <= MAX_PAYLOAD else b""


def _delta_in(header: Mapping[str, Any], payload: bytes) -> Notice:
    return Notice(
        header["event"] if header["event"] in DELTA_EVENTS else Why.CHANGES,  # of a newer release
        header["conversation"],
        header["since"],
        header["revision"],
        payload or None,
        tuple(header["joined"]),
        tuple(header["left"]),
        tuple(header["own"]),
        first_seq=header.get("first_seq", 1),  # the release before does not tell
    )


def _user_topic(name: str) -> Topic[UserId]:
    return Topic(name, lambda user_id: ({"user": user_id}, b""), lambda header, payload: header["user"])


DELTA: Final = Topic("delta", _delta_out, _delta_in)
"""Rung in a conversation's room, and in those of users who come or go."""
ME: Final = Topic(
    "me",
    lambda it: ({"user": it.user_id, "since": it.since, "revision": it.revision}, it.payload or b""),
    lambda header, payload: MeNotice(header["user"], header["since"], header["revision"], payload or None),
)
"""Rung in the user's room."""
PROFILE: Final = _user_topic("profile")
"""A user decided something about themselves. Rung in the user's room, and where they are watched."""
SAID: Final = Topic(
    "said",
    lambda it: ({"user": it.user_id, "revision": it.revision}, b""),
    lambda header, payload: Said(header["user"], header["revision"]),
)
"""Rung for all processes: where those are who see the user, only the database knows."""
REVOKED: Final = Topic(
    "revoked",
    lambda it: ({"user": it.user_id, "session": it.session_id, "code": it.code}, b""),
    lambda header, payload: Ended(header["user"], header["session"], header["code"]),
)
"""Rung in the user's room."""
PRESENCE: Final = _user_topic("presence")
"""A user came or went. Rung where they are watched."""
TYPING: Final = Topic(
    "typing",
    lambda it: (
        {"conversation": it.conversation_id, "user": it.user_id, "on": it.kind is not None, "kind": it.kind},
        b"",
    ),
    lambda header, payload: Typed(
        header["conversation"], header["user"], header.get("kind", "text") if header["on"] else None
    ),
)
"""Rung in the conversation's room."""
