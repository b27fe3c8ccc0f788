"""`messages`: history, and sending without a socket."""

from gochat.contract import parameters, requests, shapes
from gochat.contract.decode import search_in
from gochat.contract.encode import message_out, search_out, sent_out
from gochat.core.errors import InvalidPayload
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


async def send_message(deps: Deps, call: UserCall[requests.Send]) -> shapes.SendAnswer:
    """`POST messages`: through the same door as the event."""
    return sent_out(await deps.speech.send(call.request, call.identity))
