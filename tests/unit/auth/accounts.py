"""Accounts in memory, for the use-cases alone; the stored ones are tested on real databases."""

from collections.abc import Iterable
from dataclasses import replace

from gochat.core.errors import PhoneTaken, SessionRevoked, TokenInvalid, UsernameTaken
from gochat.core.model import Millis, Profile, Session, SessionId, User, UserId
from gochat.core.ports import Account


class MemoryAccounts:
    def __init__(self) -> None:
        self.accounts: dict[UserId, Account] = {}
        self.sessions: dict[SessionId, Session] = {}
        self.refresh_hashes: dict[SessionId, bytes] = {}

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

    async def profile(self, user_id: UserId) -> Profile | None:
        account = self.accounts.get(user_id)
        return None if account is None else Profile(account.user, presence_hidden=False)

    async def blocked(self, user_id: UserId) -> tuple[User, ...]:
        return ()

    async def search(self, prefix: str) -> tuple[User, ...]:
        found = [a.user for a in self.accounts.values() if a.user.username.startswith(prefix)]
        return tuple(sorted(found, key=lambda user: user.username)[:20])

    async def add_session(self, session: Session, refresh_hash: bytes, expires_at: Millis) -> None:
        self.sessions[session.id] = session
        self.refresh_hashes[session.id] = refresh_hash

    async def rotate(
        self, session_id: SessionId, old: bytes, new: bytes, now: Millis, expires_at: Millis
    ) -> Session:
        session = self.sessions.get(session_id)
        if session is None:
            raise TokenInvalid
        if session.revoked_at is not None or self.refresh_hashes[session_id] != old:
            await self.revoke(session_id, now)
            raise SessionRevoked
        self.refresh_hashes[session_id] = new
        return session

    async def session(self, session_id: SessionId) -> Session | None:
        return self.sessions.get(session_id)

    async def revoke(self, session_id: SessionId, now: Millis) -> None:
        if session_id in self.sessions:
            self.sessions[session_id] = replace(self.sessions[session_id], revoked_at=now)
