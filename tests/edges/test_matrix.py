"""Phones on every library, transport and round trip, behind what stands between phones and servers.

Two processes on MariaDB and Redis; the balancing proxies are not sticky. Each library stands behind each
edge, and of transports, round trips, libraries and edges each pair is met by some phone. All live through the
same: refused and expired tokens, a network that is lost and found with another address, a process killed, one
drained, sleep. All that they write is acked once and heard once, in order.
"""

import heapq
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gochat.storage.migrate import upgrade as migrate
from tests.edges.app import App
from tests.edges.network import Network, network
from tests.edges.proxies import NGINX_WAYS, Haproxy, Nginx
from tests.services.balancer import balancer
from tests.services.dialogue import Dialogue
from tests.services.gochat import GoChatServer
from tests.services.java import JavaClient
from tests.services.node import NodeClient
from tests.services.programs import JAVA, require
from tests.wire.account import register
from tests.wire.conftest import SETTINGS
from tests.wire.test_metrics import TOKEN, read, total
from tests.wire.tokens import minted

pytestmark = pytest.mark.timeout(1_500)

PROGRAMS = {
    "sio48": "node", "sio44": "node", "sio40": "node", "sio31": "node",
    "java": "java",
    "swift": "models", "csharp": "models", "dart": "models", "python": "models",
}  # fmt: skip
"""The program in which each library runs."""
TRANSPORTS = (["websocket"], ["polling"], ["polling", "websocket"])
ROUND_TRIPS_S = (0, 0.06, 0.15)
NO_WEBSOCKETS = "nginx http/1.0"
OFFLINE, LATER = 300, 10
TEXT = "👩‍👩‍👧‍👦 é 你好 " * 25
"""As long as makes 200 kB of what is written offline."""
LARGE = 200_000
LONG, LONG_ONES = "👋" * 7_990, 7
"""What makes as much of one page."""
PAGE = 5
"""The fewest messages of a conversation that is told from its beginning, which is not all of it."""
PATIENCE_S = 600
"""For what takes seconds on an idle machine."""
PING_S = 8


class Matrix:
    """The servers, the network, and a phone in each cell."""

    def __init__(self, servers: list[GoChatServer], air: Network, edges: dict[str, str]) -> None:
        self.servers, self.network, self.edges = servers, air, edges
        self.programs: dict[str, Dialogue] = {}
        self.phones: dict[str, App] = {}
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something in some time."""
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), do))

    def add(self, http: httpx2.Client, edge: str, library: str, transports: list[str], trip_s: float) -> None:
        """A phone, which has not connected yet."""
        name = f"{library}, {'+'.join(transports)}, {edge}, {trip_s * 1000:.0f} ms"
        account = register(http, f"u{uuid.uuid4().hex[:12]}")
        body = {"kind": "group", "title": edge, "member_ids": []}
        conversation = account.post("/conversations", body)["conversation"]
        program = self.programs[PROGRAMS[library]]
        phone = App(name, program, library, transports, account, conversation, self.later)
        scheme, _, port = self.edges[edge].rpartition(":")
        phone.open(f"{scheme}:{self.network.way(int(port), trip_s)}", "nonsense")
        self.phones[name] = phone

    def until_all(self, is_so: Callable[[App], bool]) -> None:
        """Listen until it is so of all phones; else tell of which it is not."""
        left = list(self.phones.values())

        def all_are_so() -> bool:
            left[:] = [phone for phone in left if not is_so(phone)]
            return not left

        if not self.listen(all_are_so):
            told = "\n".join(f"{phone.name}: {phone.tell()}" for phone in left[:10])
            pytest.fail(f"{len(left)} of {len(self.phones)} phones:\n{told}")

    def listen(self, is_over: Callable[[], bool]) -> bool:
        """Take what phones say; return whether it was over within the time that this may take."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_over():
            if time.monotonic() > deadline:
                return False
            heard = False
            for program in self.programs.values():
                heard |= self._take(program)
            while self._later and self._later[0][0] < time.monotonic():
                heapq.heappop(self._later)[2]()
            if not heard:
                threading.Event().wait(0.02)
        return True

    def _take(self, program: Dialogue) -> bool:
        for number in range(1_000):
            try:
                line = program.receive(0)
            except TimeoutError:
                return number > 0
            self.phones[line["phone"]].take(line)
        return True

    def until_all_is_well(self) -> None:
        """All that was written is acked, and heard once, in order."""
        self.until_all(lambda phone: phone.is_well(PAGE))
        for phone in self.phones.values():
            assert phone.refused == [], phone.name

    def write(self, count: int) -> None:
        for phone in self.phones.values():
            phone.write(*(f"{number} {TEXT}" for number in range(count)))


def cells() -> Iterator[tuple[str, str, list[str], float]]:
    """Each library behind each edge; transports and round trips so that each pair of all four is met."""
    for number, library in enumerate(PROGRAMS):
        for place, edge in enumerate(EDGES):
            transports = TRANSPORTS[(number + place) % 3]
            if edge == NO_WEBSOCKETS and ("polling" not in transports or library == "csharp"):
                transports = ["polling"]
            yield edge, library, transports, ROUND_TRIPS_S[(number + place // 3) % 3]


EDGES = ("direct", *NGINX_WAYS, "nginx TLS", "nginx kept TLS", "haproxy", "round robin")


def open_edges(stack: ExitStack, folder: Path, ports: list[int]) -> dict[str, str]:
    """Start what stands between; return the address of each."""
    edges = {"direct": f"http://127.0.0.1:{ports[0]}"}
    for edge in EDGES:
        if edge.startswith("nginx"):
            way, tls = edge.removesuffix(" TLS"), edge.endswith(" TLS")
            nginx = stack.enter_context(Nginx(folder / named(edge), ports, way, tls=tls))
            edges[edge] = f"http{'s' * tls}://127.0.0.1:{nginx.port}"
    edges["haproxy"] = f"http://127.0.0.1:{stack.enter_context(Haproxy(folder / 'haproxy', ports)).port}"
    edges["round robin"] = f"http://127.0.0.1:{stack.enter_context(balancer(ports))}"
    return edges


def named(edge: str) -> str:
    """The folder of an edge."""
    return edge.replace(" ", "_").replace("/", "_")


@contextmanager
def trusting(folder: Path) -> Iterator[None]:
    """Programs that are started trust the edges' certificates."""
    certificates = [folder / named(edge) / "cert.pem" for edge in EDGES if edge.endswith(" TLS")]
    together, store = folder / "trusted.pem", folder / "trusted.p12"
    together.write_text("".join(certificate.read_text() for certificate in certificates))
    for certificate in certificates:
        keytool = [str(require(JAVA).with_name("keytool")), "-importcert", "-noprompt"]
        which = ["-alias", certificate.parent.name, "-file", str(certificate)]
        to = ["-keystore", str(store), "-storetype", "PKCS12", "-storepass", "changeit"]
        subprocess.run([*keytool, *which, *to], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NODE_EXTRA_CA_CERTS", str(together))
        environment.setenv("SSL_CERT_FILE", str(together))
        trust = f"-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStorePassword=changeit"
        environment.setenv("JAVA_TOOL_OPTIONS", trust)
        yield


@pytest.fixture(scope="module")
def matrix(mariadb: Any, redis: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("edges")
    with ExitStack() as stack:
        url = mariadb.create_database()
        stack.callback(mariadb.drop_database, url)
        migrate(url)
        settings = SETTINGS | {
            "MYSQL_URL": url, "REDIS_URL": redis.url, "REPLICAS": "2", "FORWARDED_ALLOW_IPS": "127.0.0.1",
            "DRAIN_SECONDS": "1", "RATES": "register@address=off", "METRICS_TOKEN": TOKEN,
            "PING_INTERVAL_S": str(PING_S), "PING_TIMEOUT_S": str(PING_S),
        }  # fmt: skip
        servers = [stack.enter_context(GoChatServer(folder, settings)) for _ in range(2)]
        edges = open_edges(stack, folder, [server.port for server in servers])
        stack.enter_context(trusting(folder))
        matrix = Matrix(servers, stack.enter_context(network()), edges)
        matrix.programs = {
            "node": stack.enter_context(NodeClient("client.js", log=folder / "node.log")),
            "java": stack.enter_context(JavaClient(folder / "java.log", okhttp4=True)),
            "models": stack.enter_context(
                Dialogue([sys.executable, "-m", "tests.edges.models"], folder / "models.log")
            ),
        }
        http = stack.enter_context(httpx2.Client(base_url=servers[0].url, timeout=60))
        for cell in cells():
            matrix.add(http, *cell)
        yield matrix


def test_refused_and_expired_tokens(matrix: Matrix) -> None:
    for phone in matrix.phones.values():
        phone.connect("nonsense")
    matrix.until_all(lambda phone: "token_invalid" in phone.errors)
    assert not any(phone.connected for phone in matrix.phones.values())
    for phone in matrix.phones.values():
        phone.connect(minted(phone.account, seconds_ago=1_000))
    matrix.until_all(lambda phone: phone.refreshed == 1)


def test_what_was_written_offline_and_an_address_that_changes(matrix: Matrix) -> None:
    matrix.network.lose()
    matrix.until_all(lambda phone: not phone.connected)
    matrix.write(OFFLINE)
    matrix.network.find("127.0.0.3")
    matrix.until_all_is_well()
    upgraded = [
        phone
        for phone in matrix.phones.values()
        if phone.transports == ["polling", "websocket"] and NO_WEBSOCKETS not in phone.name
    ]
    matrix.until_all(lambda phone: phone not in upgraded or phone.transport == "websocket")


def test_large_packets_both_ways(matrix: Matrix) -> None:
    for phone in matrix.phones.values():
        phone.send_large(LARGE)
        phone.write(*(f"{number} {LONG}" for number in range(LONG_ONES)))
    matrix.until_all(lambda phone: phone.large == 1)
    matrix.until_all_is_well()
    for phone in matrix.phones.values():
        phone.fetch()
    matrix.until_all_is_well()


def test_a_process_that_is_killed(matrix: Matrix) -> None:
    matrix.servers[0].kill()
    matrix.write(LATER)
    matrix.servers[0].start()
    matrix.until_all_is_well()


def test_a_process_that_is_drained(matrix: Matrix) -> None:
    matrix.write(LATER)
    matrix.servers[0].restart()
    matrix.write(LATER)
    matrix.until_all_is_well()


def test_phones_that_sleep(matrix: Matrix) -> None:
    """Until the servers have given them up: a minute, with the pings as they are set."""
    for program in matrix.programs.values():
        os.kill(program.pid, signal.SIGSTOP)
    try:
        assert matrix.listen(lambda: all(not sockets_at(server) for server in matrix.servers))
    finally:
        for program in matrix.programs.values():
            os.kill(program.pid, signal.SIGCONT)
    matrix.write(LATER)
    matrix.until_all_is_well()


def sockets_at(server: GoChatServer) -> float:
    return total(read(server.url), "gochat_connections")


def test_the_servers_hold_each_message_once(matrix: Matrix) -> None:
    for phone in matrix.phones.values():
        stored = phone.account.history(phone.conversation)
        assert [message["seq"] for message in stored] == list(range(1, phone.written + 1))


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_old_clients_get_one_clear_error(matrix: Matrix, edge: str, transport: str) -> None:
    url = f"{matrix.edges[edge]}/socket.io/?EIO=3&transport={transport}"
    response = httpx2.get(url, timeout=60, verify=False)
    assert (response.status_code, response.json()["code"]) == (400, 5)
