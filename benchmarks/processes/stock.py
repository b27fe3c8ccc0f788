"""python-socketio as it comes, one of several processes that its AsyncRedisManager joins.

python -m benchmarks.processes.stock, with HOST, PORT and REDIS_URL in the environment.
"""

import gc
import os
from typing import Any

import socketio
import uvicorn
from starlette.responses import PlainTextResponse


def app(redis_url: str) -> Any:
    """Sockets enter one room each; what one sends goes to all in a room, wherever they are."""
    server = socketio.AsyncServer(
        async_mode="asgi", cors_allowed_origins=[], client_manager=socketio.AsyncRedisManager(redis_url)
    )

    async def connect(_sid: str, _environ: Any, _auth: Any) -> None:
        """Anyone may."""

    async def join(sid: str, request: Any) -> dict[str, Any]:
        await server.enter_room(sid, request["room"])
        return {"ok": True, "data": {}}

    async def send(_sid: str, request: Any) -> dict[str, Any]:
        await server.emit("message:created", {"messages": [request]}, room=request["room"])
        return {"ok": True, "data": {"message": request}}

    server.on("connect", connect)
    server.on("join", join)
    server.on("message:send", send)
    return socketio.ASGIApp(server, PlainTextResponse("ready"))


def main() -> None:
    """Serve, with uvicorn set as it should be."""
    config = uvicorn.Config(
        app(os.environ["REDIS_URL"]),
        host=os.environ["HOST"],
        port=int(os.environ["PORT"]),
        http="httptools",
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_level="error",
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
