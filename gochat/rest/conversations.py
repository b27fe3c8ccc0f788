"""`conversations`: one's list, one of them, its members, and receipts."""

from gochat.contract import parameters, requests, shapes
from gochat.contract.decode import create_in
from gochat.contract.encode import member_out, receipt_out, user_out, view_out
from gochat.contract.quit import quit_all, quit_out
from gochat.core.errors import InvalidPayload, NotFound
from gochat.core.queries import ListPosition
from gochat.core.rates import take_adding
from gochat.core.receipts import Position
from gochat.ids import new_id
from gochat.rest.call import UserCall
from gochat.rest.deps import Deps

_LIST = "conversations"


async def conversations(deps: Deps, call: UserCall[parameters.Conversations]) -> shapes.ConversationList:
    """`GET conversations`."""
    cursor, limit = call.request.cursor, call.request.limit
    position = None
    if cursor is not None:
        pinned, at, conversation_id = deps.cursors.read(_LIST, call.user_id, cursor, 3)
        position = ListPosition(pinned, at, conversation_id)
    page = await deps.reader.conversations(call.user_id, position, limit, archived=call.request.archived)
    more = None if page.position is None else deps.cursors.write(_LIST, call.user_id, page.position)
    return {"conversations": [view_out(view) for view in page.views], "cursor": more}


async def create_conversation(deps: Deps, call: UserCall[requests.Create]) -> shapes.ConversationAnswer:
    """`POST conversations`."""
    take_adding(deps.rates, call.user_id, call.request.member_ids)
    refusal = deps.speech.refusal(call.identity.standing, call.request.title)
    command = create_in(call.request, call.user_id, new_id(), refusal)
    created = await deps.writer.submit(command)
    try:
        return {"conversation": view_out(await deps.reader.conversation(call.user_id, created.id))}
    except NotFound:
        return {"conversation": None}


async def quit_conversations(deps: Deps, call: UserCall[requests.Quit]) -> shapes.QuitAnswer:
    """`POST conversations/quit`."""
    return quit_out(await quit_all(deps.writer, call.user_id, call.request.conversation_ids))


async def conversation(deps: Deps, call: UserCall[requests.Request]) -> shapes.ConversationAnswer:
    """`GET conversations/{id}`."""
    return {"conversation": view_out(await deps.reader.conversation(call.user_id, call.conversation_id))}


async def members(deps: Deps, call: UserCall[parameters.Page]) -> shapes.MemberList:
    """`GET conversations/{id}/members`."""
    cursor, limit = call.request.cursor, call.request.limit
    purpose = f"members {call.conversation_id}"
    after = None
    if cursor is not None:
        (after,) = deps.cursors.read(purpose, call.user_id, cursor, 1)
    page = await deps.reader.members(call.user_id, call.conversation_id, after, limit)
    more = None if page.position is None else deps.cursors.write(purpose, call.user_id, (page.position,))
    return {"members": [member_out(member) for member in page.members], "cursor": more}


async def bans(deps: Deps, call: UserCall[requests.Request]) -> shapes.UserList:
    """`GET conversations/{id}/bans`."""
    found = await deps.reader.banned(call.user_id, call.conversation_id)
    return {"users": [user_out(user) for user in found]}


async def advance_receipts(deps: Deps, call: UserCall[requests.Receipts]) -> shapes.ReceiptAnswer:
    """`POST conversations/{id}/receipts`."""
    delivered_seq, read_seq = call.request.delivered_seq, call.request.read_seq
    if delivered_seq is None and read_seq is None:
        raise InvalidPayload("delivered_seq or read_seq is needed.", field="read_seq")
    position = Position(delivered_seq or 0, read_seq or 0, call.request.private)
    return receipt_out(await deps.receipts.advance(call.conversation_id, call.user_id, position))
