"""The server under test, as a process of its own: prints the port it listens on, then serves until SIGTERM.

python app.py WAY DISPATCH OPTIONS     (fast | asgi, handlers | dispatcher, JSON of EngineOptions)
"""

import asyncio
import ctypes
import gc
import itertools
import json
import logging
import socket
import sys
from typing import Any

import orjson
import uvicorn
from socketio.exceptions import ConnectionRefusedError as Rejected

from gochat.events.engine import Ack, EngineApp, EngineOptions, EngineServer, Unfit, engine_protocol_class

HELD = (
    "Session",
    "Client",
    "Member",
    "WebSocket",
    "AsgiWebSocket",
    "Polling",
    "Post",
    "Upgrade",
    "Exchange",
    "BoundProtocol",
)
gate = asyncio.Event()
opened = itertools.count(1)
"""Sessions, and questions how many there were."""


class Counting(EngineServer):
    """Counts the sessions that were opened."""

    def _accept(self, *args: Any) -> Any:
        next(opened)
        return super()._accept(*args)


def make_server(dispatch: str, options: EngineOptions) -> EngineServer:
    server = Counting(options=options, cors_allowed_origins=["https://good.example"])

    async def connect(sid: str, _environ: Any, auth: Any) -> None:
        token = (auth or {}).get("token", "good")
        if token == "slow":
            await gate.wait()
        elif token == "early":
            await server.emit("early", 1, to=sid)
        elif token.startswith("later"):
            session = server.eio.sessions[server.manager.eio_sid_from_sid(sid, "/") or ""]
            while token == "later, upgrading" and session.upgrade is None:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.001)
            server.evict(sid, "test")
            raise Rejected("later")
        elif token != "good":
            raise Rejected({"code": "unauthorized", "message": "bad token"})

    async def disconnect(_sid: str, reason: str) -> None:
        await server.emit("gone", reason, to="watchers")

    async def anything(event: str, sid: str, *args: Any) -> Any:
        return await handle(server, sid, event, args)

    server.on("connect", connect)
    server.on("disconnect", disconnect)
    server.on("*", anything)
    server.on("connect", lambda *_: None, namespace="/custom")
    server.on("echo", lambda _sid, *args: args, namespace="/custom")
    server.on("fixed", lambda _sid, _one: "fixed")
    if dispatch == "dispatcher":
        server.set_dispatcher(lambda sid, event, args, ack: dispatched(server, sid, event, args, ack))
    return server


async def handle(server: EngineServer, sid: str, event: str, args: tuple[Any, ...]) -> Any:
    match event:
        case "echo":
            return args
        case "back":
            await server.emit("back", args, to=sid)
        case "join":
            await server.enter_room(sid, args[0])
        case "room":
            await server.emit("room", args[1], room=args[0])
        case "many":
            for number in range(args[0]):
                server.broadcast("many", {"number": number}, sid)
        case "flood":
            for _ in range(args[0]):
                server.broadcast("flood", {"filling": "x" * 1000}, args[1])
        case "quit":
            await server.disconnect(sid)
        case "evict":
            server.evict(sid, "test")
        case "wait":
            await asyncio.wait_for(gate.wait(), 300)
            return "waited"
        case "until draining":
            while not server.eio.draining:  # noqa: ASYNC110 - the engine has no event for it
                await asyncio.sleep(0.01)
            return "draining"
        case "open":
            gate.set()
        case "shut":
            gate.clear()
        case (
            "trim"
        ):  # so that what the allocator keeps for later is not taken for memory in use (malloc_trim(3))
            ctypes.CDLL(None).malloc_trim(0)
        case "behind":
            room, backlog = args
            congested = server.eio.congested
            told = server.manager.behind(room, "/", backlog, congested)
            scanned = server.manager.behind(room, "/", backlog)
            return sorted(told), sorted(scanned), len(congested)
        case "tasks":
            return len(asyncio.all_tasks())
        case "sessions":
            return len(server.eio.sessions)
        case "held":
            names = [type(it).__name__ for it in gc.get_objects()]
            return {name: names.count(name) for name in HELD}
        case "opened":
            return next(opened) - 1
        case "raise":
            raise ValueError("test")
        case _:
            return server.not_handled
    return None


def dispatched(server: EngineServer, sid: str, event: str, args: list[Any], ack: Ack) -> Any:
    if args and isinstance(args[0], Unfit):
        ack("bad arguments")
        return None
    if event == "echo":
        ack(*args)
        return None
    if event == "encoded":
        ack(orjson.dumps(args[0]))
        return None

    async def run() -> None:
        result = await handle(server, sid, event, tuple(args))
        ack(*(result if isinstance(result, tuple) else () if result is None else (result,)))

    return run()


async def main() -> None:
    way, dispatch, options = sys.argv[1:4]
    if way.endswith("-uncollected"):
        way = way.removesuffix("-uncollected")
        gc.disable()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    server = make_server(dispatch, EngineOptions(**json.loads(options)))
    http: Any = engine_protocol_class(server) if way == "fast" else "httptools"
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            EngineApp(server),
            http=http,
            ws="websockets-sansio",
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            ws_max_size=server.options.max_message,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
        listener.listen(2048)
        print(listener.getsockname()[1], flush=True)
        await uvicorn.Server(config).serve([listener])


if __name__ == "__main__":
    asyncio.run(main())
