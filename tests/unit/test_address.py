"""The client's address: whose word is taken, and how far."""

import pytest
from structlog.testing import capture_logs

from gochat.address import Proxies, network_of

EDGE = ("10.0.0.0/8", "2001:db8::1")


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"chat"), *((b"x-forwarded-for", value.encode("latin-1")) for value in values)]


@pytest.mark.parametrize(
    ("trusted", "peer", "values", "client"),
    [
        (EDGE, "10.0.0.1", (), "10.0.0.1"),
        (EDGE, "10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        (EDGE, "10.0.0.1", ("203.0.113.9:51234",), "203.0.113.9"),
        (EDGE, "10.0.0.1", ("[2001:db8:1::9]:51234",), "2001:db8:1::9"),
        (EDGE, "::ffff:10.0.0.1", ("::ffff:203.0.113.9",), "203.0.113.9"),
        (EDGE, "2001:DB8::1", ("203.0.113.9",), "203.0.113.9"),
        (("::ffff:10.0.0.0/104",), "10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        (("::ffff:10.0.0.1",), "::ffff:10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        (("::ffff:0:0/96",), "192.0.2.1", ("203.0.113.9, 198.51.100.1",), "203.0.113.9"),
        # what is left of the first stranger was sent by that stranger
        (EDGE, "10.0.0.1", ("198.51.100.1, 203.0.113.9",), "203.0.113.9"),
        (EDGE, "10.0.0.1", ("198.51.100.1", "203.0.113.9, 10.1.1.1"), "203.0.113.9"),
        (EDGE, "10.0.0.1", ("10.3.3.3, 10.2.2.2",), "10.3.3.3"),
        (EDGE, "10.0.0.1", ("203.0.113.9, nonsense",), "10.0.0.1"),
        (EDGE, "10.0.0.1", ("203.0.113.9, nonsense, 10.1.1.1",), "10.1.1.1"),
        (EDGE, "10.0.0.1", ("",), "10.0.0.1"),
        (EDGE, "10.0.0.1", ("ÿ\x00",), "10.0.0.1"),
        # nobody of whom it is known that they are a proxy
        (EDGE, "192.0.2.1", ("203.0.113.9",), "192.0.2.1"),
        (EDGE, "", ("203.0.113.9",), ""),
        ((), "10.0.0.1", ("203.0.113.9",), "10.0.0.1"),
        # so many proxies, counted from the right
        (("*",), "192.0.2.1", ("1.2.3.4, 203.0.113.9",), "203.0.113.9"),
        (("1",), "192.0.2.1", ("1.2.3.4", "203.0.113.9"), "203.0.113.9"),
        (("2",), "192.0.2.1", ("1.2.3.4, 203.0.113.9, 10.0.0.1",), "203.0.113.9"),
        (("2",), "192.0.2.1", ("203.0.113.9",), "192.0.2.1"),
        (("*",), "192.0.2.1", ("203.0.113.9, nonsense",), "192.0.2.1"),
        (("*",), "192.0.2.1", (), "192.0.2.1"),
    ],
)
def test_whose_address_counts(
    trusted: tuple[str, ...], peer: str, values: tuple[str, ...], client: str
) -> None:
    assert Proxies(trusted).client(peer, forwarded(*values)) == client


@pytest.mark.parametrize(
    "trusted", [("nginx",), ("10.0.0.1/8",), ("10.0.0.1", "*"), ("0",), ("11",), ("2", "3"), ("1.2.3",)]
)
def test_what_names_no_proxy(trusted: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"alone|is not an address"):
        Proxies(trusted)


def test_a_proxy_that_is_not_named_is_told_of_once() -> None:
    proxies = Proxies(EDGE)
    with capture_logs() as logs:
        for _ in range(3):
            proxies.client("192.0.2.1", forwarded("203.0.113.9"))
        proxies.client("10.0.0.1", forwarded("203.0.113.9"))
    assert [(entry["event"], entry["peer"]) for entry in logs] == [
        ("forwarded_address_not_believed", "192.0.2.1")
    ]


def test_an_ipv6_customer_is_one_address() -> None:
    one, other = "2001:db8:0:1::1", "2001:db8:0:1:ffff::2"
    assert network_of(one) == network_of(other) != network_of("2001:db8:0:2::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("not an address") == "not an address"
