"""Logins as their operator hears of them: one line and one count for each that begins, fails, goes on or
ends.

No name, number or token is told: whose login it was says the id.
"""

from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import structlog

from gochat.core.errors import ChatError
from gochat.core.measures import Measures
from gochat.core.model import Device, Millis, Session, SessionId
from gochat.core.ports.backend import Exchange
from gochat.core.ports.logins import Identity, LoggedIn, Logins, Sessions
from gochat.ids import REQUEST_ID

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ToldLogins:
    """`core.ports.logins.Logins` over another one."""

    def __init__(self, logins: Logins, measures: Measures) -> None:
        self._logins = logins
        self._told = _Told(measures)

    async def register(
        self,
        *,
        username: str,
        password: str,
        display_name: str | None,
        phone: str | None,
        device: Device,
        address: str | None,
    ) -> LoggedIn:
        """See the port."""
        with self._told.around("register", address=address):
            logged_in = await self._logins.register(
                username=username,
                password=password,
                display_name=display_name,
                phone=phone,
                device=device,
                address=address,
            )
        _tell("registered", **_whose(logged_in), address=address)
        return logged_in

    async def login(
        self, *, username: str | None, phone: str | None, password: str, device: Device, address: str | None
    ) -> LoggedIn:
        """See the port."""
        with self._told.around("login", address=address):
            logged_in = await self._logins.login(
                username=username, phone=phone, password=password, device=device, address=address
            )
        _tell("logged_in", **_whose(logged_in), address=address)
        return logged_in

    async def change_password(self, identity: Identity, old: str, new: str, address: str | None) -> None:
        """See the port."""
        with self._told.around("password", address=address):
            await self._logins.change_password(identity, old, new, address)
        _tell("password_changed", user=identity.user_id, session=identity.session_id, address=address)

    async def reset(self, code: str, new: str, address: str | None) -> None:
        """See the port."""
        with self._told.around("reset", address=address):
            await self._logins.reset(code, new, address)
        _tell("password_reset", address=address)


class ToldExchange:
    """`core.ports.backend.Exchange` over another one."""

    def __init__(self, exchange: Exchange, measures: Measures) -> None:
        self._exchange = exchange
        self._told = _Told(measures)

    async def exchange(self, token: str, device: Device, address: str | None) -> LoggedIn:
        """See the port."""
        with self._told.around("exchange", address=address):
            logged_in = await self._exchange.exchange(token, device, address)
        _tell("logged_in", **_whose(logged_in), address=address)
        return logged_in


class ToldSessions:
    """`core.ports.logins.Sessions` over another one."""

    def __init__(self, sessions: Sessions, measures: Measures) -> None:
        self._sessions = sessions
        self._told = _Told(measures)

    async def refresh(self, refresh_token: str) -> LoggedIn:
        """See the port."""
        with self._told.around("refresh"):
            return await self._sessions.refresh(refresh_token)

    async def current(self, identity: Identity) -> Session:
        """See the port."""
        return await self._sessions.current(identity)

    async def alive(self, identity: Identity) -> tuple[Session, ...]:
        """See the port."""
        return await self._sessions.alive(identity)

    async def describe(self, identity: Identity, changes: Mapping[str, Any]) -> Session:
        """See the port."""
        return await self._sessions.describe(identity, changes)

    async def end(self, identity: Identity, session_id: SessionId) -> None:
        """See the port."""
        with self._told.around("logout", user=identity.user_id):
            await self._sessions.end(identity, session_id)
        _tell("logged_out", user=identity.user_id, session=session_id)

    async def delete_account(self, identity: Identity) -> Millis:
        """See the port."""
        deletes_at = await self._sessions.delete_account(identity)
        _tell("deletion_wished", user=identity.user_id, at=deletes_at)
        return deletes_at

    async def end_others(self, identity: Identity) -> None:
        """See the port."""
        with self._told.around("logout", user=identity.user_id):
            await self._sessions.end_others(identity)
        _tell("logged_out", user=identity.user_id, but=identity.session_id)


class _Told:
    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    @contextmanager
    def around(self, act: str, **known: object) -> Any:
        """Count an act, and tell of one that fails."""
        try:
            yield
        except ChatError as error:
            self._measures.logins.add(act, error.code)
            _tell(f"{act}_failed", code=error.code, **known)
            raise
        self._measures.logins.add(act, "ok")


def _tell(event: str, **fields: object) -> None:
    """A line, with the id of the request that a phone may show."""
    request_id = REQUEST_ID.get()
    log.info(event, **fields, **({} if request_id is None else {"request_id": request_id}))


def _whose(logged_in: LoggedIn) -> dict[str, object]:
    return {"user": logged_in.user.id, "session": logged_in.session.id}
