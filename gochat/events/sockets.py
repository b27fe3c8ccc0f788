"""The seam between the chat and the Socket.IO server under it: what the one asks of the other."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from gochat.contract.events import Told
from gochat.core.model import ConversationId, UserId

Ack = Callable[[Mapping[str, Any]], None]
"""Answers one event, once."""
Handling = Callable[[str, str, list[Any], Ack | None], None]
"""Of an event: by the sid, its name and arguments, and what answers it. See `events.dispatch`."""


class Sockets(Protocol):
    """Rooms and sends. Nothing here waits; what is sent to one socket arrives in the order of the calls."""

    def enter(self, sid: str, room: str) -> None:
        """Put a socket into a room; a socket that is gone is ignored."""
        ...

    def leave(self, sid: str, room: str) -> None:
        """Take a socket out of a room."""
        ...

    def members(self, room: str) -> Collection[str]:
        """The sockets in a room of this process."""
        ...

    def broadcast(self, told: Told, room: str, skip: Collection[str] = ()) -> None:
        """Send an event to the sockets of this process in a room (or of that sid)."""
        ...

    def behind(self, room: str, size: int) -> Collection[str]:
        """The sockets in a room that have so much to read still that they should not be sent more.

        Args:
            size: bytes of what is about to be sent: if it is little, only who is slow is looked at.
        """
        ...

    def is_behind(self, sid: str) -> bool:
        """Whether a socket that was behind still is; one that is gone is not."""
        ...

    def drain(self, sid: str) -> None:
        """Close a socket as `evict` does, but only when all that it asked until now is answered."""
        ...

    def evict(self, sid: str, why: str) -> None:
        """Close a socket's transport without a DISCONNECT packet: the client libraries come back.

        `why`: for the close frame and for the measures; one of a few short texts.
        """
        ...

    def dismiss(self, sid: str) -> None:
        """Disconnect a socket with a DISCONNECT packet: the client libraries do not come back."""
        ...


def conversation_room(conversation_id: ConversationId) -> str:
    """Where a conversation's deltas go: all sockets of its members."""
    return f"c:{conversation_id}"


def conversation_of(room: str) -> ConversationId | None:
    """The conversation whose room it is; None for other rooms."""
    return int(room[2:]) if room.startswith("c:") else None


def screen_room(conversation_id: ConversationId) -> str:
    """Where what is only for those looking at it goes: typing."""
    return f"s:{conversation_id}"


def presence_room(user_id: UserId) -> str:
    """Heard where the user is watched."""
    return f"o:{user_id}"


def user_room(user_id: UserId) -> str:
    """Where a user's own log goes: all their sockets."""
    return f"u:{user_id}"
