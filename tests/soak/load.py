"""Users who chat: they write, edit, delete, read, come and go, retry, and lose their connections."""

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import httpx2

from gochat.contract import shapes
from gochat.core.limits import Limits
from tests.phone.connection import LostError, RefusedError
from tests.phone.outbox import Draft
from tests.phone.phone import Phone
from tests.phone.store import Conversation
from tests.soak.journal import HALF, Chain, Journal, Sending

API = "/api/v1"
OUTBOX_MAX = 30
CONVERSATIONS_MAX = 12
LEAST_MEMBERS = 3
BLOCKED_S = 0.5
SHOWN_MEMBERS = Limits().shown_members
REFUSALS = {
    "not_found", "forbidden", "message_deleted", "unavailable", "overloaded", "token_expired", "rate_limited"
}  # fmt: skip
"""How an event of the load may be refused."""


class Witness(Phone):
    """A phone that writes down what happens to it."""

    def __init__(
        self, urls: Sequence[str], tokens: shapes.Tokens, journal: Journal, *, in_order: bool = True
    ) -> None:
        super().__init__(urls, tokens, in_order=in_order)
        self.in_order = in_order
        self._journal = journal
        self._chain = Chain(journal, self.store.user_id)

    def on_connect(self) -> None:
        self._chain = Chain(self._journal, self.store.user_id)

    def on_send(self, draft: Draft) -> None:
        self._journal.sends(draft.key)

    def on_ack(self, draft: Draft, message: shapes.Message, *, duplicate: bool) -> None:
        self._journal.acks(draft.key, message, duplicate=duplicate)

    def on_refusal(self, draft: Draft, error: dict[str, Any]) -> None:
        self._journal.refuses(draft.key, error["code"])

    def on_delta(self, delta: shapes.Delta, *, live: bool) -> None:
        self._journal.hears(self.store.user_id, delta)
        if live:
            self._chain.hears(delta)


class LongDraft(Draft):
    """A message over 32 KiB: other processes are told its numbers alone, and read it."""

    @property
    def payload(self) -> dict[str, object]:
        return super().payload | {"data": {"padding": "." * 4_000}}


class User:
    """One user at one phone, who does things at random.

    Args:
        pace: actions a second, on average.
        quiet: they hardly write, so that much stays unread.
        everyone: the ids of all users with a phone, themselves too.
        sleepers: the ids of users without one, who make one group so large that its members are not shown.
    """

    def __init__(
        self,
        phone: Witness,
        journal: Journal,
        rng: random.Random,
        everyone: Sequence[str],
        sleepers: Sequence[str],
        pace: float,
        *,
        quiet: bool,
    ) -> None:
        self.phone = phone
        self._journal = journal
        self._rng = rng
        self._everyone = everyone
        self._sleepers = sleepers
        self._pace = pace
        self._mine: list[Sending] = []
        self._blocks = True
        self._http = httpx2.AsyncClient(timeout=5)
        self._deeds: dict[Callable[[Conversation], Awaitable[None]], float] = {
            self._write: 3 if quiet else 100,
            self._write_half_an_emoji: 1,
            self._read: 8,
            self._deliver: 3,
            self._edit: 6,
            self._delete: 4,
            self._repeat: 3,
            self._write_over_rest: 0 if quiet else 2,
            self._ask_status: 1,
            self._remove: 1,
            self._add: 2,
            self._rename: 0.5,
            self._promote: 0.5,
            self._quit: 0.2,
            self._shake: 1,
            self._cross: 6,
            self._create: 0.3,
            self._block: 0.3,
            self._go_offline: 0.7,
        }

    async def live(self, enough: Callable[[], bool]) -> None:
        """Act until it is enough."""
        deeds, weights = list(self._deeds), list(self._deeds.values())
        while not enough():
            await asyncio.sleep(self._rng.expovariate(self._pace))
            held = list(self.phone.store.conversations.values())
            if not held:
                continue
            deed = self._rng.choices(deeds, weights)[0]
            try:
                await deed(self._rng.choice(held))
            except (LostError, httpx2.HTTPError):
                continue
            except RefusedError as refusal:
                if refusal.code not in REFUSALS:
                    self._journal.violation("refusal", f"{deed.__name__}: {refusal.error}")
        await self._http.aclose()

    # ---- messages

    async def _write(self, held: Conversation) -> None:
        if len(self.phone.outbox) < OUTBOX_MAX:
            for _ in range(self._rng.choice((1, 1, 1, 4))):
                self.speak(held.id)

    async def _write_half_an_emoji(self, held: Conversation) -> None:
        """A text that was cut where it must not be: it is refused, and nothing waits behind it."""
        if len(self.phone.outbox) < OUTBOX_MAX:
            draft = replace(self._draft(held.id), body=HALF)
            self._journal.writes(draft, self._id, in_order=self.phone.in_order)
            self.phone.send(draft)

    def speak(self, conversation_id: str, *, long: bool = False) -> None:
        """Write one message now."""
        draft = self._draft(conversation_id)
        if long:
            draft = LongDraft(draft.key, draft.conversation_id, draft.body + "👋" * 7_900)
        self._mine.append(self._journal.writes(draft, self._id, in_order=self.phone.in_order))
        self.phone.send(draft)

    def _draft(self, conversation_id: str) -> Draft:
        key = str(uuid.UUID(int=self._rng.getrandbits(128)))
        return Draft(key, conversation_id, f"{key[:8]} says 👋")

    async def _write_over_rest(self, held: Conversation) -> None:
        """Once or twice with the same key, at any server; then by the outbox, which settles it."""
        draft = self._draft(held.id)
        sending = self._journal.writes(draft, self._id, in_order=False)
        self._journal.sends(draft.key)
        for _ in range(self._rng.randint(0, 2)):
            await self._post(draft)
        self._mine.append(sending)
        self.phone.send(draft)

    async def _post(self, draft: Draft) -> None:
        """A send over REST; what it answers counts as an ack."""
        url = self._rng.choice(self.phone.urls) + f"{API}/messages"
        headers = {"Authorization": f"Bearer {self.phone.tokens['access_token']}"}
        try:
            response = await self._http.post(url, json=draft.payload, headers=headers)
        except httpx2.HTTPError:
            return
        if response.status_code == httpx2.codes.OK:
            answer = response.json()
            self._journal.acks(draft.key, answer["message"], duplicate=answer["duplicate"])

    async def _repeat(self, held: Conversation) -> None:
        """A retry of what was acked long ago: the same seq, on any server, by either way."""
        sending = self._of_mine(lambda it: it.seq is not None)
        if sending is None:
            return
        if self._rng.random() < 0.3:
            await self._post(sending.draft)
            return
        answer = await self.phone.call("message:send", sending.draft.payload)
        self._journal.acks(sending.draft.key, answer["message"], duplicate=answer["duplicate"])
        try:
            await self.phone.call("message:send", {**sending.draft.payload, "body": "something else"})
        except RefusedError as refusal:
            if refusal.code not in {"idempotency_conflict", "unavailable", "overloaded", "token_expired"}:
                raise
        else:
            self._journal.violation("ack", f"{sending.draft.key}: one key for two contents")

    async def _ask_status(self, held: Conversation) -> None:
        asked = {it.draft.key: it for it in self._mine[-50:]}
        acked = {key for key, it in asked.items() if it.seq is not None}
        if not asked:
            return
        answer = await self.phone.call("messages:status", {"client_message_ids": list(asked)})
        for key in acked & answer["messages"].keys():
            message = answer["messages"][key]
            if message is None or message["seq"] != asked[key].seq:
                self._journal.violation("status", f"{key}: acked as {asked[key].seq}, now {message}")

    async def _edit(self, held: Conversation) -> None:
        sending = self._of_mine(lambda it: it.seq is not None and it.acked_body is not None)
        if sending is None:
            return
        body = f"edited {self._rng.getrandbits(32):x}"
        await self._change(sending, "message:edit", body)

    async def _delete(self, held: Conversation) -> None:
        sending = self._of_mine(lambda it: it.seq is not None)
        if sending is not None:
            await self._change(sending, "message:delete", None)

    async def _change(self, sending: Sending, event: str, body: str | None) -> None:
        payload = {"conversation_id": sending.draft.conversation_id, "seq": sending.seq}
        try:
            await self.phone.call(event, payload if body is None else payload | {"body": body})
        except LostError:
            sending.maybe.add(body)
            raise
        except RefusedError as refusal:
            if refusal.error["retryable"]:
                sending.maybe.add(body)
            raise
        sending.acked_body = body

    def _of_mine(self, fits: Callable[[Sending], bool]) -> Sending | None:
        """One of the newest of their own messages that fits."""
        fitting = [sending for sending in self._mine[-200:] if fits(sending)]
        return self._rng.choice(fitting) if fitting else None

    # ---- receipts

    async def _read(self, held: Conversation) -> None:
        await self._receive(held, "receipt:read")

    async def _deliver(self, held: Conversation) -> None:
        await self._receive(held, "receipt:delivered")

    async def _receive(self, held: Conversation, event: str) -> None:
        """Up to the newest, or to an older one: that must not move anything back."""
        seq = held.last_seq if self._rng.random() < 0.7 else self._rng.randint(0, held.last_seq)
        before = held.read_seq
        answer = await self.phone.call(event, {"conversation_id": held.id, "seq": seq})
        wanted = max(before, seq if event == "receipt:read" else 0)
        if answer["read_seq"] < wanted:
            self._journal.violation("receipts", f"{held.id}: {event} {seq} after {before}: {answer}")

    # ---- members

    async def _remove(self, held: Conversation) -> None:
        others = [user_id for user_id in held.members if user_id != self._id]
        if self._may_manage(held) and len(others) >= LEAST_MEMBERS:
            await self._manage("member:remove", held, user_id=self._rng.choice(others))

    async def _add(self, held: Conversation) -> None:
        strangers = [user_id for user_id in self._everyone if user_id not in held.members]
        if self._may_manage(held) and strangers:
            await self._manage("member:add", held, user_ids=[self._rng.choice(strangers)])

    async def _shake(self, held: Conversation) -> None:
        """All in one breath: what is long, what is old, and someone out and in again, with words between."""
        people = [user_id for user_id in held.members if user_id != self._id and user_id in self._everyone]
        if not self._may_manage(held) or len(people) < LEAST_MEMBERS or len(self.phone.outbox) >= OUTBOX_MAX:
            return
        who = self._rng.choice(people)
        old = next((it for it in self._mine if it.seq and it.acked_body and _is_in(held, it)), None)
        self.speak(held.id, long=True)
        deeds = [self._manage("member:remove", held, user_id=who)]
        if old is not None:
            deeds.insert(0, self._change(old, "message:edit", f"edited {self._rng.getrandbits(32):x}"))
        for deed in (
            lambda: asyncio.gather(*deeds),
            partial(self._manage, "member:add", held, user_ids=[who]),
        ):
            task = asyncio.ensure_future(deed())
            await asyncio.sleep(0)  # it is emitted
            self.speak(held.id)
            await task

    async def _cross(self, held: Conversation) -> None:
        """Over the number of members up to which they are shown, and back: in the one group of so many."""
        crowd = self._crowd
        if not self._may_manage(crowd):
            return
        if self._role(crowd) == "owner" and self._rng.random() < 0.3:
            await self._manage("member:role", crowd, user_id=self._rng.choice(self._everyone), role="admin")
        strangers = [user_id for user_id in self._sleepers if user_id not in crowd.members]
        if _size(crowd) <= SHOWN_MEMBERS:
            many = SHOWN_MEMBERS + 2 - _size(crowd)
            await self._manage("member:add", crowd, user_ids=strangers[:many])
        else:
            await self.bring_down()

    async def bring_down(self) -> None:
        """See to it that the members of the largest group are shown, if it is this user's to do."""
        while _size(crowd := self._crowd) > SHOWN_MEMBERS and self._may_manage(crowd):
            try:
                await self._manage("member:remove", crowd, user_id=self._rng.choice(self._sleepers))
            except RefusedError as refusal:
                if refusal.code != "not_found":  # not every sleeper is in
                    raise

    @property
    def _crowd(self) -> Conversation:
        return max(self.phone.store.conversations.values(), key=_size)

    async def _quit(self, held: Conversation) -> None:
        if held.own["kind"] == "group" and len(held.members) > LEAST_MEMBERS:
            await self._manage("member:remove", held, user_id=self._id)

    async def _rename(self, held: Conversation) -> None:
        if self._may_manage(held):
            await self._manage("conversation:update", held, title=f"{self._rng.getrandbits(32):x}")

    async def _promote(self, held: Conversation) -> None:
        others = [user_id for user_id in held.members if user_id != self._id and user_id in self._everyone]
        if self._role(held) == "owner" and others:
            role = self._rng.choice(("admin", "member", "owner"))
            await self._manage("member:role", held, user_id=self._rng.choice(others), role=role)

    async def _create(self, held: Conversation) -> None:
        if len(self.phone.store.conversations) >= CONVERSATIONS_MAX:
            return
        others = [user_id for user_id in self._rng.sample(self._everyone, 5) if user_id != self._id]
        history = self._rng.choice(("from_start", "from_joining"))
        await self.phone.call(
            "conversation:create", {"kind": "group", "member_ids": others, "history": history}
        )

    async def _block(self, held: Conversation) -> None:
        """For a moment: what is first sent meanwhile is not stored."""
        if held.own["kind"] != "direct" or not self._blocks:
            return
        (other,) = [user_id for user_id in held.members if user_id != self._id]
        self._journal.closed.add(held.id)
        if await self._ask_for_block("PUT", json={"user_id": other}):
            since = time.monotonic()
            await asyncio.sleep(BLOCKED_S)
            self._journal.blocked(held.id, since, time.monotonic())
        while not await self._ask_for_block("DELETE", params={"user_id": other}):
            self._blocks = False  # what was not answered may still be done, at any time
            await asyncio.sleep(1)

    async def _ask_for_block(self, method: str, **what: Any) -> bool:
        url = self._rng.choice(self.phone.urls) + f"{API}/me/blocks"
        headers = {"Authorization": f"Bearer {self.phone.tokens['access_token']}"}
        try:
            response = await self._http.request(method, url, headers=headers, **what)
        except httpx2.HTTPError:
            return False
        return response.status_code == httpx2.codes.OK

    async def _manage(self, event: str, held: Conversation, **what: object) -> None:
        await self.phone.call(event, {"conversation_id": held.id, **what})

    def _may_manage(self, held: Conversation) -> bool:
        return held.own["kind"] == "group" and self._role(held) in {"owner", "admin"}

    def _role(self, held: Conversation) -> str:
        row = held.members.get(self._id)
        return "" if row is None else row["role"]

    @property
    def _id(self) -> str:
        return self.phone.store.user_id

    # ---- connections

    async def _go_offline(self, held: Conversation) -> None:
        await self.phone.stop(killed=self._rng.random() < 0.5)
        await asyncio.sleep(self._rng.uniform(0.1, 4.0))
        self.phone.start()


def _is_in(held: Conversation, sending: Sending) -> bool:
    return sending.draft.conversation_id == held.id


def _size(held: Conversation) -> int:
    return int(str(held.own["member_count"]))
