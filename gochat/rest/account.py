"""`me`: the account that a token speaks for."""

from gochat.contract import requests, shapes
from gochat.contract.encode import session_out, user_out
from gochat.core.errors import TokenInvalid
from gochat.rest.call import UserCall
from gochat.rest.deps import Deps


async def me(deps: Deps, call: UserCall[requests.Request]) -> shapes.AccountAnswer:
    """`GET me`."""
    users = await deps.accounts.users((call.user_id,))
    session = await deps.accounts.session(call.identity.session_id)
    if not users or session is None:
        raise TokenInvalid
    return {"user": user_out(users[0]), "session": session_out(session, current=True)}
