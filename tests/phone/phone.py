"""The driver: a connection kept up, and the store kept true over it."""

import asyncio
import contextlib
import random
from collections.abc import Coroutine, Sequence
from typing import Any

import httpx2

from gochat.contract import shapes
from tests.phone.connection import ACK_TIMEOUT_S, Connection, LostError, RefusedError
from tests.phone.outbox import Draft, Outbox
from tests.phone.store import Store

BACKOFF_S = (0.1, 2.0)
RETRY_S = 0.2
STATUS_MAX = 100
TOO_LARGE = {"code": "payload_too_large", "retryable": False}
"""What the phone says itself, in the server's place."""
NO_DELTAS = {
    "typing:changed",
    "auth:expiring",
    "session:revoked",
    "server:draining",
    "me:changed",
    "user:updated",
}


class Phone:
    """One app of one user. `start` brings it online and keeps it there; `stop` is airplane mode.

    Args:
        urls: servers of one deployment, tried at random, as a load balancer would.
        tokens: the answer to register or login.
        in_order: whether the outbox sends one at a time in each conversation.
    """

    def __init__(self, urls: Sequence[str], tokens: shapes.Tokens, *, in_order: bool = True) -> None:
        self.urls = list(urls)
        self.tokens = tokens
        self.store = Store(tokens["user"]["id"])
        self.outbox = Outbox(in_order=in_order)
        self.synced = asyncio.Event()
        """Set while it is online and nothing is known to be missing."""
        self._connection: Connection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None
        self._work = asyncio.Event()
        self._unsynced = False
        self._behind: set[str] = set()
        self._unsure = True

    # ---- what happens to it; a test may look on

    def on_connect(self) -> None:
        """It connects; nothing was heard on this connection yet."""

    def on_send(self, draft: Draft) -> None:
        """A draft is emitted, for the first time or again."""

    def on_ack(self, draft: Draft, message: shapes.Message, *, duplicate: bool) -> None:
        """A draft is stored."""

    def on_refusal(self, draft: Draft, error: dict[str, Any]) -> None:
        """A draft was refused for good."""

    def on_delta(self, delta: shapes.Delta, *, live: bool) -> None:
        """A delta came; the store takes it in after this."""

    # ---- what the user does

    def send(self, draft: Draft) -> None:
        """Put a message into the outbox; it goes when it can."""
        self.outbox.add(draft)
        self._flush()

    async def call(self, event: str, payload: dict[str, Any]) -> Any:
        """Emit an event; return the `data` of its ack.

        Raises:
            RefusedError, LostError
        """
        if self._connection is None:
            raise LostError
        return await self._connection.call(event, payload)

    def resync(self) -> None:
        """Pull down to refresh: `synced` is set again when it is done."""
        self._unsynced = True
        self.synced.clear()
        self._work.set()

    # ---- its life

    @property
    def online(self) -> bool:
        """Whether it is to be online."""
        return self._running is not None

    def start(self) -> None:
        """Go online."""
        self._running = asyncio.create_task(self._run())

    async def stop(self, *, killed: bool = False) -> None:
        """Go offline; the store and the outbox stay. `killed`: what was in flight is no longer known."""
        running, self._running = self._running, None
        self._unsure |= killed
        if running is not None:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def _run(self) -> None:
        """Connect, again and again, until cancelled."""
        pause = BACKOFF_S[0]
        while True:
            try:
                if await self._session():
                    pause = BACKOFF_S[0]
            finally:
                await self._hang_up()
            await asyncio.sleep(random.uniform(0.5, 1.0) * pause)
            pause = min(2 * pause, BACKOFF_S[1])

    async def _session(self) -> bool:
        """One connection from its beginning to its end; tell whether it came to be."""
        self.on_connect()
        connection = self._connection = Connection(self._hear)
        try:
            await connection.open(random.choice(self.urls), self.tokens["access_token"])
        except LostError:
            return False
        except RefusedError as refusal:
            if refusal.code in {"token_expired", "token_invalid"}:
                await self._fetch_tokens()
            return False
        self.resync()
        self._spawn(self._tend())
        await connection.closed.wait()
        return True

    async def _hang_up(self) -> None:
        self.synced.clear()
        connection, self._connection = self._connection, None
        self.outbox.lose()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if connection is not None:
            await connection.close()

    # ---- what it hears

    def _hear(self, event: str, payload: Any) -> None:
        if event == "me:changed":
            if not self.store.apply_me(payload):
                self.resync()
            self._ask(self.store.uncounted)
        elif event == "auth:expiring":
            self._spawn(self._refresh())
        elif event not in NO_DELTAS and "revision" in payload:
            self._apply(payload, live=True)

    def _apply(self, delta: shapes.Delta, *, live: bool) -> None:
        self.on_delta(delta, live=live)
        if not self.store.apply(delta):
            self._ask({delta["conversation_id"]})

    def _ask(self, behind: set[str]) -> None:
        if behind:
            self._behind |= behind
            self.synced.clear()
            self._work.set()

    # ---- what it asks

    async def _tend(self) -> None:
        """Fetch what is missing, one thing after the other, as long as the connection lives."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self._settle()
                self._flush()
                if self._unsynced:
                    self._unsynced = False
                    await self._sync()
                while self._behind:
                    await self._join(next(iter(self._behind)))
            except LostError:
                self._unsynced = True
            except RefusedError as refusal:
                self._unsynced = True
                await asyncio.sleep(_pause(refusal))
            if self._unsynced:
                self._work.set()
                await asyncio.sleep(RETRY_S)
            elif not self._work.is_set():
                self.synced.set()

    async def _sync(self) -> None:
        cursor = None
        position, whole = self.store.position, True
        while True:
            request: dict[str, Any] = {"me": self.store.me, "epoch": self.store.epoch, "cursor": cursor}
            request |= {"known": self.store.known} if position is None else {"position": position}
            try:
                answer = await self.call("sync", request)
            except RefusedError as refusal:
                if refusal.code != "position_lost":
                    raise
                cursor = position = self.store.position = None
                continue
            for delta in answer["conversations"]:
                self.on_delta(delta, live=False)
            behind = self.store.apply_sync(answer)
            whole &= not behind
            self._behind |= behind
            self.outbox.max_payload = answer["max_payload"]
            cursor = answer["cursor"]
            if not answer["more"]:
                if whole:
                    self.store.position = answer["position"]
                return

    async def _join(self, conversation_id: str) -> None:
        mine = self.store.revision(conversation_id)
        self._behind.discard(conversation_id)
        try:
            delta = await self.call(
                "conversation:join", {"conversation_id": conversation_id, "revision": mine}
            )
        except LostError:
            self._behind.add(conversation_id)
            raise
        except RefusedError as refusal:
            if refusal.code != "not_found":
                self._behind.add(conversation_id)
                raise
            if self.store.revision(conversation_id) == mine:
                self.store.drop(conversation_id)
        else:
            self._apply(delta, live=False)

    async def _settle(self) -> None:
        """After the app was killed: what became of what was in flight?"""
        if not self._unsure:
            return
        keys = self.outbox.keys
        while keys:
            asked = keys[:STATUS_MAX]
            answer = await self.call("messages:status", {"client_message_ids": asked})
            keys = [key for key in keys if key not in answer["messages"]]
            for key, message in answer["messages"].items():
                if message is not None:
                    self._stored(key, message, duplicate=True)
        self._unsure = False

    def _flush(self) -> None:
        if self._connection is not None and not self._unsure:
            for draft in self.outbox.give_up():
                self.on_refusal(draft, TOO_LARGE)
            for draft in self.outbox.take():
                self._spawn(self._send(draft))

    async def _send(self, draft: Draft) -> None:
        pause = 0.0
        self.on_send(draft)
        try:
            answer = await self.call("message:send", draft.payload)
        except LostError:
            pause = RETRY_S
        except RefusedError as refusal:
            pause = _pause(refusal)
            if not refusal.error["retryable"]:
                self.outbox.settle(draft.key)
                self.on_refusal(draft, refusal.error)
        else:
            self._stored(draft.key, answer["message"], duplicate=answer["duplicate"])
        finally:
            self.outbox.postpone(draft.key)
        if pause:
            await asyncio.sleep(pause)
        self._flush()

    def _stored(self, key: str, message: shapes.Message, *, duplicate: bool) -> None:
        draft = self.outbox.settle(key)
        self.store.keep(message)
        if draft is not None:
            self.on_ack(draft, message, duplicate=duplicate)

    # ---- its tokens

    async def _fetch_tokens(self) -> None:
        """Exchange the refresh token; what fails is tried again with the next connection."""
        body = {"refresh_token": self.tokens["refresh_token"]}
        with contextlib.suppress(httpx2.HTTPError):
            async with httpx2.AsyncClient(timeout=ACK_TIMEOUT_S) as http:
                response = await http.post(f"{random.choice(self.urls)}/api/v1/auth/refresh", json=body)
            if response.status_code == httpx2.codes.OK:
                self.tokens = response.json()

    async def _refresh(self) -> None:
        """`auth:expiring`: a fresh token for this connection. If that fails, the next one gets it."""
        await self._fetch_tokens()
        with contextlib.suppress(LostError, RefusedError):
            await self.call("auth:refresh", {"token": self.tokens["access_token"]})

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _pause(refusal: RefusedError) -> float:
    """Seconds until it may be tried again."""
    return float(refusal.error.get("retry_after_ms", 1_000 * RETRY_S)) / 1_000
