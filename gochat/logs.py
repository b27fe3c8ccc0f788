"""Logs: one line an event, for people or for machines. Never tokens, passwords, names or message bodies.

Ids are written as phones have them, so that what a phone shows leads to its lines.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Literal

import structlog

from gochat.contract.ids import id_out

PER_SECOND = 20
"""Lines of one event that are written in a second; the next one that is says how many were not."""
MOST_EVENTS = 1_000
"""Events that are counted at once."""
_ERRORS = frozenset({"error", "critical", "exception"})
_IDS = frozenset({"user", "session", "conversation", "but", "key"})


class Bound:
    """Lets only so many lines of one event through: a storm must not drown what caused it.

    Errors all pass. How many were left out stands in the next line of that event, as `suppressed`.
    """

    def __init__(self, per_second: int = PER_SECOND, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._seen: dict[str, list[int]] = {}
        """Of each event: the second, how many lines it had in it, and how many were left out before."""

    def left_out(self, event: str) -> int | None:
        """How many lines were left out before this one; None: this one is to be left out too."""
        second = int(self._clock())
        seen = self._seen.get(event)
        if seen is None:
            if len(self._seen) >= MOST_EVENTS:
                self._seen.clear()
            seen = self._seen[event] = [second, 0, 0]
        if seen[0] != second:
            seen[0], seen[1] = second, 0
        if seen[1] >= self._per_second:
            seen[2] += 1
            return None
        seen[1] += 1
        before, seen[2] = seen[2], 0
        return before

    def __call__(
        self, logger: Any, method: str, line: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        """Pass a line of ours on, or raise DropEvent: a processor of structlog."""
        if method not in _ERRORS:
            before = self.left_out(str(line.get("event")))
            if before is None:
                raise structlog.DropEvent
            if before:
                line["suppressed"] = before
        return line


class _Foreign(logging.Filter):
    """The same for lines of libraries, which are one event if they have one format."""

    def __init__(self, bound: Bound) -> None:
        super().__init__()
        self._bound = bound

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, dict) or record.levelno >= logging.ERROR:  # ours were looked at
            return True
        before = self._bound.left_out(str(record.msg))
        record.suppressed = before
        return before is not None


def _suppressed(logger: Any, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Say of a library's line how many like it were left out before."""
    if before := getattr(line["_record"], "suppressed", None):
        line["suppressed"] = before
    return line


def _ids(logger: Any, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Write ids as phones have them."""
    for name in _IDS & line.keys():
        if isinstance(line[name], int):
            line[name] = id_out(line[name])
    if "conversations" in line:
        line["conversations"] = [id_out(conversation_id) for conversation_id in line["conversations"]]
    return line


def configure(level: str, form: Literal["console", "json"]) -> None:
    """Send structlog's and the libraries' logs to standard error, in one form."""
    bound = Bound()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if form == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            bound,
            _ids,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _suppressed],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(_Foreign(bound))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # What they tell of a start and an end, we tell.
    for quiet in ("alembic", "uvicorn.error"):
        logging.getLogger(quiet).setLevel(max(logging.WARNING, root.level))
