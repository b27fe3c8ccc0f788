"""Where the guarantees are tested: one process on SQLite, and two on MariaDB and Redis."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count

import httpx2
from sqlalchemy import insert

from gochat.contract.ids import id_out
from gochat.ids import new_id
from gochat.storage.engines import write_engine
from gochat.storage.tables import UserRow
from tests.contract.rest import operator
from tests.services.gochat import GoChatServer
from tests.wire.account import Account, register
from tests.wire.phone import Phone

_names = count()


@dataclass(frozen=True)
class Place:
    """`here` and `there` are two processes, or twice the same one."""

    here: GoChatServer
    there: GoChatServer
    http: httpx2.Client
    http_there: httpx2.Client
    database_url: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of both, but where the database is."""

    def operator(self, *command: str) -> str:
        """What `gochat` prints beside these servers."""
        return operator(self.database_url, *command, **self.settings)

    def user(self, name: str) -> Account:
        """A new user, with a session that both know."""
        return register(self.http, f"{name}.{next(_names)}")

    def users(self, *names: str) -> list[Account]:
        """Several."""
        return [self.user(name) for name in names]

    def at_there(self, account: Account) -> Account:
        """The same user, asking the other process."""
        return replace(account, http=self.http_there)

    def extras(self, count: int) -> list[str]:
        """The ids of users who are never there."""
        ids = sorted(new_id() for _ in range(count))
        rows = [
            {"id": it, "username": id_out(it), "display_name": "Extra", "password_hash": "none"} for it in ids
        ]
        engine = write_engine(self.database_url)
        with engine.connect() as connection:
            connection.execute(insert(UserRow), [{**row, "me_revision": 0, "created_at": 0} for row in rows])
        engine.dispose()
        return [id_out(it) for it in ids]

    @asynccontextmanager
    async def phones(self, *accounts: Account) -> AsyncIterator[list[Phone]]:
        """A phone of each, connected and synced: the first one here, the next there, and so on."""
        phones = [Phone(account.name) for account in accounts]
        servers = (self.here, self.there)
        try:
            for n, (phone, account) in enumerate(zip(phones, accounts, strict=True)):
                await phone.connect(servers[n % 2].url, account.token)
                await phone.expect_ok("sync", {})
            yield phones
        finally:
            await asyncio.gather(*(phone.close() for phone in phones))
