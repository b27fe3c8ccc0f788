"""The client's address behind a proxy is one for long-polling, for websockets and for REST."""

import http.client
from pathlib import Path

import pytest

from tests.services.gochat import GoChatServer
from tests.wire.conftest import SETTINGS

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Edge:
    """A proxy that says where requests come from, after what they say themselves."""

    def __init__(self, server: GoChatServer) -> None:
        self._server = server
        self._open: list[http.client.HTTPConnection] = []

    def opens(self, transport: str, address: str, said: str) -> int:
        """The status of a handshake; what came of it stays open."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=10)
        self._open.append(connection)
        headers = {"X-Forwarded-For": f"{said}, {address}"} | (UPGRADE if transport == "websocket" else {})
        connection.request("GET", f"/socket.io/?EIO=4&transport={transport}", headers=headers)
        return connection.getresponse().status

    def close(self) -> None:
        for connection in self._open:
            connection.close()


@pytest.mark.parametrize("proxies", ["*", "127.0.0.0/8"])
def test_what_a_client_says_itself_is_not_its_address(tmp_path: Path, proxies: str) -> None:
    settings = SETTINGS | {"FORWARDED_ALLOW_IPS": proxies, "SOCKETS_PER_ADDRESS": "2"}
    with GoChatServer(tmp_path, settings) as server:
        edge = Edge(server)
        try:
            assert edge.opens("polling", "203.0.113.1", "198.51.100.1") == 200
            assert edge.opens("websocket", "203.0.113.1", "198.51.100.2") == 101
            for transport in ("polling", "websocket"):
                assert edge.opens(transport, "203.0.113.1", "198.51.100.3") == 429
            assert edge.opens("websocket", "203.0.113.2", "203.0.113.1") == 101
        finally:
            edge.close()


def test_a_proxy_that_is_not_named_is_itself_the_client(tmp_path: Path) -> None:
    settings = SETTINGS | {"FORWARDED_ALLOW_IPS": "192.0.2.1", "SOCKETS_PER_ADDRESS": "1"}
    with GoChatServer(tmp_path, settings) as server:
        edge = Edge(server)
        try:
            assert edge.opens("websocket", "203.0.113.1", "198.51.100.1") == 101
            assert edge.opens("websocket", "203.0.113.2", "198.51.100.2") == 429
            assert "forwarded_address_not_believed" in (tmp_path / f"server-{server.port}.log").read_text()
        finally:
            edge.close()
