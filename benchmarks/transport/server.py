"""A Python server under test: prints its port, then serves.

python -m benchmarks.transport.server stock | engine | io_uring [PING_INTERVAL]
"""

import gc
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
import socketio
import uvicorn

from gochat.events.engine import Ack, EngineApp, EngineOptions, EngineServer, engine_protocol_class


def stock(interval: float) -> dict[str, Any]:
    """python-socketio as it comes, with uvicorn set as it should be."""
    server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=[], ping_interval=int(interval))

    async def join(sid: str, room: str) -> None:
        await server.enter_room(sid, room)

    async def room(_sid: str, message: Any) -> None:
        await server.emit("room", message, room=message["room"])

    async def pair(sid: str, message: Any) -> dict[str, bool]:
        await server.emit("pair", message, room=message["room"], skip_sid=sid)
        return {"ok": True}

    server.on("connect", connect)
    server.on("join", join)
    server.on("room", room)
    server.on("pair", pair)
    return {"app": socketio.ASGIApp(server), "http": "httptools"}


def engine(interval: float, *, io_uring: bool = False) -> dict[str, Any]:
    """The engine with its dispatcher, on its fast path."""
    server = EngineServer(options=EngineOptions(ping_interval=interval, io_uring=io_uring))

    def dispatch(sid: str, event: str, args: list[Any], ack: Ack) -> None:
        message = args[0]
        if event == "join":
            server.manager.basic_enter_room(sid, "/", message)
            ack()
        elif event == "room":
            server.broadcast("room", message, message["room"])
            ack()
        else:
            server.broadcast("pair", orjson.dumps(message), message["room"], skip=(sid,))
            ack({"ok": True})

    server.on("connect", connect)
    server.set_dispatcher(dispatch)
    return {"app": EngineApp(server), "http": engine_protocol_class(server)}


async def connect(_sid: str, _environ: Any, auth: Any) -> None:
    if auth["token"] != "good":
        raise ConnectionRefusedError


SERVERS: dict[str, Callable[[float], dict[str, Any]]] = {
    "stock": stock,
    "engine": engine,
    "io_uring": partial(engine, io_uring=True),
}


async def main() -> None:
    kind, interval = sys.argv[1], float(sys.argv[2])
    config = SERVERS[kind](interval)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        print(listener.getsockname()[1], flush=True)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        server = uvicorn.Server(
            uvicorn.Config(
                **config,
                ws="websockets-sansio",
                ws_ping_interval=None,
                ws_per_message_deflate=False,
                lifespan="off",
                timeout_keep_alive=300,  # a client waits while the other servers have their turns
                access_log=False,
                log_level="error",
            )
        )
        await server.serve([listener])


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
