"""What an operator can get wrong ends in one line that names it; and what a server says when it ends."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gochat import __version__
from gochat.storage.migrate import upgrade
from tests.services.gochat import READY_PATH, GoChatServer
from tests.services.redis import Redis

GOCHAT = str(Path(sys.executable).parent / "gochat")
SECRET = "kZ3vQ8tY1pR6wX0bN5mC9dF2gH7jL4sA-uEiOqT"
EX_CONFIG = 78

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def gochat(tmp_path: Path) -> Run:
    """Run `gochat` to its end with exactly these settings."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        command = [GOCHAT, *arguments]
        env = inherited | {"PORT": "0"} | settings
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)

    return run


def assert_refused(done: subprocess.CompletedProcess[str], named: str) -> None:
    """One line, which names the setting and shows no secret."""
    lines = [line for line in done.stderr.splitlines() if line]
    assert done.returncode == EX_CONFIG, done.stderr
    assert len(lines) == 1, done.stderr
    assert named in lines[0].partition(": ")[0], lines
    assert "hunter2" not in done.stderr
    assert SECRET not in done.stderr


def test_version(gochat: Run) -> None:
    assert gochat("--version").stdout == f"gochat {__version__}\n"


def test_config_shows_what_is_in_force_and_no_secret(gochat: Run) -> None:
    done = gochat(
        "config",
        JWT_SECRET=SECRET,
        MYSQL_URL="mysql://ann:hunter2@db:3306/chat?unix_socket=hunter2",
        WORKERS="1",
        JWT_SECRETS_OLD=f"{SECRET[::-1]},{SECRET}x",
    )
    shown = {line.split()[0]: line.partition(" ")[2].strip() for line in done.stdout.splitlines()}
    assert done.returncode == 0
    assert shown["MYSQL_URL"] == "mysql://ann:(hidden)@db:3306/chat"
    assert shown["JWT_SECRET"] == "(hidden)"
    assert shown["JWT_SECRETS_OLD"] == "(hidden),(hidden)"
    assert shown["WORKERS"] == "1"
    assert shown["LOG_LEVEL"] == "(default) info"
    assert not {"hunter2", SECRET} & set(done.stdout.split())
    assert gochat("config", "--json", JWT_SECRET=SECRET).stdout.startswith("{")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"WORKERS": "two"}, "WORKERS"),
        ({"SQLITE_PATH": "no/such/folder/chat.db", "JWT_SECRET": SECRET}, "SQLITE_PATH"),
        ({"SQLITE_PATH": "no/such/folder/chat.db"}, "SQLITE_PATH"),
        ({"HOST": "no-such-name.invalid"}, "HOST"),
        ({"HOST": "192.0.2.1"}, "PORT"),
        ({"RUN_DIR": "/dev/null/run"}, "RUN_DIR"),
        ({"WORKERS": "2"}, "REDIS_URL"),
    ],
    ids=lambda it: it if isinstance(it, str) else ",".join(it),
)
def test_a_start_that_is_refused(gochat: Run, settings: Mapping[str, str], named: str) -> None:
    done = gochat("serve", **settings)
    if settings == {"WORKERS": "2"}:  # two things are missing, one line each
        assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["REDIS_URL", "MYSQL_URL"]
        assert done.returncode == EX_CONFIG
    else:
        assert_refused(done, named)


def test_a_file_that_is_no_database(gochat: Run, tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_text("hunter2 " * 1000)
    assert_refused(gochat("serve", SQLITE_PATH="chat.db"), "SQLITE_PATH")


def test_a_database_that_refuses(gochat: Run, mariadb_url: str) -> None:
    parts = urlsplit(mariadb_url)
    where = f"{parts.hostname}:{parts.port}"
    for workers in ("1", "2"):
        told = {"WORKERS": workers, "REDIS_URL": "redis://127.0.0.1:1", "JWT_SECRET": SECRET}
        done = gochat("serve", MYSQL_URL=f"mysql://ann:hunter2@{where}{parts.path}", **told)
        assert_refused(done, "MYSQL_URL")
    nobody = mariadb_url.rpartition("/")[0] + "/no_such_database"
    assert_refused(gochat("serve", MYSQL_URL=nobody.replace("+pymysql", "")), "MYSQL_URL")
    assert_refused(gochat("migrate", MYSQL_URL=nobody.replace("+pymysql", "")), "MYSQL_URL")


def test_what_is_away_is_waited_for_and_named_once(tmp_path: Path) -> None:
    nowhere = {"MYSQL_URL": "mysql://ann:hunter2@no-such-name.invalid/chat"}
    nowhere |= {"REDIS_URL": "redis://:hunter2@127.0.0.1:1", "WORKERS": "2"}
    with GoChatServer(tmp_path, nowhere, ready_path="/api/v1/health/live") as server:
        assert ready(server)[0] == 503
        process = server.process
        for line in ("database_away", "setting=MYSQL_URL", "redis_away", "setting=REDIS_URL"):
            process.wait_until(lambda line=line: line in process.log, timeout=60)  # type: ignore[misc]
        assert server.stop() == 0
    assert process.log.count("database_away") == 1
    assert "hunter2" not in process.log


def test_a_redis_that_refuses(gochat: Run, redis: Redis) -> None:
    assert_refused(gochat("serve", REDIS_URL=redis.url.replace("://", "://ann:hunter2@")), "REDIS_URL")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken(gochat: Run, mariadb_url: str, redis: Redis, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = gochat(
            "serve",
            PORT=str(taken.getsockname()[1]),
            WORKERS=workers,
            MYSQL_URL=mariadb_url.replace("+pymysql", ""),
            REDIS_URL=redis.url,
        )
    assert_refused(done, "PORT")


def test_a_second_supervisor_is_refused(gochat: Run, tmp_path: Path, mariadb_url: str, redis: Redis) -> None:
    upgrade(mariadb_url)
    settings = {"WORKERS": "2", "MYSQL_URL": mariadb_url, "REDIS_URL": redis.url}
    with GoChatServer(tmp_path, settings) as first:
        assert_refused(gochat("serve", PORT=str(first.port), **settings), "PORT")


def test_a_second_server_on_one_sqlite_file_is_refused(gochat: Run, tmp_path: Path) -> None:
    with GoChatServer(tmp_path, {"SQLITE_PATH": "chat.db"}) as first:
        done = gochat("serve", SQLITE_PATH="chat.db")
        assert_refused(done, "SQLITE_PATH")
        assert str(first.process.pid) in done.stderr
        first.stop()
        first.start()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--why", ""],
        ["--why", " \t"],
        ["--why", "\N{ZERO WIDTH SPACE}"],
        ["--why", "a\nb"],
        ["--why", "a\x1b[2Jb"],
        ["--why", "x", "--as", "a\nb"],
        ["--why", os.fsdecode(b"\xff")],
    ],
    ids=ascii,
)
def test_what_is_on_the_record_says_something_in_one_line(gochat: Run, arguments: list[str]) -> None:
    assert gochat("migrate").returncode == 0
    done = gochat("user", "invite", *arguments)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)
    assert gochat("log").stdout == "(none)\n"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101, "\N{RIGHT-TO-LEFT OVERRIDE}x"], ids=ascii)
def test_a_name_that_no_phone_could_give_is_none_of_the_operators_either(gochat: Run, name: str) -> None:
    assert gochat("migrate").returncode == 0
    done = gochat("user", "create", "ann", "--why", "x", "--display-name", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("display_name: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_argument_that_is_no_text_is_named(gochat: Run) -> None:
    done = gochat("user", "find", os.fsdecode(b"a\xff"))
    assert (done.returncode, done.stderr) == (2, "argument 3: its bytes are not UTF-8\n")


@pytest.mark.parametrize("command", [["queue"], ["user", "why"], ["user", "follow"]], ids=" ".join)
def test_that_nobody_could_be_asked_is_said(gochat: Run, tmp_path: Path, command: list[str]) -> None:
    gone = tmp_path / "run" / "8000-0.sock"
    gone.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(gone))
    user = [] if command == ["queue"] else ["0123456789abcdef"]
    done = gochat(*command, *user, PORT="8000", RUN_DIR=str(gone.parent))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No process of these settings (PORT, RUN_DIR) runs on this machine")


def ready(server: GoChatServer) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", READY_PATH)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_before_it_stops_listening_it_says_that_it_is_not_ready(tmp_path: Path) -> None:
    with GoChatServer(tmp_path, {"LAME_DUCK_SECONDS": "600", "DRAIN_SECONDS": "0"}) as server:
        process = server.process
        process.signal(signal.SIGTERM)
        process.wait_until(lambda: ready(server)[0] != 200, timeout=60)
        status, body = ready(server)
        assert (status, b'"server":"ending"' in body) == (503, True)
        process.signal(signal.SIGINT)  # who can't wait
        assert server.stop() == 0
