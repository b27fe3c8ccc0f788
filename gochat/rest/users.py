"""`users`: what others see of a user."""

from gochat.contract import parameters, shapes
from gochat.contract.encode import user_out
from gochat.core.errors import InvalidPayload
from gochat.core.names import folded
from gochat.rest.call import UserCall
from gochat.rest.deps import Deps


async def users(deps: Deps, call: UserCall[parameters.Users]) -> shapes.UserList:
    """`GET users?ids=` or `GET users?prefix=`."""
    ids, prefix = call.request.ids, call.request.prefix
    if (ids is None) == (prefix is None):
        raise InvalidPayload("One of ids and prefix has to be given.", field="ids")
    if prefix is not None:
        found = await deps.accounts.search(folded(prefix))
    else:
        found = await deps.accounts.users(dict.fromkeys(ids or ()))
    return {"users": [user_out(user) for user in found]}
