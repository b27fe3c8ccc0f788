"""The app on a phone: an outbox, and what it holds of one conversation; its library runs in a program."""

import uuid
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

from tests.services.dialogue import Dialogue
from tests.wire.account import Account

KEEP_WHAT_IS_OFFLINE = {"sio48", "sio44", "sio40", "sio31", "java", "dart"}
"""Libraries that send on connect what was emitted before."""
STALE = {"swift"}
"""Libraries that connect with the payload of their first connect again."""
FOR_EVER_MS = 600_000
"""An answer is waited for until the connection is lost."""

_ids = count()


class App:
    """One phone. `later(seconds, do)` does something in some time.

    Attributes:
        acked: messages that were acked, each counted once.
        heard: seqs in the order in which they were told.
        errors: codes of refused connects, or what the library said of others.
        refused: codes with which sends were refused for good.
    """

    def __init__(
        self,
        name: str,
        program: Dialogue,
        library: str,
        transports: list[str],
        account: Account,
        conversation: dict[str, Any],
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self.name, self.library, self.transports, self.account = name, library, transports, account
        self.conversation: str = conversation["id"]
        self._revision: int = conversation["revision"]
        self._program, self._later = program, later
        self._outbox: dict[str, dict[str, str]] = {}
        self._kept: set[str] = set()
        self._waiting: dict[int, Callable[[Any], None]] = {}
        self._syncing = self._again = False
        self.connected = False
        self.transport = ""
        self.written = self.acked = self.connects = self.large = self.refreshed = 0
        self.heard: list[int] = []
        self.errors: list[str] = []
        self.refused: list[str] = []
        self.reasons: list[str] = []
        self.last: deque[str] = deque(maxlen=8)

    def order(self, **order: Any) -> None:
        """Have the library do something."""
        self._program.send({"phone": self.name, **order})

    def open(self, url: str, token: str) -> None:
        """It connects when told."""
        self.order(
            do="open", url=url, token=token, transports=self.transports, wait=True, library=self.library
        )

    def connect(self, token: str) -> None:
        """Connect, with this token."""
        self.order(do="token", token=token)
        self.order(do="connect")

    def write(self, *bodies: str) -> None:
        """The user presses send."""
        for body in bodies:
            key = str(uuid.uuid4())
            self._outbox[key] = {
                "conversation_id": self.conversation, "client_message_id": key, "body": body
            }  # fmt: skip
            self.written += 1
            if not self.connected:
                self._kept.add(key)
            self._send(key)

    def send_large(self, size: int) -> None:
        """One packet of that size, which is answered."""

        def answered(answer: Any) -> None:
            self.large += answer["ok"]

        self._emit("sync", {"known": {"x" * size: 1}}, answered)

    def fetch(self) -> None:
        """Fetch the conversation as a fresh install does."""
        self._revision = 0
        self._sync()

    def is_well(self, page: int) -> bool:
        """Whether all is acked, and heard once, in order; who fell far behind was told the newest page."""
        oldest = self.heard[0] if self.heard else 1
        return bool(
            self.connected
            and not self._syncing
            and not self._outbox
            and self.acked == self.written
            and self.heard == list(range(oldest, self.written + 1))
            and len(self.heard) >= min(page, self.written)
        )

    def tell(self) -> str:
        """What it has come to, for whoever looks for a fault."""
        return (
            f"connected {self.connected} ({self.connects} times, {self.transport}), acked {self.acked} of"
            f" {self.written}, heard {self.heard[:1]}...{self.heard[-1:]}, {len(self._waiting)} unanswered,"
            f" syncing {self._syncing}, refreshed {self.refreshed}, errors {self.errors[-3:]}, ends"
            f" {self.reasons[-3:]}, said {self.last}"
        )

    def take(self, line: dict[str, Any]) -> None:
        """What the library said."""
        self.last.append(str(line)[:200])
        if "ack" in line:
            answered = self._waiting.pop(line["ack"], None)
            if answered is not None and line.get("payload") is not None:
                answered(line["payload"])
        elif "event" in line:
            self._hear(line["event"], line["payload"])
        else:
            getattr(self, f"_on_{line['state']}")(line.get("payload"))

    def _on_transport(self, name: str) -> None:
        self.transport = name

    def _on_connect(self, _: Any) -> None:
        self.connected, self.connects = True, self.connects + 1
        for key in self._outbox:
            if not (key in self._kept and self.library in KEEP_WHAT_IS_OFFLINE):
                self._send(key)
        self._sync()

    def _on_connect_error(self, error: dict[str, Any]) -> None:
        self.errors.append((error.get("data") or {}).get("code") or error["message"])

    def _on_disconnect(self, why: dict[str, Any]) -> None:
        self.connected = self._syncing = self._again = False
        self.reasons.append(why["reason"])
        self._kept.clear()
        self._waiting.clear()

    def _hear(self, event: str, payload: Any) -> None:
        if event == "auth:expiring":
            self._emit("auth:refresh", {"token": self.account.token}, self._refreshed)
        elif payload.get("conversation_id") == self.conversation:
            self._apply(payload)

    def _refreshed(self, answer: Any) -> None:
        assert answer["ok"], answer
        self.refreshed += 1
        if self.library not in STALE:
            self.order(do="token", token=self.account.token)
        for key in self._outbox:  # what was refused meanwhile
            self._send(key)
        self._sync()

    def _emit(self, event: str, payload: Any, answered: Callable[[Any], None]) -> None:
        id_ = next(_ids)
        self._waiting[id_] = answered
        self.order(do="emit", id=id_, event=event, payload=payload, timeout_ms=FOR_EVER_MS)

    def _send(self, key: str) -> None:
        message = self._outbox.get(key)
        if message is not None:
            self._emit("message:send", message, lambda answer: self._sent(key, answer))

    def _sent(self, key: str, answer: Any) -> None:
        if answer["ok"]:
            if self._outbox.pop(key, None) is not None:
                self.acked += 1
        elif answer["error"]["retryable"]:
            self._later(pause_s(answer["error"]), lambda: self._send(key) if self.connected else None)
        elif answer["error"]["code"] != "token_expired":
            self.refused.append(answer["error"]["code"])

    def _sync(self) -> None:
        if self._syncing:
            self._again = True  # what is asked already may be answered from before
        elif self.connected:
            self._syncing = True
            self._emit("sync", {"known": {self.conversation: self._revision}}, self._synced)

    def _synced(self, answer: Any) -> None:
        self._syncing = False
        if answer["ok"]:
            for delta in answer["data"]["conversations"]:
                self._apply(delta)
            self._again |= answer["data"]["more"]
        elif answer["error"]["retryable"]:
            self._later(pause_s(answer["error"]), self._sync)
        if self._again:
            self._again = False
            self._sync()

    def _apply(self, delta: dict[str, Any]) -> None:
        if delta["conversation_id"] != self.conversation or delta["revision"] <= self._revision:
            return
        if delta["since"] > self._revision:
            self._sync()
            return
        if delta["since"] == 0:
            self.heard = []
        # A delta that begins before what is held tells some of it again, as the protocol has it.
        last = self.heard[-1] if self.heard else 0
        self.heard += [it["seq"] for it in delta.get("messages", ()) if it["seq"] > last]
        self._revision = delta["revision"]


def pause_s(error: dict[str, Any]) -> float:
    """How long to wait with what may be tried again."""
    return (error.get("retry_after_ms") or 500) / 1000
