"""The query parameters of REST. They are text, so numbers are converted; unknown ones are refused by name."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gochat.contract.ids import NO_ID, TIME_IN_PATTERN, id_in, time_in
from gochat.contract.requests import Id, Request, Seq
from gochat.contract.schemas import MAX_INTEGER
from gochat.core.search import MAX_QUERY


def _digits(text: object) -> object:
    """Only plain decimal digits are a number: not `1_0`, not `1.0`, no blanks."""
    if isinstance(text, str) and not (text.isascii() and text.isdigit()):
        raise ValueError("Input should be a decimal number")
    return text


def _boolean(text: object) -> object:
    """Only `true` and `false`: not `1`, not `yes`."""
    return {"true": True, "false": False}.get(text, ()) if isinstance(text, str) else text


def _split(text: object) -> object:
    return text.split(",") if isinstance(text, str) else text


Number: TypeAlias = Annotated[int, BeforeValidator(_digits)]
PageSize: TypeAlias = Annotated[Number, Field(ge=1, le=100)]
Cursor: TypeAlias = Annotated[str, Field(min_length=1, max_length=500)]


class _AsTime:
    """RFC 3339 on the wire, milliseconds inside."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True, pattern=f"^{TIME_IN_PATTERN}$")
        return core_schema.no_info_after_validator_function(time_in, text)


Time: TypeAlias = Annotated[int, _AsTime()]


PATH: Mapping[str, Any] = {"seq": Seq}
"""What stands in the path and is not an id."""


def path_in(name: str, text: str) -> int:
    """The number that a part of the path names; what is none names nothing."""
    if name not in PATH:
        return id_in(text)
    return int(text) if re.fullmatch("[0-9]{1,16}", text) else NO_ID


class Query(Request):
    """Query parameters."""

    model_config = ConfigDict(strict=False)


class Page(Query):
    """A page of a list: `cursor` as the page before gave it."""

    cursor: Cursor | None = None
    limit: PageSize = 50


class Conversations(Page):
    """`GET conversations`: those that are archived, or those that are not, or all."""

    archived: Annotated[bool, BeforeValidator(_boolean)] | None = None


class Users(Query):
    """`GET users`: up to 100 ids, separated by commas; or how a username begins, in any case."""

    ids: Annotated[list[Id], BeforeValidator(_split), Field(min_length=1, max_length=100)] | None = None
    prefix: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class EndSessions(Query):
    """`DELETE auth/sessions`."""

    keep: Annotated[Literal["current"], Field(alias="except")]


class Unblock(Query):
    """`DELETE me/blocks`."""

    user_id: Id


class History(Query):
    """`GET messages`: the newest page, or one before, after or around a seq; at most one of the three."""

    conversation_id: Id
    before_seq: Annotated[Number, Field(ge=1, le=MAX_INTEGER)] | None = None
    after_seq: Annotated[Number, Field(ge=0, le=MAX_INTEGER)] | None = None
    around_seq: Annotated[Number, Field(ge=1, le=MAX_INTEGER)] | None = None
    limit: PageSize = 50


class Reactions(Page):
    """`GET messages/{conversation_id}/{seq}/reactions`: all of them, or those of one kind."""

    emoji: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class Search(Query):
    """`GET messages/search`. `before` and `after` bound `created_at`, both excluded."""

    q: Annotated[str, Field(min_length=1, max_length=MAX_QUERY)]
    conversation_id: Id | None = None
    sender_id: Id | None = None
    before: Time | None = None
    after: Time | None = None
    has: Literal["image", "video", "audio", "file", "link"] | None = None
    cursor: Cursor | None = None
    limit: Annotated[Number, Field(ge=1, le=50)] = 20
