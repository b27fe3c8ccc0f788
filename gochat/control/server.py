"""The control socket of one process: a line with a question as JSON, answered with lines of JSON."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

QUESTION_S = 5.0
"""How long a question may take to arrive."""
MAX_QUESTION = 65_536
MAX_OPEN = 16
"""Questions that may be open at once: an operator asks few."""

Answering: TypeAlias = Callable[..., Any]
"""Called with the question's other fields; returns what JSON can hold, or an async iterator of it."""


class ControlServer:
    """Answers from the event loop, so nothing may take long.

    Args:
        path: of the socket; one that a process before this one left is replaced.
        answers: by what is asked for.
    """

    def __init__(self, path: Path, answers: Mapping[str, Answering]) -> None:
        self._path = path
        self._answers = answers
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Begin to listen. Raises OSError."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=MAX_QUESTION)
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop, and take the socket away."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if len(self._open) <= MAX_OPEN:
                async for line in self._lines(reader):
                    writer.write(orjson.dumps(line) + b"\n")
                    await writer.drain()
        except (OSError, asyncio.LimitOverrunError, asyncio.IncompleteReadError, TimeoutError):
            pass  # it went away, or never asked
        except Exception:
            log.exception("control_failed")
        finally:
            self._open.discard(task)
            writer.close()

    async def _lines(self, reader: asyncio.StreamReader) -> AsyncIterator[Any]:
        async with asyncio.timeout(QUESTION_S):
            question = orjson.loads(await reader.readuntil(b"\n"))
        answering = self._answers.get(question.pop("ask", ""))
        if answering is None:
            yield {"error": "There is no such question."}
            return
        answer = answering(**question)
        if not isinstance(answer, AsyncIterator):
            yield answer
            return
        gone = asyncio.ensure_future(reader.read(1))
        try:
            async for line in _until(answer, gone):
                yield line
        finally:
            gone.cancel()


async def _until(lines: AsyncIterator[Any], gone: asyncio.Future[Any]) -> AsyncIterator[Any]:
    """Lines, until who asked has gone."""
    while True:
        line = asyncio.ensure_future(anext(lines))
        await asyncio.wait((line, gone), return_when=asyncio.FIRST_COMPLETED)
        if not line.done():
            line.cancel()
            return
        yield line.result()
