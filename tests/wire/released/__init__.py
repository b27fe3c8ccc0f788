"""What an app of an earlier contract sends and reads: recorded from the server of then, played to this one.

`NAME.json` holds the contract's version and steps, in order. A step is asked by `who`: an event (`emit`) or
a route (`ask`); or heard (`hear`: what another's step brought). `keep` names parts of the answer that later
steps put into what they ask, as `{name}`. `shape` is what was read: the JSON type of each part; of a list, of
all its items together. What was null then may be anything now; what an app reads must be there, of its type.

`python -m tests.wire.released FILE URL` plays a file's steps to the server there and writes the shapes: so a
contract is recorded before it changes.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2

from tests.wire.account import API
from tests.wire.phone import Phone

HERE = Path(__file__).parent
_NAMED = re.compile(r"\{([a-z_]+)\}")


class Player:
    """Plays steps to a server, and keeps what later ones name."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx2.Client(base_url=url, timeout=60)
        self._phones: dict[str, Phone] = {}
        self._kept: dict[str, Any] = {}

    async def play(self, step: Mapping[str, Any]) -> Any:
        """Play one; what was answered or heard."""
        who = step.get("who")
        if "ask" in step:
            answer = await asyncio.to_thread(self._ask, who, step["ask"], step.get("body"))
        elif "emit" in step:
            phone = await self._phone(who)
            answer = await phone.emit(step["emit"], self._filled(step["body"]))
            assert answer["ok"], (step, answer)
        else:
            phone = await self._phone(who)
            answer = await phone.expect_event(step["hear"])
        for name, path in step.get("keep", {}).items():
            self._kept[name] = _part(answer, path)
        return answer

    async def close(self) -> None:
        """Hang up."""
        await asyncio.gather(*(phone.close() for phone in self._phones.values()))
        self._http.close()

    def _ask(self, who: str | None, route: str, body: Any) -> Any:
        method, path = route.split(" ", 1)
        headers = {} if who is None else {"Authorization": f"Bearer {self._kept[f'{who}_token']}"}
        given: dict[str, Any] = {} if body is None else {"json": self._filled(body)}
        answer = self._http.request(method, API + self._filled(path), headers=headers, **given)
        assert answer.status_code == 200, (route, answer.text)
        return answer.json()

    async def _phone(self, who: Any) -> Phone:
        if who not in self._phones:
            self._phones[who] = phone = Phone(who, strict=False, reconnection=False)
            await phone.connect(self._url, self._kept[f"{who}_token"])
        return self._phones[who]

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._filled(key): self._filled(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._filled(part) for part in value]
        if isinstance(value, str):
            whole = _NAMED.fullmatch(value)
            if whole:
                return self._kept[whole[1]]
            return _NAMED.sub(lambda it: str(self._kept[it[1]]), value)
        return value


def shape(value: Any, name: str = "") -> Any:
    """The types of all parts."""
    if isinstance(value, dict):
        # What is named by ids or keys differs from run to run: it is as a list is.
        if name in {"known", "messages"}:
            return {"*": _together([shape(part) for part in value.values()])}
        return {key: shape(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [_together([shape(part) for part in value])]
    return {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}[type(value)]


def missing(read: Any, now: Any, path: str = "") -> Iterator[str]:
    """What an app read then and cannot read now."""
    if read == "null" or (read == [None] and isinstance(now, list)):
        return
    if isinstance(read, dict) and isinstance(now, dict):
        if "*" in read and "*" in now:
            yield from missing(read["*"], now["*"], f"{path}.*")
            return
        for key, part in read.items():
            if key not in now:
                yield f"{path}.{key} is gone"
            else:
                yield from missing(part, now[key], f"{path}.{key}")
    elif isinstance(read, list) and isinstance(now, list):
        if now != [None]:
            yield from missing(read[0], now[0], f"{path}[]")
    elif read != now:
        yield f"{path} was {read} and is {now}"


def _together(shapes: list[Any]) -> Any:
    """What holds for all of them: fields that each has, null where any is."""
    if not shapes:
        return None
    first, *others = shapes
    for other in others:
        if isinstance(first, dict) and isinstance(other, dict):
            first = {key: _together([part, other[key]]) for key, part in first.items() if key in other}
        elif isinstance(first, list) and isinstance(other, list):
            inner = [it[0] for it in (first, other) if it[0] is not None]
            first = [_together(inner)]
        elif first != other:
            first = "null"
    return first


def _part(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value[int(name) if isinstance(value, list) else name]
    return value


async def _record(steps: list[dict[str, Any]], url: str) -> None:
    player = Player(url)
    try:
        for step in steps:
            step["shape"] = shape(await player.play(step))
    finally:
        await player.close()


def main() -> None:
    """Play a file's steps to a server, and write what they were answered."""
    path, url = Path(sys.argv[1]), sys.argv[2]
    recorded = json.loads(path.read_text("utf-8"))
    asyncio.run(_record(recorded["steps"], url))
    lines = [json.dumps(step, ensure_ascii=False) for step in recorded.pop("steps")]
    head = json.dumps(recorded, ensure_ascii=False)[:-1]
    path.write_text(head + ', "steps": [\n' + ",\n".join(lines) + "\n]}\n", "utf-8")
