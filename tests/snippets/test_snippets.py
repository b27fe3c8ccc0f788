"""Every snippet of the README and of docs/ does what its page says, at a server that goes and comes back."""

import asyncio
import json
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.services.dialogue import Dialogue
from tests.services.gochat import GoChatServer
from tests.snippets import programs
from tests.snippets.fences import ROOT, write
from tests.wire.account import Account, register
from tests.wire.phone import message

WITHIN_S = 120
SOON_EXPIRING = {"ACCESS_TOKEN_TTL_S": "62", "RATES": "all=off", "ARGON2_MEMORY_KIB": "8192"}
"""Of access tokens `auth:expiring` comes 60 s before their end: here at once, and again and again."""
MANY = 23
LONG = "before " + 4_000 * "x"
"""So many conversations with a message of that length are more than the first page of a sync holds."""
OLD = 120
"""Messages of one of them: more than come with a conversation that is told whole."""


# Kotlin's compiler alone may take a minute of a busy machine.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GoChatServer]:
    (tmp_path / "server").mkdir()
    with GoChatServer(tmp_path / "server", SOON_EXPIRING) as running:
        yield running


@pytest.fixture
def http(server: GoChatServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        yield client


class Scene:
    """Ann, whose phone runs what is tested, and Ben, with whom she has many conversations."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http
        others = [register(http, name).id for name in ("cat", "dan")]
        for name in ("ann", "ben"):
            register(http, name)
        group = {"kind": "group", "member_ids": [self.ann.id, *others]}
        self.ids = [self.ben.post("/conversations", group)["conversation"]["id"] for _ in range(MANY)]
        for cid in self.ids:
            self.say(LONG, cid)
        self.last = self.ids[-1]

    def write_history(self) -> str:
        """A conversation of which no sync brings all; its id."""
        for number in range(OLD):
            self.say(f"message {number}", self.ids[1])
        return str(self.ids[1])

    @property
    def ann(self) -> Account:
        return self._logged_in("ann")

    @property
    def ben(self) -> Account:
        return self._logged_in("ben")

    def _logged_in(self, name: str) -> Account:
        """With a token that has not ended: the server's end soon."""
        login = {"username": name, "password": f"secret-{name}"}
        it = self._http.post("/api/v1/auth/login", json=login).raise_for_status().json()
        return Account(name, it["user"]["id"], it["access_token"], it["refresh_token"], self._http)

    def say(self, text: str, conversation_id: str | None = None) -> None:
        self.ben.post("/messages", message(conversation_id or self.last, text))

    def leave(self, name: str, conversation_id: str) -> None:
        """Another member goes, and the server says so in the group."""
        self._logged_in(name).post("/conversations/quit", {"conversation_ids": [conversation_id]})

    @property
    def truth(self) -> dict[str, list[list[Any]]]:
        """What everybody should hold: seq and body of all messages."""
        ben = self.ben
        return {cid: [[it["seq"], it["body"]] for it in ben.history(cid)] for cid in self.ids}


@pytest.fixture
def scene(http: httpx2.Client) -> Scene:
    return Scene(http)


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)  # between two questions


def started(command: list[str | Path], server: GoChatServer, directory: Path) -> Dialogue:
    return Dialogue([*command, server.url, "ann", "secret-ann"], directory / "program.log")


def ask(program: Dialogue) -> Any:
    program.send({"do": "state"})
    return program.receive(WITHIN_S)


@pytest.mark.parametrize("snippet", [programs.chat_ts, programs.chat_kt], ids=["web", "android"])
def test_a_quickstart(
    snippet: Callable[[Path], list[str | Path]], server: GoChatServer, scene: Scene, tmp_path: Path
) -> None:
    old = scene.write_history()
    with started(snippet(tmp_path), server, tmp_path) as program:
        until(lambda: len(ask(program)) == MANY)
        assert len(ask(program)[old]) < OLD
        program.send({"do": "older", "conversation_id": old})
        until(lambda: bool(ask(program) == scene.truth))
        scene.say("live")
        program.send({"do": "send", "conversation_id": scene.last, "body": "from the phone"})
        until(lambda: len(scene.truth[scene.last]) == 3 and ask(program) == scene.truth)
        server.restart()
        program.send({"do": "send", "conversation_id": scene.last, "body": "while it was away"})
        scene.say("before it was back", scene.ids[0])
        until(lambda: len(scene.truth[scene.last]) == 4 and ask(program) == scene.truth)


def test_the_phone_in_full(server: GoChatServer, scene: Scene, tmp_path: Path) -> None:
    def is_true(program: Dialogue) -> bool:
        state = ask(program)
        listed = scene.ann.get("/conversations", limit=100)["conversations"]
        unread = {it["id"]: it["me"]["unread"] for it in listed}
        return bool(state.get("held") == scene.truth and state["unread"] == unread)

    old, told = scene.write_history(), scene.ids[3]
    with started(programs.phone_kt(tmp_path), server, tmp_path) as program:
        until(lambda: len(ask(program).get("held", ())) == MANY)
        while not is_true(program):
            for cid in scene.ids:
                program.send({"do": "older", "conversation_id": cid})
        assert ask(program)["unread"][old] == OLD + 1
        scene.say("live")
        scene.leave("cat", told)
        while len((state := ask(program))["held"][told]) < 2:
            pass
        assert state["unread"][told] == 1  # what the server says of a group is never unread
        program.send({"do": "show", "conversation_id": scene.ids[1]})
        program.send({"do": "send", "conversation_id": scene.last, "body": "from the phone"})
        until(lambda: len(scene.truth[scene.last]) == 3 and is_true(program))
        program.send({"do": "read", "conversation_id": told, "seq": 1})
        until(lambda: is_true(program))
        server.restart()
        scene.leave("dan", told)
        program.send({"do": "send", "conversation_id": scene.last, "body": "while it was away"})
        program.send({"do": "read", "conversation_id": scene.ids[0], "seq": 1})
        scene.say("two", scene.ids[2])
        until(lambda: len(scene.truth[scene.last]) == 4 and is_true(program))
        assert ask(program)["unread"][scene.ids[0]] == 0


def test_the_client_for_terminals(server: GoChatServer, scene: Scene, tmp_path: Path) -> None:
    shown: list[str] = []

    def shows() -> list[str]:
        return sorted(f"{cid} {seq} {body}" for cid, said in scene.truth.items() for seq, body in said)

    def see_all(program: Dialogue) -> None:
        while sorted(shown) != shows():
            shown.append(program.receive_line(WITHIN_S).rstrip("\n"))

    with started(programs.chat_mjs(tmp_path), server, tmp_path) as program:
        see_all(program)
        scene.say("live")
        see_all(program)
        program.write("from the terminal\n")
        see_all(program)
        server.restart()
        scene.say("while it was away")
        see_all(program)
        program.write("and again\n")
        see_all(program)
    assert [body for _, body in scene.truth[scene.last]] == [
        LONG, "live", "from the terminal", "while it was away", "and again"
    ]  # fmt: skip


def test_the_connection_in_java(server: GoChatServer, scene: Scene, tmp_path: Path) -> None:
    command = [*programs.connection_java(tmp_path), server.url, scene.ann.token, scene.last]
    with Dialogue(command, tmp_path / "java.log") as program:
        told = program.receive(WITHIN_S)
    assert told["complete"], told
    assert told["ack"]["data"]["message"]["body"] == "from Java"
    assert {"sync", "message:created"} <= set(told["heard"])


def test_the_bot_answers_each_once(server: GoChatServer, scene: Scene, tmp_path: Path) -> None:
    def answered() -> bool:
        return all(_is_answered(scene.ben, cid) for cid in scene.ids)

    command = programs.bot_py(tmp_path)
    with started(command, server, tmp_path):
        until(answered)
        scene.say("live")
        until(answered)
        server.restart()
        scene.say("while it was away")
        until(answered)
    scene.say("while the bot was away")
    with started(command, server, tmp_path):
        until(answered)
    said = [body for _, body in scene.truth[scene.last]]
    assert len(said) == len(set(said)) == 8, said


def _is_answered(ben: Account, conversation_id: str) -> bool:
    """Everything that Ben said has one answer."""
    history = ben.history(conversation_id)
    asked = [it["seq"] for it in history if it["sender_id"] == ben.id]
    answers = [it["reply_to_seq"] for it in history if it["sender_id"] != ben.id]
    assert len(answers) == len(set(answers)), json.dumps(history)
    return asked == answers


def test_a_login_of_ones_own(server: GoChatServer, http: httpx2.Client, tmp_path: Path) -> None:
    key = subprocess.run(
        [Path(sys.executable).with_name("gochat"), "key", "create", "shop", "--why", "a test"],
        cwd=server.directory, capture_output=True, text=True, check=True, timeout=WITHIN_S,
    ).stdout.split()[-1]  # fmt: skip
    (script,) = write(ROOT / "docs/own-login.md", tmp_path)
    chat_login = runpy.run_path(str(script))["chat_login"]

    async def twice() -> list[Any]:
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as backend:
            return [await chat_login(backend, key, "customer-7", "Ann") for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first["user"] == second["user"]
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    account = http.get("/api/v1/me", headers=headers).raise_for_status().json()
    assert account["user"]["display_name"] == "Ann"
