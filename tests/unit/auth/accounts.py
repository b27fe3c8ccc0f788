"""Accounts in memory, for the use-cases alone; the stored ones are tested on real databases."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from gochat.core import refresh
from gochat.core.errors import InvalidCredentials, PhoneTaken, SessionRevoked, TokenInvalid, UsernameTaken
from gochat.core.model import Device, Millis, Profile, Session, SessionId, Settings, Standing, User, UserId
from gochat.core.ports.accounts import Account
from gochat.core.ports.sessions import Beginning, RefreshUse
from gochat.core.refresh import Chain


class MemoryAccounts:
    def __init__(self) -> None:
        self.accounts: dict[UserId, Account] = {}
        self.codes: dict[bytes, tuple[UserId, Millis]] = {}
        self.sessions = MemorySessions(self)

    async def create(self, account: Account, now: Millis) -> None:
        if await self.by_username(account.user.username):
            raise UsernameTaken
        if account.phone is not None and await self.by_phone(account.phone):
            raise PhoneTaken
        self.accounts[account.user.id] = account

    async def by_username(self, username: str) -> Account | None:
        return next((a for a in self.accounts.values() if a.user.username == username), None)

    async def by_phone(self, phone: str) -> Account | None:
        return next((a for a in self.accounts.values() if a.phone == phone), None)

    async def users(self, user_ids: Iterable[UserId]) -> tuple[User, ...]:
        return tuple(self.accounts[i].user for i in user_ids if i in self.accounts)

    async def by_phones(self, user_id: UserId, phones: Sequence[str]) -> Mapping[str, User]:
        return {it.phone: it.user for it in self.accounts.values() if it.phone in phones and it.phone}

    async def profile(self, user_id: UserId) -> Profile | None:
        account = self.accounts.get(user_id)
        return None if account is None else Profile(account.user, Settings())

    async def blocked(self, user_id: UserId) -> tuple[User, ...]:
        return ()

    async def search(self, prefix: str) -> tuple[User, ...]:
        found = [a.user for a in self.accounts.values() if a.user.username.startswith(prefix)]
        return tuple(sorted(found, key=lambda user: user.username)[:20])

    async def by_id(self, user_id: UserId) -> Account | None:
        return self.accounts.get(user_id)

    async def change_password(
        self, user_id: UserId, old: str, new: str, now: Millis, keep: SessionId | None
    ) -> tuple[SessionId, ...]:
        if not await self.set_password(user_id, old, new):
            raise InvalidCredentials
        self.codes = {code: whose for code, whose in self.codes.items() if whose[0] != user_id}
        return await self.sessions.revoke_all(user_id, now, keep)

    async def store_reset(self, user_id: UserId, code_hash: bytes, expires_at: Millis) -> None:
        self.codes[code_hash] = (user_id, expires_at)

    async def resetting(self, code_hash: bytes, now: Millis) -> Account | None:
        user_id, expires_at = self.codes.get(code_hash, (0, 0))
        return self.accounts.get(user_id) if expires_at > now else None

    async def set_password(self, user_id: UserId, old: str, new: str) -> bool:
        account = self.accounts[user_id]
        if account.password_hash != old:
            return False
        self.accounts[user_id] = replace(account, password_hash=new)
        return True


class MemorySessions:
    def __init__(self, accounts: MemoryAccounts) -> None:
        self.accounts = accounts
        self.sessions: dict[SessionId, Session] = {}
        self.chains: dict[SessionId, Chain] = {}
        self.seen_together: list[int] = []
        """Of how many sessions at once it was written that they are in use."""

    async def begin(self, beginning: Beginning) -> tuple[SessionId, ...]:
        session = beginning.session
        account = self.accounts.accounts[session.user_id]
        if beginning.password_hash not in (None, account.password_hash):
            raise InvalidCredentials
        installation = session.device.installation_id
        same = [
            it.id
            for it in await self.alive(session.user_id, session.created_at)
            if installation and it.device.installation_id == installation
        ]
        for session_id in same:
            await self.revoke(session_id, session.created_at)
        self.sessions[session.id] = session
        self.chains[session.id] = Chain(beginning.refresh_hash)
        return tuple(same)

    async def refresh(self, session_id: SessionId, use: RefreshUse, now: Millis) -> tuple[Session, bytes]:
        session = self.sessions.get(session_id)
        if session is None:
            raise TokenInvalid
        if session.revoked_at is not None:
            raise SessionRevoked
        try:
            chain = refresh.use(
                self.chains[session_id], use.token, fresh=use.fresh, now=now, successor=use.successor
            )
        except SessionRevoked:
            await self.revoke(session_id, now)
            raise
        assert chain.seed is not None
        self.chains[session_id] = chain
        return session, chain.seed

    async def session(self, session_id: SessionId) -> Session | None:
        return self.sessions.get(session_id)

    async def login(self, session_id: SessionId) -> tuple[Session, Standing] | None:
        session = self.sessions.get(session_id)
        return None if session is None else (session, Standing())

    async def alive(self, user_id: UserId, now: Millis) -> tuple[Session, ...]:
        return tuple(it for it in self.sessions.values() if it.user_id == user_id and it.revoked_at is None)

    async def knows(self, user_id: UserId, installation_id: bytes) -> bool:
        known = {(it.user_id, it.device.installation_id) for it in self.sessions.values()}
        return (user_id, installation_id) in known

    async def saw(self, session_ids: Collection[SessionId], now: Millis, before: Millis) -> None:
        self.seen_together.append(len(session_ids))
        for session in map(self.sessions.__getitem__, session_ids):
            if session.last_seen_at < before:
                self.sessions[session.id] = replace(session, last_seen_at=now)

    async def describe(self, session_id: SessionId, device: Device) -> None:
        self.sessions[session_id] = replace(self.sessions[session_id], device=device)

    async def revoke(self, session_id: SessionId, now: Millis) -> None:
        if session_id in self.sessions:
            self.sessions[session_id] = replace(self.sessions[session_id], revoked_at=now)

    async def revoke_all(
        self, user_id: UserId, now: Millis, keep: SessionId | None = None
    ) -> tuple[SessionId, ...]:
        ended = tuple(it.id for it in await self.alive(user_id, now) if it.id != keep)
        for session_id in ended:
            await self.revoke(session_id, now)
        return ended


class MemoryErasure:
    def __init__(self, sessions: MemorySessions) -> None:
        self.sessions = sessions
        self.wishes: dict[UserId, Millis] = {}

    async def wish(self, user_id: UserId, deletes_at: Millis, now: Millis) -> tuple[SessionId, ...]:
        self.wishes[user_id] = deletes_at
        return await self.sessions.revoke_all(user_id, now)
