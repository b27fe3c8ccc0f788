"""What is overridden of libraries stands in docs/libraries.md, all of it; and the names are still theirs."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pymysql
import pytest
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from socketio.async_pubsub_manager import AsyncPubSubManager
from socketio.async_server import AsyncServer
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets import speedups

from gochat.events import engine

PAGE = (Path(__file__).parents[3] / "docs/libraries.md").read_text()
LIBRARIES = {"socketio", "engineio", "uvicorn"}
MODULES = [f"gochat.events.engine.{module.name}" for module in pkgutil.iter_modules(engine.__path__)]
MODULES += ["gochat.events.cluster.manager", "gochat.serving"]


def overridden() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module in map(importlib.import_module, MODULES):
        for name, value in vars(module).items():
            if not inspect.isclass(value) or value.__module__ != module.__name__:
                continue
            bases = [it for it in value.__mro__[1:] if it.__module__.partition(".")[0] in LIBRARIES]
            names = {it for it in vars(value) if any(it in vars(base) for base in bases)}
            if bases:
                found[name] = {it for it in names if not it.startswith("__") or it == "__init__"}
    return found


def test_the_page_lists_what_is_overridden() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `[\w.]+` \| (.*?) \| ", PAGE, re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", names)) for name, names in rows} == overridden()


@pytest.mark.parametrize(
    ("of", "names"),
    [
        (AsyncServer, "_trigger_event _get_event_handler not_handled handlers namespace_handlers environ"),
        (AsyncPubSubManager, "thread"),
        (HttpToolsProtocol, "parser cycle pipeline flow url headers scope expect_100_continue"),
        (HttpToolsProtocol, "_start_asgi_task server_state"),
        (pymysql.connections.Connection, "_execute_command _rfile _force_close"),
        (ConnectionPool, "make_connection"),
        (AbstractConnection, "send_packed_command read_response pack_commands"),
        (speedups, "apply_mask"),
    ],
)
def test_what_is_used_is_there_and_on_the_page(of: object, names: str) -> None:
    if isinstance(of, type):
        source = "".join(inspect.getsource(base) for base in of.__mro__[:-1])
    else:
        source = " ".join(dir(of))
    for name in names.split():
        assert re.search(rf"\b{name}\b", source), name
        assert f"{name}`" in PAGE
