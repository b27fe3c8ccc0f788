"""Connections as phones and proxies make them to the whole server, and as its settings have them kept."""

import http.client
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.gochat import GoChatServer
from tests.wire.conftest import SETTINGS
from tests.wire.engine.test_http import H2C, WEBSOCKET
from tests.wire.engine.wire import Poller, Ws, answer, request

POLLING = "/socket.io/?EIO=4&transport=polling"
LIVE = "/api/v1/health/live"


@pytest.mark.parametrize("path", [POLLING, LIVE])
def test_how_long_an_idle_connection_is_kept_is_told_and_kept(tmp_path: Path, path: str) -> None:
    with GoChatServer(tmp_path, SETTINGS | {"KEEP_ALIVE_S": "2"}) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for _ in range(2):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            assert response.headers["keep-alive"] == "timeout=2"
            assert response.headers.get("connection") != "close"
        sock = connection.sock
        assert sock is not None
        rests = time.monotonic()
        assert sock.recv(1) == b""
        assert time.monotonic() - rests > 1.5
        connection.close()


def test_a_connection_is_kept_longer_than_proxies_do_unless_said_otherwise(own: GoChatServer) -> None:
    for path in (POLLING, LIVE):
        connection = http.client.HTTPConnection("127.0.0.1", own.port, timeout=30)
        connection.request("GET", path)
        assert connection.getresponse().headers["keep-alive"] == "timeout=75"
        connection.close()


@pytest.mark.parametrize(
    ("settings", "interval", "timeout"),
    [({}, 25_000, 20_000), ({"PING_INTERVAL_S": "8.5", "PING_TIMEOUT_S": "7"}, 8_500, 7_000)],
)
def test_pings_are_as_they_are_set(
    tmp_path: Path, settings: dict[str, str], interval: int, timeout: int
) -> None:
    with GoChatServer(tmp_path, SETTINGS | settings) as server, Ws(server.port) as ws:
        for handshake in (Poller(server.port).handshake, ws.open()):
            assert (handshake["pingInterval"], handshake["pingTimeout"]) == (interval, timeout)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_one_host_serves_both_families(tmp_path: Path, workers: str, request: pytest.FixtureRequest) -> None:
    settings = dict(SETTINGS)
    if workers != "1":
        settings |= {
            "WORKERS": workers,
            "MYSQL_URL": request.getfixturevalue("mariadb_url"),
            "REDIS_URL": request.getfixturevalue("redis_url"),
        }
    command = ("sh", "-c", f"HOST=:: exec {Path(sys.executable).parent / 'gochat'} serve --migrate")
    with GoChatServer(tmp_path, settings, command) as server:
        for host in ("127.0.0.1", "::1"):
            connection = http.client.HTTPConnection(host, server.port, timeout=30)
            connection.request("GET", LIVE)
            assert connection.getresponse().status == 200
            connection.close()


@pytest.fixture(scope="module", params=["", "false"], ids=["apps", "no apps"])
def production(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[GoChatServer, bool]]:
    """A server in production, and whether apps of web pages are let in."""
    settings = SETTINGS | {
        "GOCHAT_ENV": "production", "SQLITE_PATH": "gochat.db", "ALLOW_APP_ORIGINS": request.param,
        "ALLOWED_ORIGINS": "https://App.example.com:443",
    }  # fmt: skip
    with GoChatServer(tmp_path_factory.mktemp("production"), settings) as server:
        yield server, not request.param


@pytest.mark.parametrize(
    ("origin", "is_app", "good"),
    [
        (None, False, True),
        ("https://app.example.com", False, True),
        ("wss://chat.example.com", False, True),  # Starscream, of the Swift library
        ("https://chat.example.com", False, True),  # React Native
        ("capacitor://localhost", True, True),
        ("ionic://localhost", True, True),
        ("file://", True, True),
        ("null", True, True),
        ("https://evil.example.com", False, False),
        ("http://localhost:3000", False, False),
    ],
)
def test_who_is_let_in_in_production(
    production: tuple[GoChatServer, bool], origin: str | None, is_app: bool, good: bool
) -> None:
    server, apps = production
    good &= apps or not is_app
    headers = {"Host": "chat.example.com"} | ({} if origin is None else {"Origin": origin})
    assert request(server.port, "GET", POLLING, headers=headers)[0] == (200 if good else 403)
    line = "" if origin is None else f"Origin: {origin}\r\n"
    with Ws(server.port, headers=line, host="chat.example.com") as ws:
        assert ws.status == (101 if good else 403)


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET], ids=["h2c", "a websocket"])
def test_rest_is_served_whatever_is_offered_beside(own: GoChatServer, offer: str) -> None:
    """By the JDK's HttpClient, Ktor and curl, or by a proxy."""
    account = b'{"username":"ann","password":"secret-of-ann"}'
    head = f"HTTP/1.1\r\nHost: x\r\n{offer}"
    with socket.create_connection(("127.0.0.1", own.port), 30) as client:
        for path in ("register", "login"):
            length = f"Content-Type: application/json\r\nContent-Length: {len(account)}\r\n\r\n"
            client.sendall(f"POST /api/v1/auth/{path} {head}{length}".encode())
            client.sendall(account)
            status, body = answer(client)
            assert (status, '"access_token"' in body) == (200, True)
        client.sendall(f"GET {LIVE} {head}\r\n".encode())
        assert answer(client)[0] == 200
