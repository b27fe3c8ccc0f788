"""`messages`: history, and sending without a socket."""

from gochat.contract import parameters, requests, shapes
from gochat.contract.decode import search_in
from gochat.contract.encode import message_out, reactions_out, search_out, sent_out
from gochat.core.errors import InvalidPayload
from gochat.core.queries import ReactionPosition
from gochat.core.reactions import kind_of
from gochat.rest.call import UserCall
from gochat.rest.deps import Deps


async def messages(deps: Deps, call: UserCall[parameters.History]) -> shapes.HistoryAnswer:
    """`GET messages`."""
    query = call.request
    named = query.model_dump(include={"before_seq", "after_seq", "around_seq"}, exclude_none=True)
    if len(named) > 1:
        raise InvalidPayload(f"Only one of {', '.join(named)} may be given.", field=list(named)[1])
    page = await deps.reader.history(call.user_id, query.conversation_id, limit=query.limit, **named)
    return {
        "messages": [message_out(message) for message in page.messages],
        "has_more_before": page.has_more_before,
        "has_more_after": page.has_more_after,
    }


async def search_messages(deps: Deps, call: UserCall[parameters.Search]) -> shapes.SearchAnswer:
    """`GET messages/search`."""
    asked = search_in(call.request, call.user_id, deps.cursors)
    return search_out(await deps.reader.search(call.user_id, asked), call.user_id, asked, deps.cursors)


async def reactions(deps: Deps, call: UserCall[parameters.Reactions]) -> shapes.ReactionList:
    """`GET messages/{conversation_id}/{seq}/reactions`."""
    conversation_id, seq, query = call.conversation_id, call.ids["seq"], call.request
    emoji = None if query.emoji is None else kind_of(query.emoji)
    purpose = f"reactions {conversation_id} {seq} {emoji}"
    position = None
    if query.cursor is not None:
        position = ReactionPosition(*deps.cursors.read(purpose, call.user_id, query.cursor, 3))
    page = await deps.reader.reactions(call.user_id, conversation_id, seq, emoji, position, query.limit)
    more = None if page.position is None else deps.cursors.write(purpose, call.user_id, page.position)
    return reactions_out(page, more)


async def send_message(deps: Deps, call: UserCall[requests.Send]) -> shapes.SendAnswer:
    """`POST messages`: through the same door as the event."""
    return sent_out(await deps.speech.send(call.request, call.identity))
