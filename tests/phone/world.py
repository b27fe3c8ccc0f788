"""Real storage under phones on a network that loses, repeats and reorders whatever it is given."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gochat.contract import shapes
from gochat.contract.cursor import Cursors
from gochat.contract.decode import sync_in
from gochat.contract.encode import delta_out, me_delta_out, message_out, sync_out
from gochat.contract.ids import id_in, id_out
from gochat.contract.requests import Sync
from gochat.core.command import AnyCommand
from gochat.core.delta import Change, Committed, Delta
from gochat.core.errors import ChatError, NotFound, PositionLost
from gochat.core.limits import Limits
from gochat.core.model import ConversationId, SessionId, User, UserId
from gochat.core.ports.accounts import Account
from gochat.ids import new_id
from gochat.storage.accounts import StoredAccounts
from gochat.storage.database import Database
from gochat.storage.engines import write_engine
from gochat.storage.epoch import EpochGuard
from gochat.storage.migrate import upgrade
from gochat.storage.reader import ConversationReader
from gochat.storage.writer import ConversationWriter
from tests.phone.store import Store

CURSORS = Cursors([b"k" * 32])


@dataclass
class Line:
    """A user's phone, and what is on its way to it: each is applied when it arrives."""

    user_id: UserId
    store: Store
    arriving: list[Callable[[], None]] = field(default_factory=list)
    behind: set[str] = field(default_factory=set)
    cursor: str | None = None

    def hear(self, delta: shapes.Delta) -> None:
        if not self.store.apply(delta):
            self.behind.add(delta["conversation_id"])

    def hear_me(self, delta: shapes.MeDelta) -> None:
        self.store.apply_me(delta)
        self.behind |= self.store.uncounted


class World:
    """Real storage under phones. It publishes as the events face does, without any guarantee."""

    def __init__(self, url: str, limits: Limits) -> None:
        upgrade(url)
        self._runner = asyncio.Runner()
        self._database = Database(url, pool_size=2)
        self._accounts = StoredAccounts(self._database)
        self._writer = ConversationWriter(write_engine(url), self, limits, EpochGuard())
        self.reader = ConversationReader(self._database, limits)
        self._online: dict[UserId, Line] = {}
        self._members: dict[ConversationId, dict[UserId, int | None]] = {}
        """From which seq on each sees it; None: they are told apart, and have to ask."""
        self._runner.run(self._start())

    async def _start(self) -> None:
        self._writer.start()

    def close(self) -> None:
        self._runner.run(self._writer.stop())
        self._runner.run(self._database.close())
        self._runner.close()

    def run(self, work: Awaitable[Any]) -> Any:
        async def running() -> Any:
            return await work

        return self._runner.run(running())

    def people(self, count: int) -> list[Line]:
        """New users, each with a phone."""
        self._online, self._members = {}, {}
        for _ in range(count):
            user_id = new_id()
            account = Account(User(user_id, f"u{user_id:x}", "A user"), "no hash")
            self.run(self._accounts.create(account, 0))
            self._online[user_id] = Line(user_id, Store(id_out(user_id)))
        return list(self._online.values())

    def submit(self, *commands: AnyCommand) -> list[Any]:
        """Together, so that they may share a batch."""

        async def submitting() -> list[Any]:
            return await asyncio.gather(*map(self._writer.submit, commands), return_exceptions=True)

        answers: list[Any] = self.run(submitting())
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, ChatError):
                raise answer
        return answers

    def publish(self, committed: Committed) -> None:
        for change in committed.changes:
            self._spread(change)
        for me in committed.me:
            line = self._online[me.user_id]
            told = me_delta_out(me)
            line.arriving.append(partial(line.hear_me, told))

    def revoked(self, user_id: UserId, session_id: SessionId, code: str) -> None:
        raise AssertionError("no session is ended here")

    def _spread(self, change: Change) -> None:
        """A broadcast to the members, without what they may not see; to who left, that they did.

        Who is told apart, what only they may see, asks for it.
        """
        cid = change.delta.conversation_id
        members = self._members.setdefault(cid, {})
        members |= dict.fromkeys(change.joined, None if change.delta.since else 1)
        for user_id in change.left:
            del members[user_id]
            self._tell(user_id, {**_bare(change), "removed": True})
        for user_id, visible_from in members.items():
            if visible_from is None or user_id in change.theirs or change.to_read:
                line = self._online[user_id]
                line.arriving.append(partial(line.behind.add, id_out(cid)))
                continue
            told = delta_out(change.delta)
            if "messages" in told:
                told["messages"] = [it for it in told["messages"] if it["seq"] >= visible_from]
            self._tell(user_id, told)

    def _tell(self, user_id: UserId, delta: shapes.Delta) -> None:
        line = self._online[user_id]
        line.arriving.append(partial(line.hear, delta))

    def sync(
        self, line: Line, limit: int, cursor: str | None, position: str | None = None
    ) -> shapes.SyncAnswer:
        held = {"known": line.store.known} if position is None else {"position": position}
        asked = {"me": line.store.me, "epoch": line.store.epoch, "cursor": cursor, "limit": limit}
        request = Sync.model_validate(held | asked)
        page = self.run(self.reader.sync(line.user_id, sync_in(request, line.user_id, CURSORS)))
        return sync_out(page, line.user_id, CURSORS)

    def join(self, line: Line, cid: str) -> None:
        """Ask for what is missing; the answer is on its way then, and may be overtaken."""
        mine = line.store.revision(cid)
        line.behind.discard(cid)
        try:
            answer: Delta = self.run(self.reader.changes(line.user_id, id_in(cid), mine or None))
        except NotFound:
            if line.store.revision(cid) == mine:
                line.store.drop(cid)
        else:
            line.arriving.append(partial(line.hear, delta_out(answer)))
            if answer.me is not None and line.user_id in self._members.get(answer.conversation_id, {}):
                self._members[answer.conversation_id][line.user_id] = answer.me.visible_from_seq

    def sync_all(self, line: Line, limit: int) -> None:
        cursor, position, whole = None, line.store.position, True
        while True:
            try:
                answer = self.sync(line, limit, cursor, position)
            except PositionLost:
                cursor = position = None
                continue
            behind = line.store.apply_sync(answer)
            whole &= not behind
            line.behind |= behind
            cursor = answer["cursor"]
            if not answer["more"]:
                break
        if whole:
            line.store.position = answer["position"]
        while line.behind:
            self.join(line, next(iter(line.behind)))
            arrive(line)

    def history(self, user_id: UserId, cid: str) -> list[shapes.Message]:
        messages: list[shapes.Message] = []
        more = True
        while more:
            after = messages[-1]["seq"] if messages else 0
            page = self.run(self.reader.history(user_id, id_in(cid), after_seq=after, limit=100))
            messages += map(message_out, page.messages)
            more = page.has_more_after
        return messages


def arrive(line: Line) -> None:
    """All that is on its way arrives."""
    while line.arriving:
        line.arriving.pop(0)()


def _bare(change: Change) -> shapes.Delta:
    delta = change.delta
    return {
        "conversation_id": id_out(delta.conversation_id),
        "since": delta.since,
        "revision": delta.revision,
    }
