"""Record an example of each event, operation and error from a real run: `python -m tests.wire.recorded`.

It writes gochat/contract/examples.json, from which both documents are made. Ids, times, tokens and what else
differs from run to run are put in the same words each time, so a test can compare.
"""

import asyncio
import json
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import jwt

from gochat.contract.examples import PATH as EXAMPLES
from gochat.contract.routes import PREFIX, ROUTES
from tests.contract.rest import operator
from tests.services.gochat import GoChatServer
from tests.wire.phone import Phone

SECRET = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
SETTINGS = {
    "JWT_SECRET": SECRET,
    "ARGON2_MEMORY_KIB": "8192",
    "TERMS_VERSION": "1",
    "TERMS_URL": "https://chat.example.com/terms",
    "CONTACT": "help@chat.example.com",
    "RATES": "all=off,conversation:draft=1/60",
    "DRAIN_SECONDS": "1",
}
SAME = {
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.access",
    "refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.refresh",
    "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.access",
    "request_id": "5d0c6f3b9a1e4f27",
    "epoch": "0c8a5d1e7f2b4936",
    "cursor": "eyJhIjoxfQ",
    "position": "AQAAAAAAAAAB",
    "retry_after_ms": 1200,
    "expires_in_ms": 6000,
    "version": "0.1.0",
    "code_of_the_operator": "7KQ2-M4XD-9HTP",
}
"""What is said in place of values that no two runs share."""
PROTOCOL = Path(__file__).resolve().parents[2] / "docs/protocol.md"
CONNECT_S = 30
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ID = re.compile(r"\b[0-9a-f]{16}\b")
SYSTEM_KEY = re.compile(r"\b([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-(?=0000-[0-9a-f]{12}\b)")
"""The `client_message_id` of a message of the server's own: the conversation's id, then the seq."""
NAMES = ("ann", "ben", "cleo", "dora")


def key(number: int) -> str:
    """A UUID that an app made."""
    return str(UUID(int=number, version=4))


class Recording:
    """What was seen, each kind once: the first of it."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self.events: dict[str, Any] = {}
        self.told: dict[str, Any] = {}
        self.routes: dict[str, Any] = {}
        self.errors: dict[str, Any] = {}

    @property
    def whole(self) -> dict[str, Any]:
        parts = {"events": self.events, "told": self.told, "routes": self.routes, "errors": self.errors}
        return {name: dict(sorted(part.items())) for name, part in parts.items()}

    def plain(self, value: Any, name: str = "") -> Any:
        """The same without what differs from run to run."""
        if value is not None and name in SAME and not isinstance(value, dict):
            return SAME[name]
        if isinstance(value, dict):
            return {self._id(key): self.plain(part, key) for key, part in value.items()}
        if isinstance(value, list):
            return [self.plain(part) for part in value]
        if isinstance(value, str):
            return self._id(TIME.sub("2026-03-01T09:30:00.000Z", value))
        return value

    def _id(self, text: str) -> str:
        text = SYSTEM_KEY.sub(self._system_key, text)
        return ID.sub(lambda it: self._same(it[0]), text)

    def _system_key(self, found: re.Match[str]) -> str:
        number = self._same("".join(found.groups()))
        return f"{number[:8]}-{number[8:12]}-{number[12:]}-"

    def _same(self, number: str) -> str:
        return self._ids.setdefault(number, f"34450000{len(self._ids) + 1:08x}")

    def error(self, error: Mapping[str, Any]) -> None:
        """One that an ack, a refusal of a connection or an answer of REST told."""
        named = {name: part for name, part in error.items() if name not in {"type", "title", "status"}}
        self.errors.setdefault(error["code"], self.plain(named))


class Scene:
    """The users, their phones, and a server that is asked everything once."""

    def __init__(self, server: GoChatServer, recording: Recording) -> None:
        self.server, self.seen = server, recording
        self.http = httpx2.Client(base_url=server.url, timeout=30)
        self.tokens: dict[str, dict[str, Any]] = {}

    def id(self, name: str) -> str:
        return str(self.tokens[name]["user"]["id"])

    def ask(
        self, name: str, who: str | None = None, body: object = None, *, again: bool = False, **query: Any
    ) -> Any:
        """Ask a route; `again`: what it says is no example. Names of the path are taken from the query."""
        route = next(it for it in ROUTES if it.name == name)
        path = re.sub("{(.*?)}", lambda it: str(query.pop(it[1])), route.path)
        token = self.tokens[who]["access_token"] if who in self.tokens else who
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        given: dict[str, Any] = {} if body is None else {"json": body}
        response = self.http.request(route.method, PREFIX + path, params=query, headers=headers, **given)
        answer = json.loads(response.text.splitlines()[0]) if route.lines else response.json()
        if not response.is_success:
            self.seen.error(answer)
        elif not again and name not in self.seen.routes:
            asked = {"query": query or None, "request": body}
            shown = {it: part for it, part in asked.items() if part is not None} | {"answer": answer}
            self.seen.routes[name] = self.seen.plain(shown)
        return answer

    async def emit(self, phone: Phone, event: str, payload: Any) -> Any:
        """Emit an event; return the data of its ack."""
        ack = await phone.emit(event, payload)
        if not ack["ok"]:
            self.seen.error(ack["error"])
            return ack
        if event not in self.seen.events:
            self.seen.events[event] = {"request": self.seen.plain(payload), "ack": self.seen.plain(ack)}
        return ack["data"]

    async def told(self, phone: Phone, event: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """Wait for an event; it is an example."""
        payload = await phone.expect_event(event, wanted)
        self.seen.told.setdefault(event, self.seen.plain(payload))
        return payload

    async def phone(self, name: str, token: str | None = None) -> Phone:
        phone = Phone(name, reconnection=False)
        await phone.connect(
            self.server.url, token or self.tokens[name]["access_token"], wait_timeout=CONNECT_S
        )
        return phone

    # ---- the run

    async def run(self) -> None:
        self.accounts()
        ann, ben = await self.phone("ann"), await self.phone("ben")
        try:
            for phone in (ann, ben):
                await phone.expect_ok("sync", {})
            await self.talk(ann, ben)
            await self.groups(ann, ben)
            await self.refusals(ann)
            self.rest()
            await self.ends(ann, ben)
        finally:
            for phone in (ann, ben):
                await phone.close()
            self.http.close()

    def accounts(self) -> None:
        for name in NAMES:
            account = {"username": name, "password": f"secret-of-{name}", "display_name": name.title()}
            number = {"phone": f"+4930123456{len(name)}"} if name in {"ann", "cleo"} else {}
            self.tokens[name] = self.ask("register", None, account | number)
        device = {"name": "Ann's phone", "platform": "android", "installation_id": key(1)}
        login = {"username": "ann", "password": "secret-of-ann", "device": device}
        self.tokens["ann"] = self.ask("login", None, login)
        refresh = {"refresh_token": self.tokens["ann"]["refresh_token"]}
        self.tokens["ann"] = self.ask("refresh", None, refresh)
        self.ask("terms")
        for name in NAMES:
            self.ask("accept_terms", name, {"version": "1"})
        self.ask("update_me", "cleo", {"discoverable_by_phone": True, "about": "At the lake"})

    async def talk(self, ann: Phone, ben: Phone) -> None:
        emit, told = self.emit, self.told
        made = await emit(ann, "conversation:create", {"kind": "direct", "member_ids": [self.id("ben")]})
        cid = self.cid = made["conversation"]["id"]
        await told(ben, "conversation:created")
        await emit(ben, "conversation:join", {"conversation_id": cid})
        await emit(ann, "typing:start", {"conversation_id": cid})
        await told(ben, "typing:changed")
        await emit(ann, "typing:stop", {"conversation_id": cid})
        hello = {"conversation_id": cid, "client_message_id": key(2), "body": "Hello 👋"}
        await emit(ann, "message:send", hello)
        await told(ben, "message:created")
        await emit(ann, "messages:status", {"client_message_ids": [key(2), key(3)]})
        await emit(ben, "receipt:delivered", {"conversation_id": cid, "seq": 1})
        await emit(ben, "receipt:read", {"conversation_id": cid, "seq": 1})
        await told(ann, "receipt:advanced")
        await emit(ann, "message:edit", {"conversation_id": cid, "seq": 1, "body": "Hello, Ben 👋"})
        await told(ben, "message:edited")
        await emit(ben, "message:react", {"conversation_id": cid, "seq": 1, "emoji": "👍", "on": True})
        await told(ann, "message:reacted")
        await emit(ann, "message:pin", {"conversation_id": cid, "seq": 1, "on": True})
        reply = {"conversation_id": cid, "client_message_id": key(4), "body": "Oops", "reply_to_seq": 1}
        await emit(ben, "message:send", reply)
        await emit(ben, "message:delete", {"conversation_id": cid, "seq": 2})
        await told(ann, "message:deleted")
        await emit(ann, "presence:watch", {"user_ids": [self.id("ben"), self.id("cleo")]})
        cleo = await self.phone("cleo")
        group = {"kind": "group", "member_ids": [self.id("cleo")], "client_conversation_id": key(5)}
        await emit(ann, "conversation:create", {**group, "title": "Two"})
        await told(ann, "presence:changed")
        await cleo.close()
        await emit(
            ann, "conversation:mute", {"conversation_id": cid, "until": "forever", "level": "mentions"}
        )
        await emit(ann, "conversation:archive", {"conversation_id": cid, "on": True})
        await emit(ann, "conversation:pin", {"conversation_id": cid, "on": True})
        await emit(ann, "conversation:mark", {"conversation_id": cid, "unread": True})
        await emit(ann, "conversation:draft", {"conversation_id": cid, "text": "I was about to"})
        await emit(ann, "conversation:draft", {"conversation_id": cid, "text": "too soon"})
        await told(ann, "me:changed")
        self.ask("update_me", "ben", {"display_name": "Ben B."}, again=True)
        await told(ann, "user:updated", lambda it: it["user_id"] == self.id("ben"))
        await emit(ann, "conversation:leave", {"conversation_id": cid})

    async def groups(self, ann: Phone, ben: Phone) -> None:
        emit, told = self.emit, self.told
        group = {"kind": "group", "member_ids": [self.id("ben")], "client_conversation_id": key(6)}
        made = await emit(ann, "conversation:create", {**group, "title": "Picnic"})
        gid = self.gid = made["conversation"]["id"]
        await emit(ann, "conversation:update", {"conversation_id": gid, "title": "Picnic on Sunday"})
        await told(ben, "conversation:updated")
        await emit(
            ann, "member:add", {"conversation_id": gid, "user_ids": [self.id("cleo"), self.id("dora")]}
        )
        await told(ben, "member:added")
        await emit(ann, "member:role", {"conversation_id": gid, "user_id": self.id("ben"), "role": "admin"})
        await told(ben, "member:updated")
        await emit(ann, "member:remove", {"conversation_id": gid, "user_id": self.id("dora")})
        await told(ben, "member:removed")
        await emit(ann, "member:ban", {"conversation_id": gid, "user_id": self.id("dora"), "on": True})
        synced = await emit(ann, "sync", {"known": {self.cid: 3}})
        # What repairs is, as an event, what a sync tells.
        (missed,) = (it for it in synced["conversations"] if it["conversation_id"] == self.cid)
        self.seen.told["conversation:changes"] = self.seen.plain(missed)
        await emit(ben, "conversation:quit", {"conversation_ids": [gid, self.cid]})

    async def refusals(self, ann: Phone) -> None:
        cid, emit = self.cid, self.emit
        await emit(ann, "message:send", {"conversation_id": cid})
        await emit(ann, "message:shout", {})
        await emit(ann, "message:edit", {"conversation_id": cid, "seq": 2, "body": "Mine"})
        await emit(ann, "message:edit", {"conversation_id": cid, "seq": 1, "body": "Old", "revision": 1})
        await emit(ann, "message:edit", {"conversation_id": cid, "seq": 9, "body": "None"})
        other = {"conversation_id": cid, "client_message_id": key(2), "body": "Something else"}
        await emit(ann, "message:send", other)
        second = {"conversation_id": cid, "client_message_id": key(7), "body": "Second"}
        await emit(ann, "message:send", second)
        await emit(ann, "message:delete", {"conversation_id": cid, "seq": 3})
        await emit(ann, "message:edit", {"conversation_id": cid, "seq": 3, "body": "Gone"})
        await emit(ann, "message:send", {**second, "client_message_id": key(10), "body": "Buy viagra"})
        link = {"url": "https://files.example.com/lake.jpg", "mime_type": "image/jpeg"}
        await emit(ann, "message:send", {**second, "client_message_id": key(11), "attachments": 11 * [link]})
        await emit(ann, "sync", {"cursor": "nonsense"})
        await emit(ann, "sync", {"position": "nonsense"})
        self.ask("register", None, {"username": "ann", "password": "a-long-password"})
        taken = {"username": "anna", "password": "a-long-password", "phone": "+49301234563"}
        self.ask("register", None, taken)
        self.ask("login", None, {"username": "ann", "password": "a-wrong-password"})
        self.ask("me")
        self.ask("me", "nonsense")
        self.ask("me", self.expired("ann"))
        for method, headers, content in (
            ("PUT", {}, b""),
            ("POST", {"content-type": "text/plain"}, b"x"),
            ("POST", {"content-type": "application/json"}, b'"' + 600_000 * b"x" + b'"'),
        ):
            login = self.http.request(method, f"{PREFIX}/auth/login", content=content, headers=headers)
            self.seen.error(login.json())
        late = {"username": "late", "password": "secret-of-late"}
        self.tokens["late"] = self.ask("register", None, late)
        await emit(phone := await self.phone("late"), "message:send", second)
        await phone.close()

    def expired(self, name: str) -> str:
        """A genuine token that has ended."""
        claims = jwt.decode(self.tokens[name]["access_token"], SECRET, algorithms=["HS256"])
        now = int(time.time())
        return jwt.encode(claims | {"iat": now - 120, "exp": now - 60}, SECRET, "HS256")

    def rest(self) -> None:
        ask, cid, gid = self.ask, self.cid, self.gid
        ask("me", "ann")
        ask("users", "ann", ids=",".join(map(self.id, ("ben", "cleo"))))
        ask("contacts", "ann", {"numbers": ["+49301234564"]})
        ask("conversations", "ann", limit=2)
        ask("create_conversation", "ann", {"kind": "direct", "member_ids": [self.id("cleo")]})
        ask("conversation", "ann", conversation_id=cid)
        ask("members", "ann", conversation_id=gid)
        ask("bans", "ann", conversation_id=gid)
        ask("reactions", "ann", conversation_id=cid, seq=1)
        ask("messages", "ann", conversation_id=cid, before_seq=4, limit=2)
        sent = {"conversation_id": cid, "client_message_id": key(8), "body": "Over REST"}
        ask("send_message", "ann", sent)
        deadline = time.monotonic() + 30
        while not ask("search_messages", "ann", again=True, q="rest")["results"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)  # between two questions: the index follows
        ask("search_messages", "ann", q="rest")
        ask("advance_receipts", "ben", {"read_seq": 4}, conversation_id=cid)
        ask("sync", "ann", {"known": {cid: 3}, "limit": 50})
        ask("quit_conversations", "cleo", {"conversation_ids": [gid]})
        ask("block", "ann", {"user_id": self.id("dora")})
        ask("blocks", "ann")
        ask("unblock", "ann", user_id=self.id("dora"))
        target = {"conversation_id": cid, "seq": 1}
        ask("report", "ben", {"client_report_id": key(9), "target": target, "reason": "spam"})
        ask("update_session", "ann", {"name": "Ann's new phone", "app_version": "2.1"})
        ask("sessions", "ann")
        ask("export", "ann")
        for name in ("health", "live", "ready"):
            ask(name)
        password = {"old": "secret-of-dora", "new": "a-new-secret-of-dora"}
        ask("change_password", "dora", password)
        code = self.operator("user", "reset-password", "dora", "--why=x").split()[-1]
        ask("reset_password", None, {"code": code, "new": "the-newest-of-dora"})
        if "reset_password" in self.seen.routes:
            self.seen.routes["reset_password"]["request"]["code"] = SAME["code_of_the_operator"]
        server_key = self.operator("key", "create", "shop", "--why", "the shop's backend").split()[-1]
        customer = {"external_id": "customer-7", "username": "eddie", "display_name": "Eddie"}
        ask("server_user", server_key, customer)
        ask("server_tokens", server_key, {"external_id": "customer-7"})

    def operator(self, *command: str) -> str:
        return operator(f"sqlite:///{self.server.directory / 'gochat.db'}", *command, **SETTINGS)

    async def ends(self, ann: Phone, ben: Phone) -> None:
        login = {"username": "cleo", "password": "secret-of-cleo"}
        for _ in range(2):
            session = self.ask("login", None, login)["session"]["id"]
        self.ask("end_session", "cleo", session_id=session)
        others: Any = {"except": "current"}
        self.ask("end_sessions", "cleo", **others)
        late = await self.phone("cleo", self.expired("cleo"))
        await self.told(late, "auth:expiring")
        await self.emit(late, "auth:refresh", {"token": self.tokens["cleo"]["access_token"]})
        self.ask("logout", "cleo")
        await self.told(late, "session:revoked")
        self.ask("me", "cleo")
        await late.close()
        self.ask("delete_me", "late")
        self.operator("user", "disable", "ben", "--why", "spam")
        self.ask("login", None, {"username": "ben", "password": "secret-of-ben"})
        stopping = asyncio.create_task(asyncio.to_thread(self.server.stop))
        await self.told(ann, "server:draining")
        await stopping


def record() -> dict[str, Any]:
    """Run it all; return what was seen."""
    recording = Recording()
    with tempfile.TemporaryDirectory(prefix="gochat-") as name:
        directory = Path(name)
        (directory / "filters.toml").write_text('words = ["viagra"]\n')
        settings = SETTINGS | {"FILTERS_PATH": str(directory / "filters.toml")}
        with GoChatServer(directory, settings) as server:
            asyncio.run(Scene(server, recording).run())
    return recording.whole


def shown(page: str, examples: Mapping[str, Any]) -> str:
    """A page of docs/ with these examples where it shows some: ```` ```json example=told/me:changed ````."""

    def fence(found: re.Match[str]) -> str:
        value: Any = examples
        for part in found[1].split("/"):
            value = value[int(part) if isinstance(value, list) else part]
        return f"```json example={found[1]}\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"

    return re.sub(r"```json example=(\S+)\n.*?```", fence, page, flags=re.DOTALL)


def main() -> None:
    """Record, and write what was seen where it is shown."""
    examples = record()
    EXAMPLES.write_text(json.dumps(examples, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PROTOCOL.write_text(shown(PROTOCOL.read_text("utf-8"), examples), "utf-8")


if __name__ == "__main__":
    main()
