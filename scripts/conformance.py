"""Run the official Engine.IO 4 and Socket.IO 5 test suites against the engine.

    python scripts/conformance.py SUITES [--runs 3]

SUITES is a checkout of the socketio/socket.io repository, or its `docs` folder, with `npm install` done in
both suites' folders. Nothing of it is part of this project. The suites expect a server on port 3000 and short
pings; both ways into the engine are tested.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import uvicorn

from gochat.events.engine import EngineApp, EngineOptions, EngineServer, engine_protocol_class
from gochat.events.engine.engine import Engine
from gochat.events.engine.frames import BINARY, frame
from gochat.events.engine.handshake import Request
from gochat.events.engine.session import Session
from gochat.events.engine.transports import Write

PORT = 3000
SUITES = {
    "engine.io": Path("engine.io-protocol/v4-test-suite"),
    "socket.io": Path("socket.io-protocol/v5-test-suite"),
}
OPTIONS = EngineOptions(ping_interval=0.3, ping_timeout=0.2, connect_timeout=1.0, max_message=1_000_000)


class Echo:
    """What the Engine.IO suite talks to: every message comes back."""

    def __init__(self, session: Session, _request: Request) -> None:
        self._session = session

    def receive(self, data: str | bytes) -> None:
        """Send a message back."""
        is_text = isinstance(data, str)
        self._session.write(frame(b"4" + data.encode()) if is_text else frame(data, BINARY))  # type: ignore

    def writer_changed(self, write: Write) -> None:
        """Need nothing: the session's own `write` is used."""

    def expired(self) -> None:
        """Need nothing: no deadline was set."""

    def drain(self) -> None:
        """Close: nothing is ever left to answer."""
        self._session.close("server shutdown")

    def closed(self, reason: str) -> None:
        """Need nothing."""


class EchoServer:
    """An Engine.IO server of its own."""

    def __init__(self) -> None:
        self.eio = Engine(Echo, OPTIONS, "*")


def socketio_server() -> EngineServer:
    """Return what the Socket.IO suite talks to."""
    server = EngineServer(cors_allowed_origins="*", options=OPTIONS)

    async def connect(sid: str, _environ: Any, auth: Any, namespace: str = "/") -> None:
        await server.emit("auth", auth or {}, to=sid, namespace=namespace)

    async def connect_custom(sid: str, environ: Any, auth: Any) -> None:
        await connect(sid, environ, auth, "/custom")

    async def message(sid: str, *args: Any) -> None:
        await server.emit("message-back", args, to=sid)

    async def message_with_ack(_sid: str, *args: Any) -> tuple[Any, ...]:
        return args

    server.on("connect", connect)
    server.on("connect", connect_custom, namespace="/custom")
    server.on("message", message)
    server.on("message-with-ack", message_with_ack)
    return server


def serve(suite: str, way: str) -> None:
    """Serve what a suite talks to."""
    server = EchoServer() if suite == "engine.io" else socketio_server()
    paths = (f"/{suite}/",)
    http: Any = engine_protocol_class(server, paths) if way == "fast" else "httptools"
    config = uvicorn.Config(
        EngineApp(server, socketio_paths=paths),
        host="localhost",
        port=PORT,
        http=http,
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    asyncio.run(uvicorn.Server(config).serve())


def run(suites: Path, suite: str, way: str) -> tuple[int, int]:
    """Run one suite once; return (passed, failed)."""
    command = [sys.executable, __file__, str(suites), "--serve", suite, "--way", way]
    with subprocess.Popen(command) as server:
        try:
            wait_until_up()
            mocha = subprocess.run(
                ["npx", "mocha", "--reporter", "json", "test-suite.js"],
                cwd=suites / SUITES[suite],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        finally:
            server.terminate()
            server.wait(timeout=10)
    result = json.loads(mocha.stdout)
    for failure in result["failures"]:
        print(f"  {failure['fullTitle']}: {failure['err'].get('message', '')}")
    return result["stats"]["passes"], result["stats"]["failures"]


def wait_until_up() -> None:
    """Wait for the server to listen, at most 20 s."""

    async def probe() -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("localhost", PORT)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    asyncio.run(asyncio.wait_for(probe(), 20))


def main() -> int:
    """Run both suites over both ways in; fail if any case does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--serve", choices=SUITES)
    parser.add_argument("--way", choices=("asgi", "fast"), default="fast")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.way)
        return 0
    root = options.suites / "docs" if (options.suites / "docs").is_dir() else options.suites
    failed = 0
    for number in range(1, options.runs + 1):
        for suite in SUITES:
            for way in ("asgi", "fast"):
                passes, failures = run(root, suite, way)
                print(f"run {number}, {suite} suite, {way}: {passes} of {passes + failures}", flush=True)
                failed += failures
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
