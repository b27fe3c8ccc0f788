"""Sessions without sticky balancers: what comes here for another process's session is taken there, by Redis.

The id of a session begins with the process that has it. A poll or post is asked of that process, and its
answer given to the client; then that process is told that the answer was taken. A websocket that is to take a
session over stays here and hands its packets on; over there it looks like any other. Whatever is lost on the
way ends the session or the websocket: the client library connects again, and the phone asks for what it
lacks.
"""

import asyncio
import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from gochat.events.cluster.doorbell import RedisDoorbell
from gochat.events.cluster.relayed import FarSocket, NearSocket
from gochat.events.cluster.relaying import Answered, Asked
from gochat.events.cluster.seam import Topic
from gochat.events.engine.engine import Engine
from gochat.events.engine.errors import Refused, SessionUnknown
from gochat.events.engine.handshake import Request
from gochat.events.engine.relay import Asking
from gochat.events.engine.transports import SocketTransport
from gochat.events.tasks import Tasks

log = structlog.get_logger(__name__)

CHECK_S = 5.0
"""How often it is asked whether the processes that are waited for are still there."""
MAX_ASKED = 10_000
"""Requests that may wait for other processes."""

_PROCESS = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Message:
    """What one process says to another about a request or a websocket, which it numbered."""

    kind: str
    sender: str
    number: int
    header: Mapping[str, Any]
    payload: bytes = b""


def _packed(it: Message) -> tuple[Mapping[str, Any], bytes]:
    return {"kind": it.kind, "from": it.sender, "id": it.number, **it.header}, it.payload


def _unpacked(header: Mapping[str, Any], payload: bytes) -> Message:
    return Message(header["kind"], header["from"], header["id"], header, payload)


ENGINE = Topic("engine", _packed, _unpacked)


class RedisRelay:
    """Implements `engine.relay.Relay`. One per process."""

    def __init__(self, doorbell: RedisDoorbell, engine: Engine) -> None:
        self._doorbell = doorbell
        self._process: str = doorbell.process
        self._engine = engine
        self._ids = itertools.count(1)
        # Here are the clients: requests and websockets, by our number, and who has their sessions.
        self._asked: dict[int, tuple[str, asyncio.Future[bytes]]] = {}
        self._near: dict[int, NearSocket] = {}
        # Here are the sessions: requests and websockets, by where their clients are, and that one's number.
        self._answering: dict[tuple[str, int], Answered] = {}
        self._far: dict[tuple[str, int], FarSocket] = {}
        self._tasks = Tasks()

    def start(self) -> None:
        """Be there for the others."""
        self._doorbell.hear(ENGINE, self._heard)
        self._doorbell.renewed(self.reset)
        self._doorbell.listen(_room(self.prefix))
        self._tasks.spawn(self._check())

    def close(self) -> None:
        """Stop what is under way."""
        self._tasks.cancel()

    def reset(self) -> None:
        """Redis was away: nobody knows what was lost."""
        self._fail_all(self._owners())
        for answered in list(self._answering.values()):
            answered.doubt()
        for far in list(self._far.values()):
            far.lost()

    # ---- for the engine

    @property
    def prefix(self) -> str:
        """How the ids of this process's sessions begin."""
        return self._process

    def owner(self, sid: str) -> str | None:
        """The other process that has a session."""
        process = sid[:16]
        return process if process != self.prefix and _PROCESS.fullmatch(process) else None

    def ask(self, owner: str, request: Request, body: bytes, asking: Asking) -> Asked:
        """Have a request given the owner's answer."""
        number = next(self._ids)
        task = self._tasks.spawn(self._ask(owner, number, request, body, asking))
        return Asked(task.cancel, lambda: self._tell(owner, "release", number))

    async def _ask(self, owner: str, number: int, request: Request, body: bytes, asking: Asking) -> None:
        try:
            answer = await self._request(owner, number, request, body)
        except Refused as refused:
            asking.refuse(refused)
        else:
            asking.answer(answer, lambda taken: self._tell(owner, "taken" if taken else "gone", number))

    async def request(self, owner: str, request: Request, body: bytes) -> None:
        """Have the owner take a part of a body."""
        number = next(self._ids)
        await self._request(owner, number, request, body)
        self._tell(owner, "taken", number)

    async def _request(self, owner: str, number: int, request: Request, body: bytes) -> bytes:
        """Return the owner's answer, which it waits to hear of that it was `taken`. Raises Refused."""
        if len(self._asked) >= MAX_ASKED:
            raise SessionUnknown
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = owner, answer
        try:
            async with asyncio.timeout(self._patience):
                await self._send(owner, "request", number, body, confirms=True, **_request_out(request))
                return await answer
        except (ConnectionError, TimeoutError):
            self._tell(owner, "gone", number)
            raise SessionUnknown from None
        except (SessionUnknown, asyncio.CancelledError):
            self._tell(owner, "gone", number)
            raise
        finally:
            del self._asked[number]

    @property
    def _patience(self) -> float:
        options = self._engine.options
        return options.ping_interval + options.ping_timeout

    def attach(self, owner: str, request: Request, websocket: SocketTransport) -> None:
        """Give the owner a websocket."""
        number = next(self._ids)

        def tell(kind: str, payload: bytes, **header: Any) -> None:
            self._tell(owner, kind, number, payload, **header)

        near = NearSocket(owner, websocket, tell, lambda: self._near.pop(number, None))
        self._near[number] = near
        tell("attach", b"", **_request_out(request))

    # ---- from other processes

    def _heard(self, it: Message) -> None:
        header, kind, sender, number = it.header, it.kind, it.sender, it.number
        match kind:
            case "request":
                self._answer(sender, number, header, it.payload)
            case "answer":
                self._answered(sender, number, header, it.payload)
            case "taken" | "gone" | "release":
                answered = self._answering.get((sender, number))
                if answered is not None:
                    answered.heard(kind)
            case "attach":
                self._attach(sender, number, _request_in(header))
            case "packet" | "lost":
                far = self._far.get((sender, number))
                if far is not None:
                    far.heard(kind, header, it.payload)
            case "write" | "close" | "pause" | "resume":
                near = self._near.get(number)
                if near is not None and near.owner == sender:
                    near.heard(kind, header, it.payload)

    def _answered(self, sender: str, number: int, header: Mapping[str, Any], body: bytes) -> None:
        _, answer = self._asked.get(number, (None, None))
        if answer is None or answer.done():
            self._tell(sender, "gone", number)
        elif header["status"] == 200:
            answer.set_result(body)
        else:
            answer.set_exception(Refused(header["status"], header["code"], header["message"]))

    def _answer(self, sender: str, number: int, asked: Mapping[str, Any], body: bytes) -> None:
        async def give(header: Mapping[str, Any], answer: bytes) -> None:
            await self._send(sender, "answer", number, answer, **header)

        answered = self._answering[sender, number] = Answered(
            self._engine,
            _request_in(asked),
            confirms=asked.get("confirms", False),
            patience=self._patience,
            give=give,
            end=lambda: self._answering.pop((sender, number), None),
            tasks=self._tasks,
        )
        answered.begin(body)

    def _attach(self, sender: str, number: int, request: Request) -> None:
        def tell(kind: str, payload: bytes, **header: Any) -> None:
            self._tell(sender, kind, number, payload, **header)

        far = FarSocket(self._engine, tell, lambda: self._far.pop((sender, number), None))
        self._far[sender, number] = far
        try:
            self._engine.attach(request, far)
        except Refused as refused:
            far.refuse(refused.message)

    # ---- whether they are still there

    async def _check(self) -> None:
        """Give up what waits for a process that has gone."""
        while True:
            await asyncio.sleep(CHECK_S)
            for process in self._owners() | {sender for sender, _ in self._answering}:
                try:
                    async with asyncio.timeout(CHECK_S):
                        await self._send(process, "alive", 0)
                except (ConnectionError, TimeoutError):
                    log.info("relay_process_gone", process=process)
                    self._fail_all({process})
                    for (sender, _), answered in list(self._answering.items()):
                        if sender == process:
                            answered.heard("gone")

    def _owners(self) -> set[str]:
        """The processes that anything here waits for."""
        return {owner for owner, _ in self._asked.values()} | {it.owner for it in self._near.values()}

    def _fail_all(self, owners: Collection[str]) -> None:
        for owner, answer in self._asked.values():
            if owner in owners and not answer.done():
                answer.set_exception(SessionUnknown())
        for near in list(self._near.values()):
            if near.owner in owners:
                near.drain()

    # ---- messages

    async def _send(self, process: str, kind: str, number: int, payload: bytes = b"", **header: Any) -> None:
        """Raises ConnectionError: it has not been heard."""
        if not await self._doorbell.send(
            _room(process), ENGINE, self._message(kind, number, payload, header)
        ):
            raise ConnectionError("the process has gone")

    def _tell(self, process: str, kind: str, number: int, payload: bytes = b"", **header: Any) -> None:
        self._doorbell.ring(_room(process), ENGINE, self._message(kind, number, payload, header))

    def _message(self, kind: str, number: int, payload: bytes, header: Mapping[str, Any]) -> Message:
        return Message(kind, self.prefix, number, header, payload)


def _room(process: str) -> str:
    return f"p:{process}"


def _request_out(request: Request) -> dict[str, str]:
    return {"method": request.method, "query": request.query.decode("latin-1"), "client": request.client}


def _request_in(header: Mapping[str, Any]) -> Request:
    return Request(header["method"], "", header["query"].encode("latin-1"), [], header["client"])
