"""What a request must bring."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.events.engine.errors import Refused
from gochat.events.engine.handshake import Query, Request, accept_key, parse_query, subprotocol
from gochat.events.engine.origins import OriginPolicy, is_own


def request(**headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request("GET", "/socket.io/", b"EIO=4&transport=polling", pairs, "10.0.0.1")


def test_query() -> None:
    assert parse_query(b"t=x&EIO=4&transport=polling") == Query("polling", None)
    assert parse_query(b"EIO=4&transport=websocket&sid=abc&x") == Query("websocket", "abc")
    assert parse_query(b"EIO=4&EIO=3&transport=polling&sid=a&sid=b") == Query("polling", "a")
    assert parse_query(b"%45IO=4&transport=p%6flling&s%69d=") == Query("polling", None)


@given(st.binary(max_size=100))
def test_any_query_is_read_or_refused(query: bytes) -> None:
    try:
        found = parse_query(query)
    except Refused:
        return
    assert found.transport in ("polling", "websocket")


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        (None, set()),
        ([], set()),
        ("*", {"https://a", "https://b"}),
        ("https://a", {"https://a"}),
        (["https://a", "https://b"], {"https://a", "https://b"}),
        (
            lambda origin, environ: origin.endswith("b") and environ["REMOTE_ADDR"] == "10.0.0.1",
            {"https://b"},
        ),
    ],
)
def test_origins(origins: object, allowed: set[str]) -> None:
    policy = OriginPolicy(origins)  # type: ignore[arg-type]
    assert policy.check(request()) is None
    for origin in ("https://a", "https://b"):
        if origin in allowed:
            assert policy.check(request(origin=origin)) == origin
        else:
            assert policy.check(request(origin=origin, host=origin.removeprefix("https://"))) == origin
            with pytest.raises(Refused):
                policy.check(request(origin=origin, host="c"))


def test_apps_may_be_kept_out() -> None:
    for origin in ("null", "file://", "capacitor://localhost", "ionic://localhost", "app://x"):
        assert OriginPolicy(None).allows(origin)
        assert not OriginPolicy(None, apps=False).allows(origin)
        assert OriginPolicy([origin], apps=False).allows(origin)


def test_this_machine_in_development() -> None:
    policy = OriginPolicy(None, localhost=True)
    for origin in ("http://localhost:3000", "http://127.0.0.1", "http://[::1]:5173", "https://localhost"):
        assert policy.allows(origin)
        assert not OriginPolicy(None).allows(origin)
    for origin in ("http://localhost.evil.com", "http://evil.com/localhost", "http://localhost:80.evil.com"):
        assert not policy.allows(origin)


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_origin_is_let_in_or_not(origin: str, host: str) -> None:
    assert is_own(origin, host) in (True, False)
    assert OriginPolicy(None, localhost=True).allows(origin) in (True, False)


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        ("chat", b"chat"),
        (" chat , v2", b"chat"),
        ("v1.2+json", b"v1.2+json"),
        ("", None),
        ("a b", None),
        (",x", None),
    ],
)
def test_the_first_subprotocol(offered: str, answer: bytes | None) -> None:
    assert subprotocol(request(sec_websocket_protocol=offered)) == answer


def test_environ_is_what_python_socketio_gives() -> None:
    environ = request(user_agent="x", accept="a", content_type="text/plain").environ()
    assert environ == {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/socket.io/",
        "QUERY_STRING": "EIO=4&transport=polling",
        "REMOTE_ADDR": "10.0.0.1",
        "HTTP_USER_AGENT": "x",
        "HTTP_ACCEPT": "a",
        "CONTENT_TYPE": "text/plain",
    }


def test_repeated_headers_are_joined() -> None:
    twice = Request("GET", "/", b"", [(b"x-a", b"1"), (b"x-a", b"2")], "")
    assert twice.environ()["HTTP_X_A"] == "1,2"


def test_accept_key_is_the_rfcs_example() -> None:
    good = request(sec_websocket_version="13", sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==")
    assert accept_key(good) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    for bad in (
        request(sec_websocket_version="13"),
        request(sec_websocket_version="13", sec_websocket_key="AAAA"),
        request(sec_websocket_version="13", sec_websocket_key="!"),
    ):
        with pytest.raises(Refused) as caught:
            accept_key(bad)
        assert caught.value.status == 400
    with pytest.raises(Refused) as caught:
        accept_key(request(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ=="))
    assert caught.value.status == 426


def test_nothing_of_a_client_is_interned() -> None:
    """What is interned stays for ever (Python 3.12), and this comes from before anyone is known."""
    unique = "x".join(map(str, range(20)))
    for size in (1, 50):
        text = unique * size
        environ = Request(
            "GET",
            f"/{text}/",
            f"{text}=1".encode(),
            [(f"x-{text}".encode(), f"v{text}".encode())],
            "10.0.0.1",
        ).environ()
        for found in (*environ, *environ.values()):
            if unique in found:
                assert sys.intern(found[:1] + found[1:]) is not found


def test_what_many_clients_send_is_there_once() -> None:
    one, other = (request(user_agent="Phone/1.0 (the usual)").environ() for _ in range(2))
    assert one["HTTP_USER_AGENT"] is other["HTTP_USER_AGENT"]
