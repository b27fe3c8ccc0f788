"""What a request must bring."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gochat.events.engine.errors import Refused
from gochat.events.engine.handshake import OriginPolicy, Query, Request, accept_key, parse_query


def request(**headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request("GET", "/socket.io/", b"EIO=4&transport=polling", pairs, "10.0.0.1")


def test_query() -> None:
    assert parse_query(b"t=x&EIO=4&transport=polling") == Query("polling", None)
    assert parse_query(b"EIO=4&transport=websocket&sid=abc&x") == Query("websocket", "abc")


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
            with pytest.raises(Refused):
                policy.check(request(origin=origin, host=origin.removeprefix("https://")))


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
