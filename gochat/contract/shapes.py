"""What the server sends: every shape once. Clients must ignore what they do not know.

TypedDicts: plain dicts at run time, checked by mypy where they are built (`encode.py`), and by JSON Schema
in the tests. Field docs become descriptions in the generated contract.
"""

from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import Field
from typing_extensions import TypedDict

from gochat.contract.ids import ID_PATTERN, TIME_PATTERN, UUID_OUT_PATTERN

Id = Annotated[str, Field(pattern=ID_PATTERN, description="An opaque id.")]
Uuid = Annotated[
    str,
    Field(
        pattern=UUID_OUT_PATTERN,
        json_schema_extra={"format": "uuid"},
        description="A UUID, in lower case.",
    ),
]
Time = Annotated[
    str,
    Field(
        pattern=TIME_PATTERN,
        json_schema_extra={"format": "date-time"},
        description="RFC 3339, UTC, with milliseconds.",
    ),
]
Count = Annotated[int, Field(ge=0)]
Seq = Annotated[int, Field(ge=0, description="A message's place in its conversation, from 1, without holes.")]
Revision = Annotated[int, Field(ge=0, description="Counts what changed, from 1, without holes.")]


class Attachment(TypedDict):
    """A link to a file that lies elsewhere."""

    url: str
    mime_type: str
    size: int | None
    width: int | None
    height: int | None
    name: str | None


class Mentions(TypedDict):
    """Who is meant by a message."""

    user_ids: list[Id]
    everyone: bool


class ForwardedFrom(TypedDict):
    """Where a message was copied from; the reader need not see that place."""

    conversation_id: Id
    seq: Seq


class Reaction(TypedDict):
    """Those who reacted in one way: how many, and the newest of them, at most 20.

    `emoji`: one of Unicode, or `custom:` and a name. `mine`: whether the reader is one of them, in answers
    for one user. Live it is left out: whoever is named is one, and where not all are, whoever was before.
    """

    emoji: str
    count: Annotated[int, Field(ge=1)]
    user_ids: list[Id]
    mine: NotRequired[bool]


class Extras(TypedDict):
    """What few messages have. `kind` is `text`, or `custom:` and a name: show an unknown one by its body."""

    kind: str
    data: dict[str, Any] | None
    mentions: Mentions | None
    silent: bool
    forwarded_from: ForwardedFrom | None
    read_up_to: NotRequired[
        Annotated[int, Field(ge=0, description="How far the sender had read, if not up to this message.")]
    ]
    reactions: list[Reaction]


class Message(Extras):
    """One message. A deleted one keeps its place and has no body."""

    conversation_id: Id
    seq: Seq
    revision: Revision
    sender_id: Id
    client_message_id: Uuid
    body: str | None
    attachments: list[Attachment]
    created_at: Time
    edited_at: Time | None
    deleted_at: Time | None
    reply_to_seq: Seq | None


class Muted(TypedDict):
    """Until when: a time, or `forever`. With `level` `mentions` what means the reader still counts."""

    until: str
    level: Literal["all", "mentions", "none"]


class Draft(TypedDict):
    """What was written and not sent."""

    text: str
    at: Time


class Private(TypedDict):
    """What only the reader sees of a conversation, and sets."""

    unread_mentions: Count
    muted: Muted | None
    archived: bool
    pinned: bool
    marked_unread: bool
    draft: Draft | None


class Me(Private):
    """The reader's own side of a conversation."""

    role: Literal["owner", "admin", "member"]
    delivered_seq: Seq
    read_seq: Seq
    unread: Count
    visible_from_seq: Seq


class GroupSettings(TypedDict):
    """Which members may send messages, and add members; `admins`: these and the owner."""

    who_sends: Literal["all", "admins"]
    who_adds: Literal["all", "admins"]


class Conversation(TypedDict):
    """A conversation. `me` is there in acks, sync and REST; never in a broadcast."""

    id: Id
    kind: Literal["direct", "group"]
    title: str | None
    avatar_url: str | None
    data: dict[str, Any] | None
    settings: GroupSettings
    pinned_seqs: Annotated[list[Seq], Field(description="Messages that are pinned, the newest pin first.")]
    history: Literal["from_start", "from_joining"]
    revision: Revision
    last_seq: Seq
    last_message: NotRequired[Message | None]
    last_message_at: Time
    member_count: Count
    created_at: Time
    created_by: Id
    me: NotRequired[Me]


class Member(TypedDict):
    """A member as all members see them."""

    user_id: Id
    role: Literal["owner", "admin", "member"]
    active: bool
    delivered_seq: Seq
    read_seq: Seq
    revision: Revision


class Delta(TypedDict):
    """The state of all that changed after `since`, up to `revision`.

    Apply it if `since` <= mine < `revision`; ignore it if `revision` <= mine; else ask `conversation:join`
    with mine. With `since` 0 it is all there is: discard what is held of the conversation; `gap`: because
    something was. `removed`: no longer a member. `members_hidden`: there are so many members that deltas
    bring none but oneself: discard the others; the first `conversation` without it comes with all of them.
    """

    conversation_id: Id
    since: Revision
    revision: Revision
    conversation: NotRequired[Conversation]
    members: NotRequired[list[Member]]
    messages: NotRequired[list[Message]]
    gap: NotRequired[Literal[True]]
    removed: NotRequired[Literal[True]]
    members_hidden: NotRequired[Literal[True]]


class MeConversation(Private):
    """A user's own side of one conversation, in their own log."""

    conversation_id: Id
    delivered_seq: Seq
    read_seq: Seq
    unread: Count


class MeDelta(TypedDict):
    """A user's own log: the state of what changed for them alone, with its own `since` and `revision`.

    `user` and `settings` are there if these, or whom they have blocked, changed.
    """

    since: Revision
    revision: Revision
    conversations: list[MeConversation]
    total_unread: Count
    gap: NotRequired[Literal[True]]
    user: NotRequired["User"]
    settings: NotRequired["UserSettings"]


class User(TypedDict):
    """What others see of a user. `revision` counts how often it changed."""

    id: Id
    username: str
    display_name: str
    avatar_url: str | None
    about: str | None
    data: dict[str, object] | None
    deleted: bool
    revision: Count


class UserRevision(TypedDict):
    """How far what others see of a user is: whoever holds less fetches it by `GET users?ids=`."""

    user_id: Id
    revision: Count


class UserSettings(TypedDict):
    """What a user has set for themselves.

    `presence_hidden`: nobody is shown whether they are online; `receipts_hidden`: nor how far they read.
    `discoverable_by_phone`: who has their number finds them. `who_can_add`: who may bring them into
    conversations; a contact is whoever shares one with them.
    """

    presence_hidden: bool
    receipts_hidden: bool
    discoverable_by_phone: bool
    who_can_add: Literal["everyone", "contacts", "nobody"]


class Device(TypedDict):
    """What an app said of the phone it runs on."""

    name: str | None
    platform: str | None
    app_version: str | None


class Session(TypedDict):
    """One login on one device."""

    id: Id
    device: Device
    created_at: Time
    last_seen_at: Time
    current: bool


class SessionList(TypedDict):
    """One's logins, last seen first."""

    sessions: list[Session]


class SessionAnswer(TypedDict):
    """The login as it is now."""

    session: Session


class Tokens(TypedDict):
    """The answer to register, login and refresh. `expires_in`: seconds of the access token."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: Count
    user: User
    session: Session


class Standing(TypedDict):
    """What decides whether one may speak: until when one is muted, and which terms one has accepted."""

    muted_until: Time | None
    terms_version: str | None


class AccountAnswer(TypedDict):
    """Who is logged in, how they have set things, and with which login."""

    user: User
    settings: UserSettings
    standing: Standing
    session: Session


class UserAnswer(TypedDict):
    """A user, as others see them."""

    user: "User"


class Deletion(TypedDict):
    """When the account is deleted; logging in before then takes it back."""

    deletes_at: Time


class ExportLine(TypedDict):
    """A line of an export: of each `type` what a sync tells of it."""

    type: Literal["account", "blocks", "sessions", "conversation", "member", "message"]
    value: dict[str, Any]


class Terms(TypedDict):
    """What users accept, and whom they turn to. `version` null: nothing has to be accepted."""

    version: str | None
    url: str | None
    contact: str | None


class Contact(TypedDict):
    """A number, as it was sent, and who has it."""

    number: str
    user: "User"


class ContactList(TypedDict):
    """Those of the numbers whose users let themselves be found."""

    contacts: list[Contact]


class Error(TypedDict):
    """What went wrong. `code` is stable; `retryable`: the same request may succeed later."""

    code: str
    message: str
    retryable: bool
    request_id: str
    retry_after_ms: NotRequired[Count]
    field: NotRequired[str]
    details: NotRequired[dict[str, object]]


class Problem(Error):
    """A REST error: `application/problem+json` (RFC 9457)."""

    type: str
    title: str
    status: int


class Refusal(TypedDict):
    """An ack that says no. Nothing of the request was stored."""

    ok: Literal[False]
    error: Error


class ConnectError(TypedDict):
    """What `connect_error` brings: a connection was refused (Socket.IO protocol 5, CONNECT_ERROR)."""

    message: str
    data: Error


class SendAnswer(TypedDict):
    """Stored. `duplicate`: it was stored before; this is its present state."""

    message: Message
    duplicate: bool


class MessageAnswer(TypedDict):
    """The message as it is now."""

    message: Message


class StatusAnswer(TypedDict):
    """By key as sent: the message, or null: not stored yet, send it again.

    `more`: that were too much for one answer; ask again for the keys that are not in it.
    """

    messages: dict[str, Message | None]
    more: NotRequired[Literal[True]]


class ConversationAnswer(TypedDict):
    """The conversation as it is now; null if one is no longer a member."""

    conversation: Conversation | None


class Refused(TypedDict):
    """A conversation that was not quit: it is not a group."""

    conversation_id: Id
    code: str


class QuitAnswer(TypedDict):
    """Those of the conversations that one is in no more, and the others."""

    quit: list[Id]
    refused: list[Refused]


class ReceiptAnswer(TypedDict):
    """The authoritative positions, and what is unread after them."""

    delivered_seq: Seq
    read_seq: Seq
    unread: Count
    total_unread: Count


class Empty(TypedDict):
    """Nothing to say."""


class SyncAnswer(TypedDict):
    """Merge it; while `more`, ask again with `cursor`. `max_payload`: bytes of the largest packet.

    `position` comes with the last page: a phone that holds all of it may send that, instead of `known`.
    `users`, with the first page where `users_since` is given: who changed since, of those whom one sees in
    conversations; null: any of them may have.
    """

    conversations: list[Delta]
    users: NotRequired[list[UserRevision] | None]
    me: NotRequired[MeDelta]
    more: bool
    cursor: str | None
    position: NotRequired[str]
    epoch: str
    server_time: Time
    max_payload: Count


class RefreshAnswer(TypedDict):
    """The connection now lives as long as the fresh token."""

    expires_at: Time


TypingKind: TypeAlias = Literal["text", "voice"]


class Typist(TypedDict):
    """Someone who types, or records a voice message; more kinds may come."""

    user_id: Id
    kind: TypingKind


class TypingChanged(TypedDict):
    """Who types now: the whole list, of more than 20 the first; it ends by itself after `expires_in_ms`.

    `user_ids` are those of `typists`.
    """

    conversation_id: Id
    user_ids: list[Id]
    typists: list[Typist]
    expires_in_ms: Count


class Presence(TypedDict):
    """Whether a user is online, on any device. `last_seen_at`: when they went; null: online, or not known."""

    user_id: Id
    online: bool
    last_seen_at: Time | None


class WatchAnswer(TypedDict):
    """All that was asked for, in that order."""

    presences: list[Presence]


class AuthExpiring(TypedDict):
    """The access token's end; send `auth:refresh` before it, or soon after."""

    expires_at: Time


class SessionEnded(TypedDict):
    """The session was ended; log in again."""

    code: str


class Draining(TypedDict):
    """The server goes; connect again after this time."""

    retry_after_ms: Count


class SideAnswer(TypedDict):
    """The reader's own side as it is now; null: they are no longer a member."""

    me: Me | None


class Reactor(TypedDict):
    """A user, and how they reacted."""

    user_id: Id
    emoji: str


class ReactionList(TypedDict):
    """Kind by kind, the newest first; `cursor` null: that was all."""

    reactions: list[Reactor]
    cursor: str | None


class HistoryAnswer(TypedDict):
    """A page of messages, ascending."""

    messages: list[Message]
    has_more_before: bool
    has_more_after: bool


class TextRange(TypedDict):
    """A part of a text: the first UTF-16 code unit in it, and the first after it, as phones count them."""

    start: Count
    end: Count


class SearchResult(TypedDict):
    """A message that matches, and at most 20 places of its body where it does."""

    message: Message
    ranges: list[TextRange]


class SearchAnswer(TypedDict):
    """The newest first; `cursor` null: that was all.

    `complete` false: there was too much for one request, and the cursor goes on; without a cursor, the index
    is still being made.
    """

    results: list[SearchResult]
    cursor: str | None
    complete: bool


class ConversationList(TypedDict):
    """Newest first; `cursor` null: that was all."""

    conversations: list[Conversation]
    cursor: str | None


class MemberList(TypedDict):
    """Active members; `cursor` null: that was all."""

    members: list[Member]
    cursor: str | None


class UserList(TypedDict):
    """Those that exist."""

    users: list[User]


class HealthAnswer(TypedDict):
    """`parts`: each dependency, `ok` or what is wrong."""

    status: Literal["ok", "unavailable"]
    contract_version: str
    version: str
    parts: NotRequired[dict[str, str]]
