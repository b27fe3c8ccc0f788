"""`sync` for an app that has no socket open."""

from gochat.contract import requests, shapes
from gochat.contract.decode import sync_in
from gochat.contract.encode import sync_out
from gochat.rest.call import UserCall
from gochat.rest.deps import Deps


async def sync(deps: Deps, call: UserCall[requests.Sync]) -> shapes.SyncAnswer:
    """`POST sync`."""
    asked = sync_in(call.request, call.user_id, deps.cursors)
    return sync_out(await deps.reader.sync(call.user_id, asked), call.user_id, deps.cursors)
