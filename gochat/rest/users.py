"""`users`: what others see of a user."""

from gochat.contract import queries, shapes
from gochat.contract.encode import user_out
from gochat.rest.call import UserCall
from gochat.rest.deps import Deps


async def users(deps: Deps, call: UserCall[queries.Users]) -> shapes.UserList:
    """`GET users?ids=`."""
    found = await deps.accounts.users(dict.fromkeys(call.request.ids))
    return {"users": [user_out(user) for user in found]}
