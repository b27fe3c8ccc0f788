"""`me`: the account that a token speaks for, and whom it blocks."""

from gochat.contract import parameters, requests, shapes
from gochat.contract.decode import profile_in
from gochat.contract.encode import session_out, settings_out, standing_out, user_out
from gochat.contract.ids import time_out
from gochat.core.blocks import Block
from gochat.core.errors import InvalidPayload, TokenInvalid
from gochat.core.model import UserId
from gochat.core.ports.logins import Identity
from gochat.core.profiles import UpdateProfile
from gochat.ids import new_id
from gochat.rest.call import UserCall
from gochat.rest.deps import Deps


async def me(deps: Deps, call: UserCall[requests.Request]) -> shapes.AccountAnswer:
    """`GET me`."""
    return await _account(deps, call.identity)


async def update_me(deps: Deps, call: UserCall[requests.UpdateProfile]) -> shapes.AccountAnswer:
    """`PATCH me`."""
    command = profile_in(call.request, call.user_id)
    shown = (call.request.display_name, call.request.about)
    await deps.speech.show(call.identity, shown, lambda: deps.writer.submit(command))
    return await _account(deps, call.identity)


async def accept_terms(deps: Deps, call: UserCall[requests.AcceptTerms]) -> shapes.AccountAnswer:
    """`POST me/terms`."""
    version = deps.terms["version"]
    if version is None or call.request.version != version:
        raise InvalidPayload("version: not the one of the terms in force.", field="version")
    await deps.writer.submit(UpdateProfile(call.user_id, standing={"terms_version": version}))
    return await _account(deps, call.identity)


async def delete_me(deps: Deps, call: UserCall[requests.Request]) -> shapes.Deletion:
    """`DELETE me`."""
    return {"deletes_at": time_out(await deps.sessions.delete_account(call.identity))}


async def blocks(deps: Deps, call: UserCall[requests.Request]) -> shapes.UserList:
    """`GET me/blocks`."""
    return await _blocked(deps, call.user_id)


async def block(deps: Deps, call: UserCall[requests.Block]) -> shapes.UserList:
    """`PUT me/blocks`."""
    return await _set(deps, call.user_id, call.request.user_id, on=True)


async def unblock(deps: Deps, call: UserCall[parameters.Unblock]) -> shapes.UserList:
    """`DELETE me/blocks`."""
    return await _set(deps, call.user_id, call.request.user_id, on=False)


async def _account(deps: Deps, identity: Identity) -> shapes.AccountAnswer:
    profile = await deps.accounts.profile(identity.user_id)
    session = await deps.sessions.current(identity)
    if profile is None:
        raise TokenInvalid
    return {
        "user": user_out(profile.user),
        "settings": settings_out(profile.settings),
        "standing": standing_out(profile.standing),
        "session": session_out(session, current=True),
    }


async def _set(deps: Deps, user_id: UserId, other_id: UserId, *, on: bool) -> shapes.UserList:
    await deps.writer.submit(Block(new_id(), user_id, other_id, on))
    return await _blocked(deps, user_id)


async def _blocked(deps: Deps, user_id: UserId) -> shapes.UserList:
    return {"users": [user_out(user) for user in await deps.accounts.blocked(user_id)]}
