"""The sockets that a server listens on.

Workers of one supervisor each have their own on one port, with SO_REUSEPORT: the kernel spreads new
connections evenly, and one that died gets none. The supervisor keeps the port without listening.
"""

import socket

from gochat.config import Settings

BACKLOG = 2048
UNSENT = 65_536
"""Bytes that the kernel takes for a connection beyond what is under way on it. It would take megabytes, and
a ping stand behind them for longer than a slow phone's patience lasts: what waits for one is to wait where it
is counted (`SOCKET_BACKLOG_MAX_BYTES`)."""


class PortTakenError(Exception):
    """The address can't be had; the text names the setting, and says why."""


def listen(host: str, port: int, setting: str = "") -> list[socket.socket]:
    """Sockets for one process, on each address that the host's name has; a free port for 0.

    Args:
        setting: begins the names of the settings that said so.

    Raises:
        PortTakenError: another program has it.
    """
    addresses = _addresses(host, port, setting)
    alone = len(addresses) == 1
    return [_bound(address, host, shared=False, alone=alone, setting=setting) for address in addresses]


def listen_for_metrics(settings: Settings) -> list[socket.socket]:
    """The sockets of METRICS_PORT; none without it. Raises PortTakenError."""
    port = settings.metrics_port
    return [] if port is None else listen(settings.metrics_host, port, "METRICS_")


def reserve(host: str, port: int) -> socket.socket:
    """A socket that keeps a port for workers, a free one for 0, and takes no connections.

    Raises:
        PortTakenError: another program has it, or another supervisor, whose workers would get half of the
        phones.
    """
    address = _addresses(host, port)[0]
    if port:
        _bound(address, host, shared=False).close()
    return _bound(address, host, shared=True)


def share(host: str, port: int) -> socket.socket:
    """A worker's own socket on a port that it shares; it listens."""
    shared = _bound(_addresses(host, port)[0], host, shared=True)
    shared.listen(BACKLOG)
    return shared


_Address = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]
]


def _addresses(host: str, port: int, setting: str = "") -> list[_Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # the latter for what is no name at all, such as `a..b`
        why = error.strerror if isinstance(error, OSError) else "not a name"
        raise PortTakenError(f"{setting}HOST: {host!r} can't be looked up: {why}") from None
    return list(dict.fromkeys(found))  # type: ignore[arg-type]


def _bound(
    address: _Address, host: str, *, shared: bool, alone: bool = True, setting: str = ""
) -> socket.socket:
    family, kind, protocol, _, where = address
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # connections have it of the socket that accepts them
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Where `::` is the only address, it takes IPv4 too, as the system has it.
        if family == socket.AF_INET6 and not alone:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(where)
    except OSError as error:
        bound.close()
        raise PortTakenError(
            f"{setting}PORT: can't listen on {host} port {where[1]}: {error.strerror}"
        ) from None
    return bound
