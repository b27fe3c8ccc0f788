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

    def opens(self, transport: str, address: str, said: str, real: str | None = None) -> int:
        """The status of a handshake; what came of it stays open."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)
        self._open.append(connection)
        headers = {"X-Forwarded-For": f"{said}, {address}"} | (UPGRADE if transport == "websocket" else {})
        if real is not None:
            headers["X-Real-IP"] = real
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


def test_all_that_one_customer_has_of_ipv6_is_one_address(tmp_path: Path) -> None:
    with GoChatServer(tmp_path, SETTINGS | {"SOCKETS_PER_ADDRESS": "1"}) as server:
        edge = Edge(server)
        try:
            assert edge.opens("polling", "2001:db8:1:1::1", "::1") == 200
            assert edge.opens("websocket", "2001:db8:1:1:ffff:ffff:ffff:ffff", "::2") == 429
            assert edge.opens("websocket", "2001:db8:1:2::1", "::3") == 101
            assert edge.opens("polling", "2001:db8:1:2::2", "::4") == 429
            # IPv4 written as IPv6 is IPv4: else all of it would be one customer's.
            assert edge.opens("websocket", "::ffff:203.0.113.1", "::5") == 101
            assert edge.opens("polling", "::ffff:203.0.113.2", "::6") == 200
            assert edge.opens("websocket", "203.0.113.2", "::7") == 429
        finally:
            edge.close()


@pytest.mark.parametrize("believed", [True, False])
def test_x_real_ip_counts_where_it_is_said_to(tmp_path: Path, believed: bool) -> None:
    settings = SETTINGS | {"SOCKETS_PER_ADDRESS": "1", "FORWARDED_REAL_IP": str(believed)}
    with GoChatServer(tmp_path, settings) as server:
        edge = Edge(server)
        try:
            assert edge.opens("polling", "192.0.2.1", "198.51.100.1", "203.0.113.1") == 200
            # The same by X-Real-IP, another by X-Forwarded-For; and the other way round.
            same_real = edge.opens("websocket", "192.0.2.2", "198.51.100.1", "203.0.113.1")
            same_forwarded = edge.opens("websocket", "192.0.2.1", "198.51.100.1", "203.0.113.2")
            assert (same_real, same_forwarded) == ((429, 101) if believed else (101, 429))
        finally:
            edge.close()


def test_x_real_ip_of_a_proxy_that_is_not_named_is_not_believed(tmp_path: Path) -> None:
    names = {"FORWARDED_ALLOW_IPS": "192.0.2.1", "FORWARDED_REAL_IP": "true"}
    with GoChatServer(tmp_path, SETTINGS | names | {"SOCKETS_PER_ADDRESS": "1"}) as server:
        edge = Edge(server)
        try:
            assert edge.opens("websocket", "192.0.2.9", "198.51.100.1", "203.0.113.1") == 101
            assert edge.opens("polling", "192.0.2.9", "198.51.100.1", "203.0.113.2") == 429
        finally:
            edge.close()
