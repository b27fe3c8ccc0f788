"""What clients send: every request once. Unknown fields are refused by name."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gochat.contract.ids import TIME_IN_PATTERN, UUID_PATTERN, id_in, ids_in, uuid_in
from gochat.contract.schemas import MAX_INTEGER, NULL_SAYS, either, limited
from gochat.core.errors import InvalidPayload
from gochat.core.model import ConversationId
from gochat.core.text import line

MAX_BYTES = 512 * 1024
"""Of one request. The largest is a sync that names all the conversations that a user can have."""


class _AsId:
    """An opaque string on the wire, an integer inside."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True, min_length=1, max_length=64)
        return core_schema.no_info_after_validator_function(id_in, text)


class _AsUuid:
    """A UUID in any case on the wire, 16 bytes inside."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True, pattern=UUID_PATTERN)
        return core_schema.no_info_after_validator_function(uuid_in, text)


Id: TypeAlias = Annotated[int, _AsId()]
Key: TypeAlias = Annotated[bytes, _AsUuid()]
Seq: TypeAlias = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
Revision: TypeAlias = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
UserIds: TypeAlias = Annotated[list[Id], Field(max_length=500)]


Body: TypeAlias = Annotated[str, Field(max_length=100_000), limited("body")]
"""What a message says. The product's own limit is the rules' to tell; this is what is looked at at all."""
Title: TypeAlias = Annotated[str, limited("title")]

KIND_PATTERN = r"^(text|custom:[a-z0-9_-]{1,32})$"
MAX_DEPTH = 8
"""Of data: objects and lists within each other."""


def _check_depth(data: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for value in level
            for part in (value.values() if isinstance(value, dict) else value)
            if isinstance(part, dict | list)
        ]
        if not level:
            return data
    raise PydanticCustomError("too_deep", "Input should be nested at most {depth} deep", {"depth": MAX_DEPTH})


Data: TypeAlias = Annotated[dict[str, Any], AfterValidator(_check_depth)]
"""A JSON object of the app's own."""


def _in_one_line(text: str) -> str:
    try:
        return line(text, "")
    except InvalidPayload as error:
        raise PydanticCustomError("not_one_line", "Is not one line of visible text") from error


ONE_LINE = AfterValidator(_in_one_line)
"""What an app calls itself or its phone."""


class Request(BaseModel):
    """Strict: no field is converted from another type, and none may be unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


R = TypeVar("R", bound=Request)


def parse(model: type[R], payload: object) -> R:
    """A request out of decoded JSON.

    Raises:
        InvalidPayload: `field` is the dotted path of the first fault; `details.errors` lists up to ten of
            `{field, reason}`.
    """
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> InvalidPayload:
    errors = error.errors(include_url=False, include_context=False, include_input=False)[:10]
    faults = [
        {"field": ".".join(str(part)[:64] for part in fault["loc"]), "reason": fault["type"]}
        for fault in errors
    ]
    first, message = faults[0]["field"], _message(errors[0]["type"], errors[0]["msg"])
    text = f"{first}: {message}" if first else message
    return InvalidPayload(text, field=first or None, details={"errors": faults})


class Attachment(Request):
    """A link to a file; `mime_type` may have parameters. `size` in bytes, `width` and `height` in pixels."""

    url: Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://")]
    mime_type: Annotated[str, Field(min_length=3, max_length=255)]
    size: Annotated[int, Field(ge=0, le=MAX_INTEGER)] | None = None
    width: Annotated[int, Field(ge=1, le=100_000)] | None = None
    height: Annotated[int, Field(ge=1, le=100_000)] | None = None
    name: Annotated[str, Field(max_length=255)] | None = None


class Mentions(Request):
    """Members who are meant by a message, or all of them."""

    user_ids: Annotated[list[Id], Field(max_length=500), limited("mentions")] = []
    everyone: bool = False


class ForwardedFrom(Request):
    """A message that the sender sees."""

    conversation_id: Id
    seq: Seq


class Send(Request):
    """`message:send`. Sending it again with the same key returns the first result, for ever."""

    conversation_id: Id
    client_message_id: Key
    body: Body = ""
    reply_to_seq: Seq | None = None
    # Made by a call: a list given as the default would be copied for each message, which costs a third of it.
    attachments: Annotated[list[Attachment], Field(max_length=100), limited("attachments")] = Field(
        default_factory=list, json_schema_extra={"default": []}
    )
    kind: Annotated[str, Field(pattern=KIND_PATTERN)] = "text"
    data: Data | None = None
    mentions: Mentions | None = None
    silent: bool = False
    forwarded_from: ForwardedFrom | None = None
    read_up_to: Annotated[int, Field(ge=0, le=MAX_INTEGER)] | None = None
    """The seq up to which the sender had read when they wrote; not given: everything."""


class Edit(Request):
    """`message:edit`: one's own message. What is not named stays; null takes data or mentions away.

    `revision`: the message's, as the user saw it; if it was changed since, nothing is.
    """

    conversation_id: Id
    seq: Seq
    revision: Revision | None = None
    body: Body = ""
    data: Annotated[Data | None, NULL_SAYS] = None
    mentions: Annotated[Mentions | None, NULL_SAYS] = None


class Delete(Request):
    """`message:delete`: one's own message, or as an admin of the group."""

    conversation_id: Id
    seq: Seq


class React(Request):
    """`message:react`: one emoji of Unicode, or `custom:` and a name of the app's own.

    `on` false takes it back.
    """

    conversation_id: Id
    seq: Seq
    emoji: Annotated[str, Field(min_length=1, max_length=64)]
    on: bool


class PinMessage(Request):
    """`message:pin`: either of two, or an admin or the owner of a group. `on` false: no more."""

    conversation_id: Id
    seq: Seq
    on: bool


class Status(Request):
    """`messages:status`: which of these are stored?"""

    client_message_ids: Annotated[
        list[Annotated[str, Field(pattern=UUID_PATTERN)]], Field(min_length=1, max_length=100)
    ]


class Create(Request):
    """`conversation:create`. `member_ids`: the others; exactly one for a direct conversation.

    `client_conversation_id` makes a group once, however often it is asked for: always send one for a group.
    The next contract requires it.
    """

    kind: Literal["direct", "group"]
    member_ids: UserIds
    title: Title | None = None
    client_conversation_id: Key | None = None
    history: Literal["from_start", "from_joining"] = "from_start"


class Join(Request):
    """`conversation:join`: it is on screen; what changed after `revision`?"""

    conversation_id: Id
    revision: Revision | None = None


class Watch(Request):
    """`presence:watch`: of these users, and of no others."""

    user_ids: Annotated[list[Id], Field(max_length=100)]


class InConversation(Request):
    """`conversation:leave`, `typing:stop`."""

    conversation_id: Id


class StartTyping(Request):
    """`typing:start`: a text, or a voice message that is being recorded."""

    conversation_id: Id
    kind: Literal["text", "voice"] = "text"


class GroupSettings(Request):
    """Which members may send messages, and add members: all, or the admins and the owner alone."""

    who_sends: Literal["all", "admins"] | None = None
    who_adds: Literal["all", "admins"] | None = None


class Update(Request):
    """`conversation:update`: of a group. What is not named stays.

    Null takes `title` (blank too), `avatar_url` and `data` away. `avatar_url`: a link of https.
    """

    conversation_id: Id
    title: Title | None = None
    avatar_url: Annotated[str, Field(max_length=2_000)] | None = None
    data: Data | None = None
    settings: GroupSettings | None = None


class Mute(Request):
    """`conversation:mute`: until a time or `forever`; with null, no more. `level`: what still counts."""

    conversation_id: Id
    until: Annotated[str, Field(pattern=rf"^(forever|{TIME_IN_PATTERN})$")] | None
    level: Literal["mentions", "none"] = "none"


class Switch(Request):
    """`conversation:archive`, `conversation:pin`."""

    conversation_id: Id
    on: bool


class Mark(Request):
    """`conversation:mark`."""

    conversation_id: Id
    unread: bool


class SaveDraft(Request):
    """`conversation:draft`: null or empty takes it away."""

    conversation_id: Id
    text: Body | None


class AddMembers(Request):
    """`member:add`."""

    conversation_id: Id
    user_ids: Annotated[UserIds, Field(min_length=1)]


class RemoveMember(Request):
    """`member:remove`; oneself: quit."""

    conversation_id: Id
    user_id: Id


class Quit(Request):
    """`conversation:quit`: several groups at once."""

    conversation_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]


class SetRole(Request):
    """`member:role`."""

    conversation_id: Id
    user_id: Id
    role: Literal["owner", "admin", "member"]


class BanMember(Request):
    """`member:ban`: with `on`, a member is taken out too, and nobody brings them in again."""

    conversation_id: Id
    user_id: Id
    on: bool


class Receipt(Request):
    """`receipt:delivered`, `receipt:read`: everything up to this message. `private`: for oneself alone."""

    conversation_id: Id
    seq: Annotated[int, Field(ge=0, le=MAX_INTEGER)]
    private: bool = False


class Receipts(Request):
    """`POST conversations/{id}/receipts`: one position or both, as an app does that only has REST."""

    delivered_seq: Annotated[int, Field(ge=0, le=MAX_INTEGER)] | None = None
    read_seq: Annotated[int, Field(ge=0, le=MAX_INTEGER)] | None = None
    private: bool = False


class Sync(Request):
    """`sync`: what the phone holds, all of it (`known`), or as a sync before said (`position`).

    `limit` counts messages. `users_since`: the `server_time` that the first page of the last sync had; the
    answer names the users who changed since.
    """

    known: Annotated[dict[str, Revision], Field(max_length=10_000)] = {}
    me: Revision | None = None
    epoch: Annotated[str, Field(max_length=64)] | None = None
    position: Annotated[str, Field(max_length=400)] | None = None
    users_since: Annotated[str, Field(pattern=rf"^{TIME_IN_PATTERN}$")] | None = None
    cursor: Annotated[str, Field(max_length=2_000)] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200


def _message(kind: str, message: str) -> str:
    """What pydantic says of a fault, without names and words of Python."""
    if kind in {"model_type", "dict_type"}:
        return "Input should be a JSON object"
    return message.removeprefix("Value error, ")


class Refresh(Request):
    """`auth:refresh`: a fresh access token for this connection."""

    token: Annotated[str, Field(min_length=1, max_length=4_096)]


class DeviceIn(Request):
    """What an app says of the phone it runs on.

    `installation_id`: a UUID that the app made when it was installed, and keeps. Logging in with it ends the
    login that this installation had before.
    """

    name: Annotated[str, Field(max_length=100), ONE_LINE] | None = None
    platform: Annotated[str, Field(max_length=50), ONE_LINE] | None = None
    app_version: Annotated[str, Field(max_length=50), ONE_LINE] | None = None
    installation_id: Key | None = None


class UpdateSession(Request):
    """`PUT auth/sessions/current`. What is left out stays as it is."""

    name: Annotated[str, Field(max_length=100), ONE_LINE] | None = None
    platform: Annotated[str, Field(max_length=50), ONE_LINE] | None = None
    app_version: Annotated[str, Field(max_length=50), ONE_LINE] | None = None


Password: TypeAlias = Annotated[str, Field(max_length=256, json_schema_extra={"minLength": 8})]
Username: TypeAlias = Annotated[
    str,
    Field(max_length=1_000, json_schema_extra={"minLength": 3, "maxLength": 64, "pattern": r"^\S+$"}),
]
"""What a new name and password have to be is the rules' to tell, by `details.reason`; the document says what
no app needs to try."""


class Register(Request):
    """`POST auth/register`. Usernames are normalised by NFKC and case folding; `phone` starts with `+`."""

    username: Username
    password: Password
    display_name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    phone: Annotated[str, Field(min_length=4, max_length=32)] | None = None
    device: DeviceIn | None = None
    invite: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The code of an invitation, where the server asks for one."""


class UpdateProfile(Request):
    """`PATCH me`. What is left out stays as it is; null takes `about`, `avatar_url` and `data` away.

    `data`: a JSON object of the app's own, at most 4 KiB, which others are shown too.
    """

    display_name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    about: Annotated[Annotated[str, Field(min_length=1, max_length=500)] | None, NULL_SAYS] = None
    avatar_url: Annotated[
        Annotated[str, Field(max_length=2_000, pattern=r"^https?://[^\s/]+")] | None, NULL_SAYS
    ] = None
    data: Annotated[Data | None, NULL_SAYS] = None
    presence_hidden: bool | None = None
    receipts_hidden: bool | None = None
    discoverable_by_phone: bool | None = None
    who_can_add: Literal["everyone", "contacts", "nobody"] | None = None


class Contacts(Request):
    """`POST users/contacts`: who of an address book is here and lets themselves be found.

    `region`: the country (ISO 3166, such as `DE`) of numbers without a country code.
    """

    numbers: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1_000)]
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None


class AcceptTerms(Request):
    """`POST me/terms`."""

    version: Annotated[str, Field(min_length=1, max_length=32)]


class Target(Request):
    """What is reported: a user, or a message (by `conversation_id` and `seq`)."""

    model_config = ConfigDict(json_schema_extra=either("user_id", "conversation_id", "seq"))

    user_id: Id | None = None
    conversation_id: Id | None = None
    seq: Seq | None = None


class Report(Request):
    """`POST reports`. Sending it again with the same key changes nothing. `block`: block the user as well."""

    client_report_id: Key
    target: Target
    reason: Literal["spam", "harassment", "hate", "violence", "sexual", "child_safety", "illegal", "other"]
    comment: Annotated[str, Field(max_length=1_000)] | None = None
    block: bool = False


class Block(Request):
    """`PUT me/blocks`."""

    user_id: Id


class Login(Request):
    """`POST auth/login`, by username or phone."""

    model_config = ConfigDict(json_schema_extra=either("username", "phone"))

    username: Annotated[str, Field(max_length=64)] | None = None
    phone: Annotated[str, Field(max_length=32)] | None = None
    password: Annotated[str, Field(max_length=256)]
    device: DeviceIn | None = None


class ChangePassword(Request):
    """`POST auth/password`."""

    old: Annotated[str, Field(max_length=256)]
    new: Password


class Reset(Request):
    """`POST auth/reset`: with a code from whoever runs the server."""

    code: Annotated[str, Field(min_length=1, max_length=64)]
    new: Password


ExternalId: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]


class ServerUser(Request):
    """`POST server/users`. `external_id`: who that is to your backend; the same again finds the same user."""

    external_id: ExternalId
    username: Username | None = None
    display_name: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class ServerTokens(Request):
    """`POST server/tokens`: for a user who was made by `server/users`."""

    external_id: ExternalId
    device: DeviceIn | None = None


class ExchangeToken(Request):
    """`POST auth/exchange`. `token`: of the team's own login, signed by one of JWT_ISSUERS."""

    token: Annotated[str, Field(min_length=1, max_length=8_192)]
    device: DeviceIn | None = None


class RefreshTokens(Request):
    """`POST auth/refresh`. Each refresh token works once; keep the new one."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=4_096)]


def sync_cost(payload: object) -> int:
    """As how many uses of its rate a sync counts: one more for each 500 conversations that it names."""
    known = payload.get("known") if isinstance(payload, dict) else None
    return 1 + len(known) // 500 if isinstance(known, dict) else 1


def known_in(known: Mapping[str, int]) -> dict[ConversationId, int]:
    """`sync`'s `known` with ids as inside; what is no id of ours is left out."""
    return {
        number: revision for number, revision in zip(ids_in(known), known.values(), strict=True) if number
    }
