"""The tables of events: what a client may send and how it is answered, and what the server sends.

The dispatcher, the AsyncAPI document and the tests read these tables; no event stands anywhere else.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Generic, TypeAlias, TypeVar

import orjson

from gochat.contract import requests, shapes
from gochat.core import errors
from gochat.core.errors import ChatError
from gochat.core.sync import MAX_BYTES
from gochat.core.values import value

P = TypeVar("P")
"""A shape."""

Errors: TypeAlias = tuple[type[ChatError], ...]


@value(frozen=True, slots=True)
class ClientEvent:
    """An event that a client sends: one JSON object in, one ack object out.

    `answer` is the shape of the ack's `data`; `errors` are its own refusals, beside `ANY_EVENT_ERRORS`.
    """

    request: type[requests.Request]
    answer: type[Any]
    summary: str
    errors: Errors = ()
    cost: Callable[[object], int] = lambda _: 1
    """As how many uses of its rate a payload counts, before it is looked at closely."""


@value(frozen=True, slots=True)
class Told:
    """What goes to sockets: an event, and its payload as JSON. Only a `ServerEvent` makes one."""

    event: str
    payload: bytes


@value(frozen=True, slots=True)
class ServerEvent(Generic[P]):
    """An event that the server sends; nothing answers it."""

    name: str
    payload: type[P]
    summary: str

    def told(self, payload: P) -> Told:
        """Say this."""
        return Told(self.name, orjson.dumps(payload))

    def passed_on(self, payload: bytes) -> Told:
        """Say what was made by `told` before, here or by another process."""
        return Told(self.name, payload)


ANY_EVENT_ERRORS: Final[Errors] = (
    errors.InvalidPayload,
    errors.TokenExpired,
    errors.RateLimited,
    errors.Overloaded,
    errors.Unavailable,
    errors.Internal,
)
"""How every event may be refused."""

CONNECT_ERRORS: Final[Errors] = (
    errors.TokenMissing,
    errors.TokenInvalid,
    errors.SessionRevoked,
)
"""How a connection may be refused for good: `connect_error.data`."""

_SPEECH = (errors.Forbidden, errors.TermsRequired, errors.ContentRefused)
_GROUP = (errors.NotFound, errors.Forbidden)

CLIENT_EVENTS: Final[Mapping[str, ClientEvent]] = MappingProxyType(
    {
        "message:send": ClientEvent(
            requests.Send,
            shapes.SendAnswer,
            "Send a message. It may be repeated: the same key returns the first result, for ever.",
            (*_SPEECH, errors.NotFound, errors.IdempotencyConflict, errors.LimitExceeded),
        ),
        "message:edit": ClientEvent(
            requests.Edit,
            shapes.MessageAnswer,
            "Change the body, data or mentions of one's own message.",
            (*_SPEECH, errors.NotFound, errors.MessageDeleted, errors.Superseded),
        ),
        "message:delete": ClientEvent(
            requests.Delete,
            shapes.MessageAnswer,
            "Empty a message; it keeps its place. Its sender may, and in a group an admin or the owner.",
            (errors.NotFound, errors.Forbidden),
        ),
        "message:react": ClientEvent(
            requests.React,
            shapes.MessageAnswer,
            "React to a message, or take that back. The same again changes nothing.",
            (*_SPEECH, errors.NotFound, errors.MessageDeleted, errors.LimitExceeded),
        ),
        "message:pin": ClientEvent(
            requests.PinMessage,
            shapes.ConversationAnswer,
            "Show a message on top to all, or no more; in a group as its owner or an admin.",
            (*_GROUP, errors.MessageDeleted, errors.LimitExceeded),
        ),
        "messages:status": ClientEvent(
            requests.Status,
            shapes.StatusAnswer,
            "Settle an outbox: which of these keys are stored?",
        ),
        "conversation:create": ClientEvent(
            requests.Create,
            shapes.ConversationAnswer,
            "Create a conversation, or find it: a direct one by its pair, a group by its key.",
            (
                errors.NotFound,
                errors.Forbidden,
                errors.ContentRefused,
                errors.IdempotencyConflict,
                errors.LimitExceeded,
            ),
        ),
        "conversation:join": ClientEvent(
            requests.Join,
            shapes.Delta,
            "Bring a conversation on screen: its typing is heard from now on, and the answer tells what"
            " changed after `revision`.",
            (errors.NotFound,),
        ),
        "conversation:leave": ClientEvent(
            requests.InConversation,
            shapes.Empty,
            "The conversation is no longer on screen. Membership stays as it is.",
            (errors.NotFound,),
        ),
        "conversation:quit": ClientEvent(
            requests.Quit,
            shapes.QuitAnswer,
            "Quit several groups. Those that one is not in are quit already.",
        ),
        "conversation:update": ClientEvent(
            requests.Update,
            shapes.ConversationAnswer,
            "Change a group's title, avatar, data or settings, as its owner or an admin.",
            (*_GROUP, errors.ContentRefused),
        ),
        "conversation:mute": ClientEvent(
            requests.Mute,
            shapes.SideAnswer,
            "Mute a conversation for oneself, for a time or for ever.",
            (errors.NotFound,),
        ),
        "conversation:archive": ClientEvent(
            requests.Switch,
            shapes.SideAnswer,
            "Put a conversation out of one's sight until something is written in it.",
            (errors.NotFound,),
        ),
        "conversation:pin": ClientEvent(
            requests.Switch,
            shapes.SideAnswer,
            "Put a conversation on top of one's list.",
            (errors.NotFound,),
        ),
        "conversation:mark": ClientEvent(
            requests.Mark,
            shapes.SideAnswer,
            "Mark a conversation as unread for oneself.",
            (errors.NotFound,),
        ),
        "conversation:draft": ClientEvent(
            requests.SaveDraft,
            shapes.SideAnswer,
            "Keep what was not sent for one's other devices.",
            (errors.NotFound,),
        ),
        "member:add": ClientEvent(
            requests.AddMembers,
            shapes.ConversationAnswer,
            "Bring users into a group, as its owner or an admin, or as any member where the group lets them.",
            (*_GROUP, errors.LimitExceeded),
        ),
        "member:remove": ClientEvent(
            requests.RemoveMember,
            shapes.ConversationAnswer,
            "Take a member of lower standing out of a group; oneself: quit.",
            _GROUP,
        ),
        "member:role": ClientEvent(
            requests.SetRole,
            shapes.ConversationAnswer,
            "Change a member's role, as the owner. Making another the owner makes oneself an admin.",
            _GROUP,
        ),
        "member:ban": ClientEvent(
            requests.BanMember,
            shapes.ConversationAnswer,
            "Ban somebody from a group, as its owner or an admin, or do so no more. A member is taken out.",
            _GROUP,
        ),
        "receipt:delivered": ClientEvent(
            requests.Receipt,
            shapes.ReceiptAnswer,
            "Everything up to this message has reached the phone.",
            (errors.NotFound,),
        ),
        "receipt:read": ClientEvent(
            requests.Receipt,
            shapes.ReceiptAnswer,
            "Everything up to this message was read.",
            (errors.NotFound,),
        ),
        "typing:start": ClientEvent(
            requests.StartTyping,
            shapes.Empty,
            "The user types, or records a voice message. It ends by itself; repeat it while it goes on.",
            (errors.NotFound,),
        ),
        "typing:stop": ClientEvent(
            requests.InConversation,
            shapes.Empty,
            "The user stopped typing. Sending a message and disconnecting say so too.",
            (errors.NotFound,),
        ),
        "presence:watch": ClientEvent(
            requests.Watch,
            shapes.WatchAnswer,
            "Hear whether these users are online, instead of those named before. Of someone with whom one"
            " shares no conversation, who hides it, or where one has blocked the other, nothing is told: they"
            " look offline, for as long as it is so.",
        ),
        "sync": ClientEvent(
            requests.Sync,
            shapes.SyncAnswer,
            "Ask for exactly what changed since the revisions that the phone holds.",
            (errors.CursorInvalid, errors.PositionLost),
            requests.sync_cost,
        ),
        "auth:refresh": ClientEvent(
            requests.Refresh,
            shapes.RefreshAnswer,
            "Give the connection a fresh access token of the same session.",
            (errors.TokenInvalid, errors.SessionRevoked),
        ),
    }
)

_LARGE: Final[Mapping[type[Any], int]] = {
    shapes.SyncAnswer: MAX_BYTES,
    shapes.StatusAnswer: MAX_BYTES,
    shapes.Delta: MAX_BYTES,
    shapes.MessageAnswer: 128 * 1024,
    shapes.ConversationAnswer: 64 * 1024,
}
LARGE_ANSWERS: Final[Mapping[str, int]] = {
    name: _LARGE[it.answer] for name, it in CLIENT_EVENTS.items() if it.answer in _LARGE
}
"""The most bytes, about, that an event may be answered with, where a small one may have a large answer. What
was sent is part of the answer to `message:send`."""
"""By name."""


def _by_name(*events: ServerEvent[P]) -> Mapping[str, ServerEvent[P]]:
    return MappingProxyType({event.name: event for event in events})


DELTA_EVENTS: Final[Mapping[str, ServerEvent[shapes.Delta]]] = _by_name(
    ServerEvent("message:created", shapes.Delta, "Messages were sent."),
    ServerEvent("message:edited", shapes.Delta, "Messages were edited."),
    ServerEvent("message:deleted", shapes.Delta, "Messages were deleted."),
    ServerEvent("message:reacted", shapes.Delta, "Users reacted to messages, or took that back."),
    ServerEvent("receipt:advanced", shapes.Delta, "Members received or read up to a message."),
    ServerEvent("member:added", shapes.Delta, "Users came into a group."),
    ServerEvent(
        "member:removed",
        shapes.Delta,
        "A member left a group or was taken out. To the one who went it says `removed`.",
    ),
    ServerEvent("member:updated", shapes.Delta, "A member's role changed."),
    ServerEvent("conversation:created", shapes.Delta, "A conversation that is new to this user."),
    ServerEvent(
        "conversation:updated",
        shapes.Delta,
        "A group's title, avatar, data or settings changed, or what is pinned.",
    ),
    ServerEvent("conversation:changes", shapes.Delta, "A repair: several changes in one delta."),
)
"""By name: those of `core.delta.Why`."""
ME_CHANGED: Final = ServerEvent(
    "me:changed", shapes.MeDelta, "Something changed that only this user sees; it goes to all their devices."
)
USER_UPDATED: Final = ServerEvent(
    "user:updated",
    shapes.UserRevision,
    "What others see of a user changed, with whom one shares a conversation: a name, an avatar.",
)
TYPING_CHANGED: Final = ServerEvent(
    "typing:changed", shapes.TypingChanged, "Who types in a conversation on screen."
)
PRESENCE_CHANGED: Final = ServerEvent("presence:changed", shapes.Presence, "A watched user came or went.")
AUTH_EXPIRING: Final = ServerEvent(
    "auth:expiring",
    shapes.AuthExpiring,
    "The connection's token ends, or has ended: answer with `auth:refresh`.",
)
SESSION_REVOKED: Final = ServerEvent(
    "session:revoked",
    shapes.SessionEnded,
    "The session was ended; the server disconnects, and the app has to log in again.",
)
SERVER_DRAINING: Final = ServerEvent(
    "server:draining", shapes.Draining, "The server goes; the library connects again by itself."
)

SERVER_EVENTS: Final[Mapping[str, ServerEvent[Any]]] = _by_name(
    *DELTA_EVENTS.values(),
    ME_CHANGED,
    USER_UPDATED,
    TYPING_CHANGED,
    PRESENCE_CHANGED,
    AUTH_EXPIRING,
    SESSION_REVOKED,
    SERVER_DRAINING,
)
"""By name. Clients ignore those that they do not know."""
