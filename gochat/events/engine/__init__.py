"""A Socket.IO server engine for python-socketio and uvicorn: strict, conformant, and cheap.

Three lines serve an application:

    server = EngineServer(options=EngineOptions())           # python-socketio's AsyncServer, and more
    app = EngineApp(server, other_asgi_app)                  # works under any ASGI server
    uvicorn.Config(app, http=engine_protocol_class(server))  # the fast path, optional

How a packet moves: `protocol` or `asgi` accept a client (`handshake`), a transport (`websocket`,
`asgi_websocket`, `polling`) hands packets to its `session` (Engine.IO), that to its `client` (Socket.IO),
that to the `server`; outbound, `manager` frames an event once and writes it to every member, and `output`
sends what was written in a turn of the loop. `frames`, `payloads`, `packets`, `handshake`, `heartbeat`,
`session`, `member` and `client` do no I/O.
"""

from typing import Final

from . import frames
from .asgi import PATHS, EngineApp
from .manager import EngineManager, EngineRedisManager
from .member import Ack, Dispatcher
from .options import EngineOptions
from .origins import OriginPolicy
from .packets import Unfit
from .protocol import engine_protocol_class
from .server import EngineServer

COMPILED: Final = not frames.__file__.endswith(".py")
"""Whether the inner modules are C: see scripts/compile.py."""

__all__ = [
    "COMPILED",
    "PATHS",
    "Ack",
    "Dispatcher",
    "EngineApp",
    "EngineManager",
    "EngineOptions",
    "EngineRedisManager",
    "EngineServer",
    "OriginPolicy",
    "Unfit",
    "engine_protocol_class",
]
