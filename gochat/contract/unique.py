"""A key that stands twice in one object of a request is refused: readers of JSON differ in what they take.

orjson takes the last without a word. To read every text a second time would be dear, so its keys are counted
first.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from gochat.core.errors import InvalidPayload

_CONTAINERS = (dict, list)
_SPACED = re.compile(r'"\s+:')


def twice(text: str | bytes, value: object) -> tuple[tuple[str, ...], str] | None:
    """Find a key that stands twice in an object: the path of that object, and the key; None: there is none.

    Args:
        text: JSON, in UTF-8.
        value: what orjson read from it.
    """
    if isinstance(text, bytes):
        text = text.decode()
    # Of what came twice one was lost. In a string a quote before a colon has a backslash, and counts too.
    if text.count('":') == _keys(value, text.count("{") + text.count("[")) and not _SPACED.search(text):
        return None
    return _find(text)


def _keys(value: object, containers: int) -> int:
    """How many keys there are in all objects that were read; `containers`: there are no more of these."""
    count, waiting = 0, [value]
    for node in waiting:
        parts: Iterable[Any] = ()
        if type(node) is dict:
            count += len(node)
            parts = node.values()
        elif type(node) is list:
            parts = node
        if len(waiting) < containers:
            waiting += [part for part in parts if type(part) in _CONTAINERS]
    return count


def stands_twice(field: str) -> InvalidPayload:
    """Refuse a request. `field`: the dotted path of the object; of the request itself, the key."""
    errors = [{"field": field, "reason": "twice"}]
    return InvalidPayload(f"{field}: a key stands twice.", field=field, details={"errors": errors})


class _Twice(dict[str, Any]):
    """An object with such a key."""

    key = ""


def _made(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    found, seen = _Twice(pairs), set[str]()
    for key, _ in pairs:
        if key in seen:
            found.key = key
            break
        seen.add(key)
    return found


def _find(text: str) -> tuple[tuple[str, ...], str] | None:
    try:
        value = json.loads(text, object_pairs_hook=_made, parse_int=str, parse_float=str)
    except RecursionError:
        return None  # nothing that a request may hold nests so deep
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    for path, node in waiting:
        if isinstance(node, _Twice):
            return path, node.key
        parts = enumerate(node) if isinstance(node, list) else node.items() if isinstance(node, dict) else ()
        waiting += [((*path, str(name)), part) for name, part in parts if isinstance(part, _CONTAINERS)]
    return None
