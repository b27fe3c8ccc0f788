"""Asking running processes, from the command line, from a supervisor, or from one worker to the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson

from gochat.control.place import sockets

ANSWER_S = 5.0
"""How long a process may take to answer; one that hangs is left out."""
MAX_ANSWER = 64 << 20


async def ask_all(run_dir: Path | None, port: int | None, ask: str, **question: object) -> dict[str, Any]:
    """The answers of all processes that answer in time, by the worker's name. Raises PlaceError."""
    places = sockets(run_dir, port)
    answers = await asyncio.gather(*(_ask(path, ask, question) for path in places.values()))
    return {name: it for name, it in zip(places, answers, strict=True) if it is not None}


async def follow_all(
    run_dir: Path | None, port: int | None, ask: str, **question: object
) -> AsyncIterator[tuple[str, Any]]:
    """The lines of all processes as they come, with the worker's name, until all have ended."""
    heard: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue(1_000)

    async def listen(name: str, path: Path) -> None:
        async for line in _lines(path, ask, question):
            await heard.put((name, line))

    async with asyncio.TaskGroup() as group:
        listening = [group.create_task(listen(*place)) for place in sockets(run_dir, port).items()]
        while not all(task.done() for task in listening) or not heard.empty():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    found = await heard.get()
                    if found is not None:
                        yield found


async def _ask(path: Path, ask: str, question: dict[str, object]) -> Any:
    try:
        async with asyncio.timeout(ANSWER_S):
            async for line in _lines(path, ask, question):
                return line
    except TimeoutError:
        return None
    return None


async def _lines(path: Path, ask: str, question: dict[str, object]) -> AsyncIterator[Any]:
    """What one process says; nothing if it is gone, as one that was killed left its socket behind."""
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=MAX_ANSWER)
    except (ConnectionRefusedError, FileNotFoundError):
        return
    try:
        writer.write(orjson.dumps({"ask": ask, **question}) + b"\n")
        while line := await reader.readline():
            yield orjson.loads(line)
    except OSError:
        return
    finally:
        writer.close()
