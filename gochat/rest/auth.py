"""`auth/...`: sessions begin, go on and end."""

from gochat.contract import parameters, requests, shapes
from gochat.contract.decode import device_in
from gochat.contract.encode import session_out, user_out
from gochat.core.errors import ChatError
from gochat.core.model import Standing
from gochat.core.ports.logins import Identity, LoggedIn
from gochat.rest.call import OpenCall, UserCall
from gochat.rest.deps import Deps


async def register(deps: Deps, call: OpenCall[requests.Register]) -> shapes.Tokens:
    """`POST auth/register`."""
    request = call.request
    shown = (request.username.replace(".", " "), request.display_name)  # a dot does not make it a link
    if refusal := deps.speech.refusal(Standing(created_at=deps.clock()), *shown):
        raise refusal
    await deps.registration.admit(request.invite, call.address)
    try:
        logged_in = await deps.logins.register(
            username=request.username,
            password=request.password,
            display_name=request.display_name,
            phone=request.phone,
            device=device_in(request.device),
            address=call.address,
        )
    except ChatError:
        await deps.registration.refused(request.invite)
        raise
    return tokens_out(logged_in)


async def login(deps: Deps, call: OpenCall[requests.Login]) -> shapes.Tokens:
    """`POST auth/login`."""
    request = call.request
    return tokens_out(
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
    return tokens_out(await deps.sessions.refresh(call.request.refresh_token))


async def exchange(deps: Deps, call: OpenCall[requests.ExchangeToken]) -> shapes.Tokens:
    """`POST auth/exchange`."""
    device = device_in(call.request.device)
    return tokens_out(await deps.exchange.exchange(call.request.token, device, call.address))


async def logout(deps: Deps, call: UserCall[requests.Request]) -> shapes.Empty:
    """`POST auth/logout`."""
    await deps.sessions.end(call.identity, call.identity.session_id)
    return {}


async def change_password(deps: Deps, call: UserCall[requests.ChangePassword]) -> shapes.Empty:
    """`POST auth/password`."""
    request = call.request
    await deps.logins.change_password(call.identity, request.old, request.new, call.address)
    return {}


async def reset_password(deps: Deps, call: OpenCall[requests.Reset]) -> shapes.Empty:
    """`POST auth/reset`."""
    await deps.logins.reset(call.request.code, call.request.new, call.address)
    return {}


async def sessions(deps: Deps, call: UserCall[requests.Request]) -> shapes.SessionList:
    """`GET auth/sessions`."""
    return await _sessions_out(deps, call.identity)


async def update_session(deps: Deps, call: UserCall[requests.UpdateSession]) -> shapes.SessionAnswer:
    """`PUT auth/sessions/current`."""
    session = await deps.sessions.describe(call.identity, call.request.model_dump(exclude_unset=True))
    return {"session": session_out(session, current=True)}


async def end_session(deps: Deps, call: UserCall[requests.Request]) -> shapes.SessionList:
    """`DELETE auth/sessions/{session_id}`."""
    await deps.sessions.end(call.identity, call.ids["session_id"])
    return await _sessions_out(deps, call.identity)


async def end_sessions(deps: Deps, call: UserCall[parameters.EndSessions]) -> shapes.SessionList:
    """`DELETE auth/sessions`."""
    await deps.sessions.end_others(call.identity)
    return await _sessions_out(deps, call.identity)


async def _sessions_out(deps: Deps, identity: Identity) -> shapes.SessionList:
    alive = await deps.sessions.alive(identity)
    return {"sessions": [session_out(it, current=it.id == identity.session_id) for it in alive]}


def tokens_out(logged_in: LoggedIn) -> shapes.Tokens:
    """A login with its tokens."""
    return {
        "access_token": logged_in.access_token,
        "refresh_token": logged_in.refresh_token,
        "token_type": "Bearer",
        "expires_in": logged_in.expires_in,
        "user": user_out(logged_in.user),
        "session": session_out(logged_in.session, current=True),
    }
