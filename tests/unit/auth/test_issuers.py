"""Tokens of a team's own login, over an issuer that answers for itself; and what a bad one does."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gochat.auth import fetch as fetching
from gochat.auth.fetch import FetchError, fetch
from gochat.auth.issuers import Issuer, Issuers, Vouched
from gochat.auth.jwks import AGAIN_S, FRESH_S, STALE_S, IssuerKeys
from gochat.core.errors import TokenExpired, TokenInvalid, Unavailable
from tests.services import issuer as services
from tests.services.issuer import AUDIENCE, NAME, claims, send


class World:
    """Reads tokens of one issuer, with a clock that is set by hand."""

    def __init__(self, issuer: services.Issuer) -> None:
        self.now = 1_000.0
        self.issuer = issuer
        self.keys = IssuerKeys(issuer.url, clock=lambda: self.now)
        one = Issuer(NAME, AUDIENCE, self.keys)
        self.issuers = Issuers([one], lambda: time.time_ns() // 1_000_000)

    async def refuses(self, token: str, error: type[Exception] = TokenInvalid) -> None:
        with pytest.raises(error):
            await self.issuers.read(token)


@pytest.fixture
def world() -> Iterator[World]:
    with services.Issuer() as issuer:
        yield World(issuer)


async def test_a_token_says_who_its_user_is(world: World) -> None:
    token = world.issuer.token(sub="user|1", name=" Ann ", picture="HTTPS://example.com/a.png")
    assert await world.issuers.read(token) == Vouched(NAME, "user|1", "Ann", "https://example.com/a.png")
    nameless = world.issuer.token(sub="2", name=..., aud=["other", AUDIENCE])
    assert await world.issuers.read(nameless) == Vouched(NAME, "2", None, None)
    assert world.issuer.asked == 1, "keys are kept"


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "ES256", "EdDSA"])
async def test_algorithms(world: World, algorithm: str) -> None:
    world.issuer.add("two", algorithm)
    assert (await world.issuers.read(world.issuer.token())).subject == "user|1"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "\u202eevil"},
        {"name": "\x00"},
        {"name": 5},
        {"name": "\ud83d"},
        {"name": " "},
        {"picture": "javascript:alert(1)"},
        {"picture": ["https://example.com"]},
        {"picture": "https://example.com/" + "x" * 2_000},
    ],
    ids=str,
)
async def test_what_can_t_be_shown_is_left_out(world: World, changes: dict[str, Any]) -> None:
    token = world.issuer.token(**{"name": ..., **changes})
    assert await world.issuers.read(token) == Vouched(NAME, "user|1", None, None)


NOW = int(time.time())


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.example.com"},
        {"iss": "https://evil.example/"},
        {"iss": [NAME]},
        {"iss": ...},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": ...},
        {"aud": {AUDIENCE: 1}},
        {"sub": ...},
        {"sub": ""},
        {"sub": 5},
        {"sub": "x" * 201},
        {"sub": "a b"},
        {"sub": "\u0430dmin"},
        {"sub": "user\n"},
        {"exp": ...},
        {"iat": ...},
        {"exp": str(NOW + 600)},
        {"exp": NOW + 600.5},
        {"exp": True},
        {"exp": 10**30},
        {"exp": NOW + 90_000},
        {"iat": NOW + 100, "exp": NOW + 90},
        {"iat": NOW + 5_000, "exp": NOW + 5_600},
        {"nbf": NOW + 5_000},
        {"nbf": "never"},
        {"iat": None},
    ],
)
async def test_claims_that_are_refused(world: World, changes: dict[str, Any]) -> None:
    await world.refuses(world.issuer.token(**changes))


async def test_a_token_whose_time_has_passed(world: World) -> None:
    await world.refuses(world.issuer.token(iat=NOW - 700, exp=NOW - 100), TokenExpired)


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    return ".".join((*(coded(json.dumps(it).encode()) for it in (header, claims())), signature))


def coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None", "kid": "one"},
        {"alg": "HS256", "kid": "one"},
        {"alg": ["RS256"], "kid": "one"},
        {"kid": "one"},
        {"alg": "RS256", "kid": "one"},
        {"alg": "RS256", "kid": ["one"]},
        {"alg": "RS256", "kid": {"one": 1}},
        {"alg": "RS256", "kid": "../../keys/one"},
        {"alg": "RS256", "kid": "' UNION SELECT 'x"},
        {"alg": "RS256", "kid": "two"},
        {"alg": "ES256", "kid": "one"},
    ],
    ids=str,
)
async def test_headers_that_are_refused(world: World, header: dict[str, Any]) -> None:
    await world.refuses(unsigned(header, "AAAA"))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "\u0430.b.c", "A" * 9_000, "e30.e30.e30"])
async def test_what_is_no_token(world: World, token: str) -> None:
    await world.refuses(token)
    assert world.issuer.asked == 0


async def test_a_public_key_is_no_secret(world: World) -> None:
    """HS256 with the public key as the secret, which everybody knows."""
    _, private = world.issuer.keys["one"]
    head = unsigned({"alg": "HS256", "kid": "one"}).removesuffix(".")
    for form in (serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1):
        public = private.public_key().public_bytes(serialization.Encoding.PEM, form)
        await world.refuses(f"{head}.{coded(hmac.digest(public, head.encode(), hashlib.sha256))}")


async def test_a_key_that_the_token_brings_is_none(world: World) -> None:
    with services.Issuer() as evil:
        evil.add("theirs", "RS256")
        _, private = evil.keys["theirs"]
        for headers in (
            {"jwk": services.jwk("one", "RS256", private)},
            {"jku": evil.url},
            {"x5u": evil.url},
            {"kid": evil.url},
            {"crit": ["jku"], "jku": evil.url},
        ):
            await world.refuses(services.sign(claims(), private, "RS256", {"kid": "one", **headers}))
        assert evil.asked == 0


async def test_good_tokens_with_an_extension_are_refused(world: World) -> None:
    await world.refuses(world.issuer.token(headers={"crit": ["exp"]}))


async def test_keys_are_for_what_they_say(world: World) -> None:
    """Of encryption, another algorithm, too short, told whole, or symmetric: none verifies."""
    algorithm, private = world.issuer.keys["one"]
    good = services.jwk("one", algorithm, private)
    secret = b"A" * 36
    shared = {"kty": "oct", "k": coded(secret), "kid": "one"}
    short = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
    whole = jwt.algorithms.RSAAlgorithm.to_jwk(private, as_dict=True)
    of_short = services.sign(claims(), short, "RS256", {"kid": "one"})
    for keys, token in (
        ([{**good, "use": "enc"}], world.issuer.token()),
        ([{**good, "key_ops": ["sign"]}], world.issuer.token()),
        ([{**good, "alg": "RS512"}], world.issuer.token()),
        ([{**good, "kid": 5}], world.issuer.token()),
        ([{**good, "e": "AQ" * 40}], world.issuer.token()),
        ([{**whole, "kid": "one"}], world.issuer.token()),
        ([services.jwk("one", "RS256", short)], of_short),
        ([shared], services.sign(claims(), secret, "HS256", {"kid": "one"})),
        ([good, good], world.issuer.token()),
    ):
        other = services.jwk("other", "RS256", short) | {"n": good["n"]}
        document = json.dumps({"keys": [None, [], "x", *keys, other]}).encode()
        world.issuer.answer = lambda it, document=document: send(it, document)
        world.now += FRESH_S + 1
        await world.refuses(token)


async def test_a_token_without_kid_needs_one_key_that_fits(world: World) -> None:
    await world.issuers.read(world.issuer.token(kid=None))
    world.issuer.add("two", "ES256")
    world.now += FRESH_S + 1
    await world.issuers.read(world.issuer.token(kid=None))
    world.issuer.add("three", "ES256")
    world.now += FRESH_S + 1
    await world.refuses(world.issuer.token(kid=None))


async def test_keys_are_exchanged(world: World) -> None:
    """A new one works at once, one that was taken back no longer than the keys are fresh."""
    old = world.issuer.token()
    await world.issuers.read(old)
    world.issuer.add("two", "RS256")
    world.now += AGAIN_S
    await world.issuers.read(world.issuer.token())
    assert world.issuer.asked == 2
    del world.issuer.keys["one"]
    await world.issuers.read(old)
    world.now += FRESH_S + 1
    await world.refuses(old)


async def test_whoever_names_unknown_keys_has_the_issuer_asked_seldom(world: World) -> None:
    await world.issuers.read(world.issuer.token())
    world.now += AGAIN_S
    for n in range(50):
        await world.refuses(world.issuer.token(kid=f"made up {n}"))
    assert world.issuer.asked == 2


async def test_many_at_once_ask_once(world: World) -> None:
    tokens = [world.issuer.token(sub=f"user{n}") for n in range(20)]
    await asyncio.gather(*(world.issuers.read(token) for token in tokens))
    assert world.issuer.asked == 1


def a_redirect(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"", 302, location="/elsewhere")


def too_much(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b'{"keys": [' + b" " * fetching.MOST_BYTES + b"]}")


def no_end(handler: BaseHTTPRequestHandler) -> None:
    """Headers without end."""
    while True:
        handler.wfile.write(b"x: " + b"y" * 10_000 + b"\r\n")


def another_protocol(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")


def cut(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b'{"keys": []}', content_length="500")
    handler.close_connection = True


BAD: list[Callable[[BaseHTTPRequestHandler], None]] = [
    a_redirect,
    too_much,
    no_end,
    cut,
    lambda it: send(it, b"{}", 500),
    lambda it: send(it, b"{}", 404),
    lambda it: send(it, b"<html>"),
    lambda it: send(it, b"{}"),
    lambda it: send(it, b"[]"),
    lambda it: send(it, b'{"keys": {}}'),
    lambda it: send(it, b'{"keys": []}'),
    lambda it: send(it, b"[" * 100_000),
    another_protocol,
    lambda it: it.connection.close(),
]


@pytest.mark.parametrize("bad", BAD)
async def test_an_issuer_that_does_not_tell(
    world: World, bad: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """Nobody new gets in, whom it vouched for before does for an hour, and all do when it is back."""
    world.issuer.answer = bad
    await world.refuses(world.issuer.token(), Unavailable)
    await world.refuses(world.issuer.token(), Unavailable)
    assert world.issuer.asked == 1
    world.issuer.answer = None
    world.now += AGAIN_S
    await world.issuers.read(world.issuer.token())
    world.issuer.answer = bad
    world.now += FRESH_S + 1
    await world.issuers.read(world.issuer.token())
    await world.refuses(world.issuer.token(kid="new"), Unavailable)
    world.now += STALE_S
    await world.refuses(world.issuer.token(), Unavailable)


async def test_an_issuer_that_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It trickles: each byte is in time, and the answer never is."""
    monkeypatch.setattr(fetching, "WITHIN_S", 0.3)
    over = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.wait(0.02):
            handler.wfile.write(b" ")

    world.issuer.answer = trickle
    try:
        with pytest.raises(FetchError, match="no answer within"):
            await fetch(world.issuer.url)
    finally:
        over.set()


async def test_nobody_listens_and_no_certificate(world: World) -> None:
    with pytest.raises(FetchError):
        await fetch(world.issuer.url.replace("http://", "https://"))
    with services.Issuer() as dead:
        pass
    with pytest.raises(FetchError):
        await fetch(dead.url)


async def test_an_answer_without_length_and_in_pieces(world: World) -> None:
    def until_closed(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b'HTTP/1.0 200 OK\r\n\r\n{"keys": []}')
        handler.close_connection = True

    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        handler.wfile.write(b'4\r\n{"ke\r\n8\r\nys": []}\r\n0\r\n\r\n')

    for answer in (until_closed, chunked):
        world.issuer.answer = answer
        assert await fetch(world.issuer.url) == b'{"keys": []}'
