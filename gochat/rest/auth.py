"""`auth/...`: sessions begin, go on and end."""

from gochat.contract import requests, shapes
from gochat.contract.commands import device_in
from gochat.contract.encode import session_out, user_out
from gochat.core.ports import LoggedIn
from gochat.rest.call import OpenCall, UserCall
from gochat.rest.deps import Deps


async def register(deps: Deps, call: OpenCall[requests.Register]) -> shapes.Tokens:
    """`POST auth/register`."""
    request = call.request
    return _tokens_out(
        await deps.logins.register(
            username=request.username,
            password=request.password,
            display_name=request.display_name,
            phone=request.phone,
            device=device_in(request.device),
            address=call.address,
        )
    )


async def login(deps: Deps, call: OpenCall[requests.Login]) -> shapes.Tokens:
    """`POST auth/login`."""
    request = call.request
    return _tokens_out(
        await deps.logins.login(
            username=request.username,
            phone=request.phone,
            password=request.password,
            device=device_in(request.device),
            address=call.address,
        )
    )


async def refresh(deps: Deps, call: OpenCall[requests.RefreshTokens]) -> shapes.Tokens:
    """`POST auth/refresh`."""
    return _tokens_out(await deps.logins.refresh(call.request.refresh_token))


async def logout(deps: Deps, call: UserCall[requests.Request]) -> shapes.Empty:
    """`POST auth/logout`."""
    await deps.logins.logout(call.identity)
    return {}


def _tokens_out(logged_in: LoggedIn) -> shapes.Tokens:
    return {
        "access_token": logged_in.access_token,
        "refresh_token": logged_in.refresh_token,
        "token_type": "Bearer",
        "expires_in": logged_in.expires_in,
        "user": user_out(logged_in.user),
        "session": session_out(logged_in.session, current=True),
    }
