"""The engine's settings and bounds."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from .packets import Twice, never


def _peer(peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
    return peer


def never_late() -> bool:
    """A server that takes in whoever comes."""
    return False


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Times are seconds, sizes bytes. Every bound is per client unless it says otherwise."""

    ping_interval: float = 25.0
    """From one ping to the next, which waits for the answer to the one before."""
    ping_timeout: float = 20.0
    """How long a pong may take before the session is closed."""
    connect_timeout: float = 10.0
    """How long a session may be without a connected namespace."""
    max_refused_connects: int = 3
    """Further CONNECT packets that are heard after a refused one."""
    upgrade_timeout: float = 10.0
    """How long a websocket may take to take over from polling."""
    close_timeout: float = 3.0
    """How long a closing websocket may take to answer; then it is aborted."""
    request_timeout: float = 10.0
    """How long a request's head may take to arrive on the fast path, and how long a body may stand still."""
    min_upload_rate: int = 512
    """Bytes a second that a body has to bring on the whole, after `request_timeout`: a slow phone's, not a
    trickle."""
    keep_alive: float = 75.0
    """How long a connection that has been answered waits for its next request, on the fast path: longer
    than proxies do (nginx: 60), or one of them sends a request into a connection that is just being
    closed."""
    max_message: int = 100_000
    """The largest websocket message, and packet by POST, that is accepted; told to clients as
    `maxPayload`."""
    max_post: int = 1 << 23
    """The most that one POST may bring in all."""
    max_backlog: int = 900_000
    """What may wait to be sent to one client, in less than 1 MiB of memory; who falls behind further is
    evicted."""
    max_in_flight: int = 64
    """Events of one client that may be unanswered or waiting, large ones counted once more for each 4 KiB;
    beyond it, or while a quarter of `max_backlog` waits to be sent, its socket is not read."""
    answers: Mapping[str, int] = field(default_factory=dict)
    """The most bytes of the answer to an event, by its name, where that is much more than the event: such
    events count for as much in flight as keeps their answers within the rest of `max_backlog`."""
    max_attachments: int = 10
    """Binary attachments of one packet; together they are bounded by `max_message`."""
    max_depth: int = 32
    """How deep arrays and objects may nest in a client's packet."""
    twice: Twice = never
    """Looks whether a key stands twice in an object; not asked of an event with no object in its argument."""
    max_request_head: int = 65_536
    """The largest request line with headers, on the fast path."""
    io_uring: bool = False
    """Whether many sockets are sent to by one system call, where the kernel can do that."""
    client_address: Callable[[str, Iterable[tuple[bytes, bytes]]], str] = _peer
    """The client's address, of the connection's other end and a request's headers; on the fast path."""
    counted_as: Callable[[str], str] = str
    """What an address counts as for `max_sessions_per_address`: several may be one customer's."""
    late: Callable[[], bool] = never_late
    """Whether the server is too late to take in one more session: asked once for each, which is opened if
    not."""
    max_connections: int | None = None
    """Connections over all, on the fast path: as many as there are descriptors for, or fewer. Beyond them no
    session is opened, and whoever asks for something else is answered and has to connect anew. `None` is no
    bound."""
    spare_connections: int = 64
    """How many more are heard at all; another one is closed at once."""
    max_sessions_per_address: int | None = None
    """Sessions that one network address may hold, over all; `None` is no limit (behind one shared proxy)."""
