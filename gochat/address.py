"""The address of a client, behind proxies or not: found out here alone, for REST and for sockets."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import structlog

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

ANY = "*"
FORWARDED, REAL_IP = b"x-forwarded-for", b"x-real-ip"
MAX_HOPS = 10
_MAPPED_BITS = 96
"""In front of an address of IPv4 that is written as IPv6 (RFC 4291 section 2.5.5.2)."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Proxies:
    """Whose word about a client's address is taken. Every proxy adds the address that it saw, at the right.

    Args:
        trusted: addresses and networks of proxies; or a number alone: any peer is the nearest of so many
            proxies. `*` is 1.
        real_ip: whether X-Real-IP of such a proxy goes before X-Forwarded-For: where the proxy in front
        writes it
            over what the client sends, as Railway's does.

    Raises:
        ValueError: the text tells what is wrong.
    """

    def __init__(self, trusted: Iterable[str], *, real_ip: bool = False) -> None:
        given = tuple(trusted)
        self._hops = _hops(given)
        self._networks: tuple[_Network, ...] = () if self._hops else tuple(map(_network, given))
        self._real_ip = real_ip
        self._told = False

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address of whoever sent a request, as far as it can be believed.

        Args:
            peer: the address at the other end of the connection; empty for a Unix socket.
            headers: the request's, with names in lower case.
        """
        chain: list[str] = []
        real_ip = None
        for name, value in headers:
            if name == FORWARDED:
                chain += value.decode("latin-1").split(",")
            elif name == REAL_IP and self._real_ip:
                real_ip = _parse(value.decode("latin-1"))
        if real_ip is not None:
            chain = [str(real_ip)] * max(self._hops, 1)
        if not chain:
            return peer
        return self._counted(peer, chain) if self._hops else self._trusted(peer, chain)

    def _counted(self, peer: str, chain: Sequence[str]) -> str:
        """The entry that the outermost proxy wrote; what is left of it was sent by the client."""
        if len(chain) < self._hops:
            return peer
        address = _parse(chain[-self._hops])
        return peer if address is None else str(address)

    def _trusted(self, peer: str, chain: Sequence[str]) -> str:
        """The first one from the right that is not a proxy's."""
        client = _parse(peer)
        if not self._trusts(client):
            if not self._told:
                self._told = True
                log.warning(
                    "forwarded_address_not_believed",
                    peer=peer,
                    advice="name the proxy in FORWARDED_ALLOW_IPS, or all its clients count as one address",
                )
            return peer
        for entry in reversed(chain):
            address = _parse(entry)
            if address is None:
                break
            client = address
            if not self._trusts(address):
                break
        return str(client)

    def _trusts(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the /64, which is what one customer has (RFC 6177)."""
    parsed = _parse(address)
    if parsed is None:
        return address
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _hops(given: Sequence[str]) -> int:
    """How many proxies any peer is behind; 0: those that are trusted are named."""
    for one in given:
        if one == ANY or (one.isascii() and one.isdecimal()):
            hops = 1 if one == ANY else int(one)
            if len(given) > 1 or not 1 <= hops <= MAX_HOPS:
                raise ValueError(f"{one!r} stands alone, and is * or 1 to {MAX_HOPS}")
            return hops
    return 0


def _network(text: str) -> _Network:
    """Read a network; one of IPv4 that is written as IPv6 is itself, as addresses are."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an address, a network or a number of proxies") from None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


def _parse(text: str) -> _Address | None:
    """An address, with or without a port; one of IPv4 that is written as IPv6 is itself."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
