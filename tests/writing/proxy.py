"""A wire to the database that can be cut at the one moment that matters: while a COMMIT is under way."""

import contextlib
import socket
import threading
from enum import Enum, auto
from typing import Self

from sqlalchemy import make_url

COMMIT = b"COMMIT"
"""Ends the script of statements that a packet is (COM_QUERY)."""


class Cut(Enum):
    """Where the wire is cut. The server's side stays open: it does not learn that the client is gone."""

    BEFORE_COMMIT = auto()
    AFTER_COMMIT = auto()
    """Done, but its answer does not arrive."""


class Proxy:
    """Passes everything between 127.0.0.1:`port` and a server on this machine, until told otherwise."""

    def __init__(self, url: str) -> None:
        at = make_url(url)
        assert at.port is not None
        self._server_port = at.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = at.set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)
        self.cut: Cut | None = None
        """What happens to the next COMMIT; None again once it has."""
        self.closed = False
        """Whether new connections are refused."""
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut every wire, both sides."""
        self.closed = True
        for it in self._sockets:
            with contextlib.suppress(OSError):
                it.shutdown(socket.SHUT_RDWR)
            it.close()

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
                if question.endswith(COMMIT) and self.cut is not None:
                    self._cut(client, server, question)
                    return
                server.sendall(question)
            server.shutdown(socket.SHUT_RDWR)

    def _cut(self, client: socket.socket, server: socket.socket, question: bytes) -> None:
        cut, self.cut = self.cut, None
        client.shutdown(socket.SHUT_RDWR)
        if cut is Cut.AFTER_COMMIT:
            server.sendall(question)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, and read on when nobody is left to take it."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            with contextlib.suppress(OSError):
                target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
