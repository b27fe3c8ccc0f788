"""`GET me/export`: all that is held of a user, as it is read, one JSON object a line."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import structlog
from starlette.responses import StreamingResponse
from starlette.types import Send

from gochat.contract import requests
from gochat.contract.encode import (
    member_out,
    message_out,
    session_out,
    settings_out,
    standing_out,
    user_out,
    view_out,
)
from gochat.core.errors import ChatError, NotFound, SessionRevoked, TokenInvalid
from gochat.core.ports.logins import Identity
from gochat.core.rates import EXPORT, Key
from gochat.rest.call import UserCall
from gochat.rest.deps import Deps

PAGE = 100

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Export(StreamingResponse):
    """The lines, as they are read. What goes wrong meanwhile cuts them off: they have no end then, and the
    connection is closed."""

    async def stream_response(self, send: Send) -> None:
        """Send them."""
        try:
            await super().stream_response(send)
        except ChatError as error:
            log.info("export_cut_off", code=error.code)


async def export(deps: Deps, call: UserCall[requests.Request]) -> Export:
    """`GET me/export`."""
    await deps.shared_rates.take(EXPORT, {Key.USER: str(call.user_id)})
    lines = _lines(deps, call)
    first = await anext(lines)  # what is refused is refused before the answer begins
    name = 'attachment; filename="export.jsonl"'
    return Export(_encoded(first, lines), 200, {"content-disposition": name}, "application/x-ndjson")


async def _encoded(
    first: tuple[str, Mapping[str, Any]], rest: AsyncIterator[tuple[str, Mapping[str, Any]]]
) -> AsyncIterator[bytes]:
    yield _line(*first)
    async for kind, value in rest:
        yield _line(kind, value)


def _line(kind: str, value: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"type": kind, "value": value}, option=orjson.OPT_APPEND_NEWLINE)


async def _lines(
    deps: Deps, call: UserCall[requests.Request]
) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    user_id = call.user_id
    profile = await deps.accounts.profile(user_id)
    account = await deps.accounts.by_id(user_id)
    if profile is None or account is None:
        raise TokenInvalid
    yield (
        "account",
        {
            "user": user_out(profile.user),
            "phone": account.phone,
            "settings": settings_out(profile.settings),
            "standing": standing_out(profile.standing),
        },
    )
    alive = await deps.sessions.alive(call.identity)
    sessions = [session_out(it, current=it.id == call.identity.session_id) for it in alive]
    yield "sessions", {"sessions": sessions}
    yield "blocks", {"users": [user_out(user) for user in await deps.accounts.blocked(user_id)]}
    position = None
    while True:
        await _require_login(deps, call.identity)
        page = await deps.reader.conversations(user_id, position, PAGE)
        for view in page.views:
            yield "conversation", view_out(view)
            try:
                async for line in _inside(deps, call.identity, view.conversation.id):
                    yield line
            except NotFound:
                continue  # quit meanwhile
        if page.position is None:
            return
        position = page.position


async def _require_login(deps: Deps, identity: Identity) -> None:
    """Refuse to go on for a login that has ended: whoever reads slowly would read on after its end."""
    if (await deps.sessions.current(identity)).revoked_at is not None:
        raise SessionRevoked


async def _inside(
    deps: Deps, identity: Identity, conversation_id: int
) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    user_id = identity.user_id
    after: int | None = None
    while True:
        await _require_login(deps, identity)
        members = await deps.reader.members(user_id, conversation_id, after, PAGE)
        for member in members.members:
            yield "member", {"conversation_id": f"{conversation_id:016x}", **member_out(member)}
        if members.position is None:
            break
        after = members.position
    seq = 0
    while True:
        await _require_login(deps, identity)
        history = await deps.reader.history(user_id, conversation_id, after_seq=seq, limit=PAGE)
        for message in history.messages:
            yield "message", message_out(message)
        if not history.has_more_after:
            return
        seq = history.messages[-1].seq
