"""A TCP balancer as hosts without sticky sessions have it: each connection goes to the next server.

It has threads and sockets of its own, none of the test's event loop, and has closed and joined them all when
the context ends.
"""

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer

CHUNK = 65_536


class _Balancer(ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.turn = itertools.cycle(ports)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ended = False

    def opened(self, ends: Sequence[socket.socket]) -> None:
        """Keep what is open, or close it at once if all is over."""
        with self._lock:
            self._open.update(ends)
            if self._ended:
                _shut(ends)

    def closed(self, ends: Sequence[socket.socket]) -> None:
        """Forget what is closed."""
        with self._lock:
            self._open.difference_update(ends)

    def end(self) -> None:
        """Close whatever is open; wait for all threads."""
        self.shutdown()
        with self._lock:
            self._ended = True
            _shut(self._open)
        self.server_close()


class _Connection(BaseRequestHandler):
    server: _Balancer

    def handle(self) -> None:
        """Carry bytes both ways until either end closes."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", next(self.server.turn))) as far,
        ):
            ends = (self.request, far)
            self.server.opened(ends)
            back = threading.Thread(target=_pump, args=(far, self.request))
            back.start()
            _pump(self.request, far)
            back.join()
            self.server.closed(ends)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(CHUNK):
            target.sendall(data)
    except OSError:
        pass
    finally:
        _shut((source, target))


def _shut(ends: Sequence[socket.socket] | set[socket.socket]) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def balancer(ports: Sequence[int]) -> Iterator[int]:
    """Balance over ports of 127.0.0.1; yields its own port."""
    server = _Balancer(ports)
    accepting = threading.Thread(target=server.serve_forever, args=(0.05,))
    accepting.start()
    try:
        yield server.server_address[1]
    finally:
        server.end()
        accepting.join()
