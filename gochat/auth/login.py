"""Register and log in: the use-cases over the stored accounts."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace

import structlog

from gochat.auth.names import phone_in, username_in, username_tried
from gochat.auth.passwords import Passwords
from gochat.auth.sessions import TokenSessions
from gochat.auth.tries import Tries
from gochat.core.errors import ChatError, InvalidCredentials, InvalidPayload, TokenInvalid
from gochat.core.model import Device, Millis, SessionId, User, UserId
from gochat.core.ports.accounts import Account, Accounts
from gochat.core.ports.logins import Identity, LoggedIn
from gochat.core.text import line
from gochat.ids import new_id

NOBODY: UserId = 0
"""No user has this id."""

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class PasswordLogins:
    """`core.ports.logins.Logins` by passwords."""

    def __init__(
        self,
        accounts: Accounts,
        passwords: Passwords,
        sessions: TokenSessions,
        tries: Tries,
        clock: Callable[[], Millis],
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._sessions = sessions
        self._tries = tries
        self._clock = clock

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
        """Make an account and log in."""
        name = username_in(username)
        number = None if phone is None else phone_in(phone)
        shown = username if display_name is None else line(display_name, "display_name")
        if not shown:
            raise InvalidPayload("display_name: is blank.", field="display_name")
        await self._tries.register(address)
        user = User(id=new_id(), username=name, display_name=shown)
        account = Account(user, await self._passwords.choose(password, (name, shown, number or "")), number)
        await self._accounts.create(account, self._clock())
        return await self._sessions.begin(user, device)

    async def login(
        self, *, username: str | None, phone: str | None, password: str, device: Device, address: str | None
    ) -> LoggedIn:
        """Log in by username or phone."""
        if username is not None and phone is None:
            name = username_tried(username)
            tried = name or username
            account = None if name is None else await self._accounts.by_username(name)
        elif phone is not None and username is None:
            tried = phone_in(phone)
            account = await self._accounts.by_phone(tried)
        else:
            raise InvalidPayload("Either username or phone is needed.", field="username")
        user_id = NOBODY if account is None else account.user.id
        known = await self._sessions.is_known(user_id, device)
        async with self._tries.login(tried, address, device.installation_id if known else None):
            right = await self._passwords.verify(None if account is None else account.password_hash, password)
            if account is None or not right:
                raise InvalidCredentials
            account = await self._hashed_anew(account, password)
            return await self._sessions.begin(account.user, device, account.password_hash)

    async def change_password(self, identity: Identity, old: str, new: str, address: str | None) -> None:
        """Replace a user's password, and end their other logins."""
        account = await self._accounts.by_id(identity.user_id)
        if account is None:
            raise TokenInvalid
        session = str(identity.session_id).encode()
        async with self._tries.login(str(identity.user_id), address, session):
            if not await self._passwords.verify(account.password_hash, old):
                raise InvalidCredentials
        await self._set(account, account.password_hash, new, keep=identity.session_id)

    async def reset(self, code: str, new: str, address: str | None) -> None:
        """Set a password anew by a code, and end all logins."""
        digest = reset_hash(code)
        async with self._tries.login(digest.hex(), address, None):
            account = await self._accounts.resetting(digest, self._clock())
            if account is None:
                raise InvalidCredentials("The code is wrong, was used, or has expired.")
        await self._set(account, account.password_hash, new, keep=None)

    async def _set(self, account: Account, old: str, new: str, keep: SessionId | None) -> None:
        names = (account.user.username, account.user.display_name, account.phone or "")
        password_hash = await self._passwords.choose(new, names)
        user_id = account.user.id
        ended = await self._accounts.change_password(user_id, old, password_hash, self._clock(), keep)
        self._sessions.tell(user_id, ended)

    async def _hashed_anew(self, account: Account, password: str) -> Account:
        """The account with a hash of today's cost, if it had another one and that can be changed now."""
        if not self._passwords.is_outdated(account.password_hash):
            return account
        try:
            password_hash = await self._passwords.hash(password)
            changed = await self._accounts.set_password(account.user.id, account.password_hash, password_hash)
        except ChatError as error:
            log.warning("password_not_hashed_anew", code=error.code)
            return account
        return replace(account, password_hash=password_hash) if changed else account

    def close(self) -> None:
        """Let go of the threads."""
        self._passwords.close()


def new_code() -> str:
    """A code for `reset`: 100 random bits, in letters and digits that can be read out."""
    text = "".join(secrets.choice(_LETTERS) for _ in range(20))
    return "-".join(text[place : place + 5] for place in range(0, 20, 5))


def reset_hash(code: str) -> bytes:
    """32 bytes, all that is stored of a code, however it is written."""
    text = "".join(it for it in code.upper() if it.isalnum())
    return hashlib.sha256(text.encode()).digest()
