"""Examples of every event, operation and error, as a real run told them: tests/wire/recorded.py writes it."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

PATH: Final = Path(__file__).with_name("examples.json")


@cache
def _all() -> Any:
    return json.loads(PATH.read_text("utf-8"))


def event(name: str) -> dict[str, Any]:
    """Of an event that clients send: `request` and `ack`; nothing if there is none."""
    found: dict[str, Any] = _all()["events"].get(name, {})
    return found


def told(name: str) -> Any:
    """The payload of an event that the server sends, or None."""
    return _all()["told"].get(name)


def route(name: str) -> dict[str, Any]:
    """Of an operation of REST: `query`, `request` and `answer`, as far as it has them."""
    found: dict[str, Any] = _all()["routes"].get(name, {})
    return found


def error(code: str) -> dict[str, Any] | None:
    """The error object of a code, or None."""
    found: dict[str, Any] | None = _all()["errors"].get(code)
    return found
