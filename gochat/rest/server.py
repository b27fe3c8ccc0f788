"""`server/...`: for the team's own backend, with a key of `gochat key create` in place of an access token."""

from gochat.contract import requests, shapes
from gochat.contract.decode import device_in
from gochat.contract.encode import user_out
from gochat.rest.auth import tokens_out
from gochat.rest.call import OpenCall
from gochat.rest.deps import Deps


async def server_user(deps: Deps, call: OpenCall[requests.ServerUser]) -> shapes.UserAnswer:
    """`POST server/users`."""
    request = call.request
    user = await deps.backend.user(
        call.bearer, call.address, request.external_id, request.username, request.display_name
    )
    return {"user": user_out(user)}


async def server_tokens(deps: Deps, call: OpenCall[requests.ServerTokens]) -> shapes.Tokens:
    """`POST server/tokens`."""
    device = device_in(call.request.device)
    external_id = call.request.external_id
    return tokens_out(await deps.backend.log_in(call.bearer, call.address, external_id, device))
