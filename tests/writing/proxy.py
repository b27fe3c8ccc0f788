"""A wire to the database that can be cut at the moments that matter: during a COMMIT or a KILL."""

import contextlib
import socket
import threading
from enum import Enum, auto
from typing import Self

from sqlalchemy import make_url

COMMIT = b"COMMIT"
"""Ends the script of statements that a packet is (COM_QUERY)."""
BATCH = b" SKIP LOCKED"
"""Stands in the first question of a batch, which locks what it needs."""
KILL = b"KILL "
TIMEOUT = 30
OK = bytes.fromhex("0700000100000002000000")
"""OK_Packet of the MySQL client/server protocol, the answer to a statement that finds nothing."""


class Cut(Enum):
    """Where the wire is cut. The server's side stays open: it does not learn that the client is gone."""

    BEFORE_COMMIT = auto()
    AFTER_COMMIT = auto()
    """Done, but its answer does not arrive."""
    LATE = auto()
    """The COMMIT is still on its way: the server has it, and is done with it, just before the next batch."""


class Kill(Enum):
    """What becomes of the next KILL."""

    CUT = auto()
    """Its wire is cut, and the server never hears it."""
    ASTRAY = auto()
    """Another server answers it, as one behind a balancer may."""


class Proxy:
    """Passes everything between 127.0.0.1:`port` and a server on this machine, until told otherwise."""

    def __init__(self, url: str) -> None:
        at = make_url(url)
        assert at.port is not None
        self._server_port = at.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        # It has to see the statements: MySQL would have them encrypted.
        plain = at.set(host="127.0.0.1", port=self.port).update_query_dict({"ssl_mode": "DISABLED"})
        self.url = plain.render_as_string(hide_password=False)
        self.cuts: list[Cut] = []
        """What happens to the next COMMITs; taken from it as it does."""
        self.kill: Kill | None = None
        """What happens to the next KILL; None again once it has."""
        self.kills = 0
        """How many the server has heard."""
        self.closed = False
        """Whether new connections are refused."""
        self.heard = threading.Event()
        """Set once a question is held."""
        self._passing = threading.Event()
        self._passing.set()
        self._late: list[tuple[socket.socket, bytes, threading.Thread]] = []
        """Wires to the server, what is still to come by each, and who takes the answers."""
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut every wire, both sides."""
        self.closed = True
        self.hold(False)
        for it in self._sockets:
            with contextlib.suppress(OSError):
                it.shutdown(socket.SHUT_RDWR)
            it.close()

    def hold(self, held: bool) -> None:
        """Let nothing more reach the server, and tell nobody; or let it all pass."""
        (self._passing.clear if held else self._passing.set)()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.closed:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += [client, server]
                threading.Thread(target=self._ask, args=(client, server), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what the client says; a COMMIT comes alone: the client awaits what it asked before."""
        answers = threading.Thread(target=_pump, args=(server, client), daemon=True)
        answers.start()
        with contextlib.suppress(OSError):
            while question := client.recv(1 << 16):
                if not self._passing.is_set():
                    self.heard.set()
                    self._passing.wait()
                if question.endswith(COMMIT) and self.cuts:
                    self._cut(client, server, question, answers)
                    return
                if BATCH in question:
                    self._deliver()
                if question[5:].startswith(KILL) and not self._passes(client, server):
                    continue
                server.sendall(question)
            server.shutdown(socket.SHUT_RDWR)

    def _cut(
        self, client: socket.socket, server: socket.socket, question: bytes, answers: threading.Thread
    ) -> None:
        cut = self.cuts.pop(0)
        if cut is Cut.LATE:
            self._late.append((server, question, answers))
        client.shutdown(socket.SHUT_RDWR)
        if cut is Cut.AFTER_COMMIT:
            server.sendall(question)

    def _deliver(self) -> None:
        """What was late arrives; the server ends its wire when it is done with it."""
        late, self._late = self._late, []
        for server, question, answers in late:
            with contextlib.suppress(OSError):  # the server has ended it before
                server.sendall(question)
                server.shutdown(socket.SHUT_WR)
            answers.join(TIMEOUT)

    def _passes(self, client: socket.socket, server: socket.socket) -> bool:
        """Whether a KILL goes on to the server."""
        kill, self.kill = self.kill, None
        if kill is Kill.CUT:
            client.shutdown(socket.SHUT_RDWR)
            server.shutdown(socket.SHUT_RDWR)
        elif kill is Kill.ASTRAY:
            client.sendall(OK)
        else:
            self.kills += 1
        return kill is None


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, and read on when nobody is left to take it."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            with contextlib.suppress(OSError):
                target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
