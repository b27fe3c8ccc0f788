"""A copy is restored into a fresh server by the commands of docs/operations.md; phones of before go on."""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import make_url

from gochat.storage.migrate import upgrade as migrate
from tests.faults.conftest import SETTINGS
from tests.services.gochat import GoChatServer
from tests.services.mariadb import MariaDB
from tests.services.mysqld import PlainMySQL
from tests.services.programs import MARIADB_BACKUP, MARIADB_CLIENTS, MYSQL_CLIENTS, require
from tests.services.sql_server import SQLServer, data_directory
from tests.snippets.fences import ROOT, fences
from tests.wire.account import Account, register
from tests.wire.phone import Phone, message

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

COMMANDS = {it.file: it.text for it in fences(ROOT / "docs/operations.md") if it.file}
KEPT, LOST = 3, 2


@dataclass
class Chatting:
    """Two phones at a server, and what they know when it ends."""

    server: GoChatServer
    ann: Account
    ben: Account
    cid: str
    sent: list[dict[str, Any]] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)

    async def send(self, count: int) -> None:
        """Ann sends, and Ben hears."""
        ann, ben = Phone("ann"), Phone("ben")
        await ann.connect(self.server.url, self.ann.token)
        await ben.connect(self.server.url, self.ben.token)
        await ben.expect_ok("sync", {})
        for _ in range(count):
            self.sent.append(message(self.cid, f"{len(self.sent)}"))
            await ann.expect_ok("message:send", self.sent[-1])
        await ben.expect_event(
            "message:created", lambda it: it["messages"][-1]["body"] == self.sent[-1]["body"]
        )
        synced = await ben.expect_ok("sync", {})
        self.known = {
            "epoch": synced["epoch"],
            "known": {it["conversation_id"]: it["revision"] for it in synced["conversations"]},
        }
        await ann.close()
        await ben.close()

    async def go_on(self, url: str, kept: int) -> None:
        """The same phones at what was restored: they fetch anew; what was lost is sent again and heard."""
        ann, ben = Phone("ann"), Phone("ben")
        await ann.connect(url, self.ann.token)
        await ben.connect(url, self.ben.token)
        for phone in (ann, ben):
            synced = await phone.expect_ok("sync", self.known)
            assert synced["epoch"] != self.known["epoch"]
            (delta,) = synced["conversations"]
            assert delta["since"] == 0
            assert [it["body"] for it in delta["messages"]] == [it["body"] for it in self.sent[:kept]]
        for n, payload in enumerate(self.sent[kept - 1 :], kept):
            stored = await ann.expect_ok("message:send", payload)
            assert stored["message"]["seq"] == n  # the last that was kept is not stored again
        last = self.sent[-1]["client_message_id"]
        await ben.expect_message(lambda it: it["client_message_id"] == last)
        await ann.close()
        await ben.close()


def chat(server: GoChatServer) -> Chatting:
    with httpx2.Client(base_url=server.url, timeout=60) as http:
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
    return Chatting(server, ann, ben, created["conversation"]["id"])


OF_MYSQL = {
    "--master-data": "--source-data",
    "mariadb-dump": "mysqldump",
    "mariadb-binlog": "mysqlbinlog",
    "mariadb ": "mysql ",
}
"""What the docs say that MySQL's tools are called, by MariaDB's."""


class Shell:
    """Where the docs' commands are run: an operator's, with a `~/.my.cnf` of the database server.

    `names` are what is called otherwise there.
    """

    def __init__(self, home: Path, names: Mapping[str, str] | None = None) -> None:
        self._home = home
        self._names = names or {}
        places = (home / "bin", Path(sys.executable).parent, os.environ["PATH"])
        self.env = {"HOME": str(home), "PATH": os.pathsep.join(map(str, places))}
        self.env |= {"COPY": str(home / "copy"), **SETTINGS, "REPLICAS": "1"}

    def at(self, server: SQLServer) -> None:
        """From now on they are for this database server."""
        text = f"[client]\nhost=127.0.0.1\nport={server.port}\nuser=root\n"
        (self._home / ".my.cnf").write_text(text)
        self.env["MYSQL_URL"] = url_of(server)

    def run(self, name: str, but: str = "", **more: str) -> None:
        """Run the commands that the docs call so, but those that are `but`."""
        text = COMMANDS[name].replace(but, "")
        for theirs, ours in self._names.items():
            text = text.replace(theirs, ours)
        self.command(text, **more)

    def command(self, text: str, **more: str) -> None:
        """Run this."""
        command = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(
            command,
            env=self.env | more,
            cwd=self._home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{text}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.fixture(params=[MariaDB, PlainMySQL])
def kind(request: pytest.FixtureRequest) -> type[SQLServer]:
    """Each server with its own tools."""
    server: type[SQLServer] = request.param
    return server


@pytest.fixture
def shell(kind: type[SQLServer], tmp_path: Path) -> Shell:
    if kind is MariaDB:
        for program in (MARIADB_CLIENTS, MARIADB_BACKUP):
            require(program)
        return Shell(tmp_path)
    (tmp_path / "bin").mkdir()
    for name in ("mysqldump", "mysqlbinlog", "mysql"):
        command = tmp_path / "bin" / name
        command.write_text(f'#!/bin/sh\nexec {shlex.join(MYSQL_CLIENTS.also(name))} "$@"\n')
        command.chmod(0o755)
    return Shell(tmp_path, OF_MYSQL)


@pytest.fixture
def source(kind: type[SQLServer]) -> Iterator[SQLServer]:
    with data_directory() as directory, kind(directory) as server:
        with closing(server.admin()) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE gochat")
        migrate(url_of(server))
        yield server


@pytest.fixture
def fresh(kind: type[SQLServer]) -> Iterator[SQLServer]:
    with data_directory() as directory, kind(directory) as server:
        yield server


def url_of(server: SQLServer) -> str:
    return make_url(server.url).set(database="gochat").render_as_string(hide_password=False)


def settings(server: SQLServer) -> Mapping[str, str]:
    return {**SETTINGS, "REPLICAS": "1", "MYSQL_URL": url_of(server)}


async def test_a_dump(source: SQLServer, fresh: SQLServer, shell: Shell, tmp_path: Path) -> None:
    with GoChatServer(tmp_path, settings(source)) as server:
        chatting = chat(server)
        await chatting.send(KEPT)
        shell.at(source)
        shell.run("dump.sh")
        await chatting.send(LOST)
    shell.at(fresh)
    shell.run("dump-restore.sh")
    with GoChatServer(tmp_path, settings(fresh)) as server:
        await chatting.go_on(server.url, KEPT)


@pytest.mark.parametrize(("kind", "copy"), [(MariaDB, "physical"), (PlainMySQL, "clone")])
async def test_a_physical_copy(
    source: SQLServer, fresh: SQLServer, shell: Shell, tmp_path: Path, copy: str
) -> None:
    with GoChatServer(tmp_path, settings(source)) as server:
        chatting = chat(server)
        await chatting.send(KEPT)
        shell.at(source)
        shell.run(f"{copy}.sh")
        await chatting.send(LOST)
    fresh.stop()
    shutil.rmtree(fresh.data)
    shell.run(f"{copy}-restore.sh", DATA=str(fresh.data))
    fresh.start()
    shell.at(fresh)
    shell.command("gochat restored")
    with GoChatServer(tmp_path, settings(fresh)) as server:
        await chatting.go_on(server.url, KEPT)


async def test_a_point_in_time(source: SQLServer, fresh: SQLServer, shell: Shell, tmp_path: Path) -> None:
    """A dump, and the log from then until a moment between two messages, over several of its files."""
    with GoChatServer(tmp_path, settings(source)) as server:
        chatting = chat(server)
        await chatting.send(1)
        shell.at(source)
        shell.run("dump.sh")
        await chatting.send(1)
        with closing(source.admin()) as connection, connection.cursor() as cursor:
            cursor.execute("FLUSH BINARY LOGS")
        await chatting.send(KEPT - 2)
        until = int(time.time()) + 2
        await asyncio.sleep(until + 1.5 - time.time())  # the log counts whole seconds
        await chatting.send(LOST)
    shell.at(fresh)
    shell.run("dump-restore.sh", but="gochat restored\n")
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(until))
    shell.run("binlog-restore.sh", LOGS=str(source.data), UNTIL=moment)
    with GoChatServer(tmp_path, settings(fresh)) as server:
        await chatting.go_on(server.url, KEPT)


async def test_a_copy_of_sqlite(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    with GoChatServer(tmp_path, SETTINGS | {"REPLICAS": "1"}) as server:
        chatting = chat(server)
        await chatting.send(KEPT)
        shell.run("sqlite-copy.sh")
        await chatting.send(LOST)
    shell.run("sqlite-restore.sh")
    with GoChatServer(tmp_path, SETTINGS | {"REPLICAS": "1"}) as server:
        await chatting.go_on(server.url, KEPT)
