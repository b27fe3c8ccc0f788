"""Tokens: what is issued is read back, and nothing else is: each trap of PyJWT has its test."""

import base64
import json
from typing import Any

import jwt
import pytest

from gochat.auth.tokens import LEEWAY_S, MAX_CHARS, Tokens
from gochat.contract.ids import id_out
from gochat.core.errors import TokenExpired, TokenInvalid
from gochat.core.ports.logins import Identity

KEY = b"k" * 32
NOW_S = 1_700_000_000
USER, SESSION = 5, 6
GENUINE: dict[str, Any] = {
    "sub": id_out(USER),
    "sid": id_out(SESSION),
    "iat": NOW_S,
    "exp": NOW_S + 900,
    "typ": "access",
}


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> int:
        return self.now_s * 1000


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, *keys: bytes) -> Tokens:
    return Tokens(keys or (KEY,), access_ttl_s=900, refresh_ttl_s=86_400, clock=clock)


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return make(clock)


def sign(claims: dict[str, Any], key: bytes = KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GENUINE.items() if key != name}


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def test_access_token_is_read_back(tokens: Tokens) -> None:
    identity = tokens.read_access(tokens.access(USER, SESSION))
    assert identity == Identity(USER, SESSION, (NOW_S + 900) * 1000)


def test_refresh_token_is_read_back(tokens: Tokens) -> None:
    assert tokens.read_refresh(tokens.refresh(SESSION, "jti")) == (SESSION, "jti")


def test_no_two_refresh_tokens_are_alike(tokens: Tokens) -> None:
    assert tokens.first_jti() != tokens.first_jti()


def test_after_a_refresh_token_comes_always_the_same_one(tokens: Tokens) -> None:
    first = tokens.first_jti()
    second = tokens.next_jti(first, b"seed")
    assert tokens.next_jti(first, b"seed") == second
    assert len({first, second, tokens.next_jti(second, b"seed"), tokens.next_jti(first, b"more")}) == 4


def test_the_genuine_claims_are_accepted(tokens: Tokens) -> None:
    assert tokens.read_access(sign(GENUINE)).user_id == USER


def test_access_token_expires(tokens: Tokens, clock: Clock) -> None:
    token = tokens.access(USER, SESSION)
    clock.now_s += 899
    tokens.read_access(token)
    clock.now_s += 1
    with pytest.raises(TokenExpired):
        tokens.read_access(token)
    assert tokens.read_access(token, allow_expired=True).expires_at == (NOW_S + 900) * 1000


def test_refresh_token_expires(tokens: Tokens, clock: Clock) -> None:
    token = tokens.refresh(SESSION, tokens.first_jti())
    clock.now_s += 86_400
    with pytest.raises(TokenExpired):
        tokens.read_refresh(token)


def test_an_old_key_still_verifies_and_the_newest_signs(clock: Clock) -> None:
    new = b"n" * 32
    old_token = make(clock, KEY).access(USER, SESSION)
    both = make(clock, new, KEY)
    assert both.read_access(old_token).user_id == USER
    assert make(clock, new).read_access(both.access(USER, SESSION)).user_id == USER
    with pytest.raises(TokenInvalid):
        make(clock, new).read_access(old_token)


def test_a_short_key_is_refused_at_the_start(clock: Clock) -> None:
    with pytest.raises(jwt.InvalidKeyError):
        make(clock, b"short")
    with pytest.raises(jwt.InvalidKeyError):
        make(clock, KEY, b"short")


def test_a_clock_a_little_ahead_is_tolerated(tokens: Tokens) -> None:
    ahead = NOW_S + LEEWAY_S
    assert tokens.read_access(sign({**GENUINE, "iat": ahead, "exp": ahead + 900})).user_id == USER


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    **{f"no {name}": without(name) for name in GENUINE},
    "sub a number": {**GENUINE, "sub": USER},
    "sub of another form": {**GENUINE, "sub": "5"},
    "sub zero": {**GENUINE, "sub": "0" * 16},
    "sid null": {**GENUINE, "sid": None},
    "sid a list": {**GENUINE, "sid": [id_out(SESSION)]},
    "exp as text": {**GENUINE, "exp": str(NOW_S + 900)},
    "exp a fraction": {**GENUINE, "exp": NOW_S + 900.5},
    "exp true": {**GENUINE, "exp": True},
    "exp for ever": {**GENUINE, "exp": 10**30},
    "a life longer than ours": {**GENUINE, "exp": NOW_S + 901},
    "a life that ends before it begins": {**GENUINE, "exp": NOW_S},
    "iat as text": {**GENUINE, "iat": str(NOW_S)},
    "iat in the future": {**GENUINE, "iat": NOW_S + LEEWAY_S + 1, "exp": NOW_S + 900},
    "typ refresh": {**GENUINE, "typ": "refresh"},
    "typ a list": {**GENUINE, "typ": ["access"]},
}


@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
@pytest.mark.parametrize("allow_expired", [False, True])
def test_bad_claims_are_invalid(tokens: Tokens, claims: dict[str, Any], allow_expired: bool) -> None:
    with pytest.raises(TokenInvalid):
        tokens.read_access(sign(claims), allow_expired=allow_expired)


def test_an_expired_token_of_the_wrong_kind_is_invalid_not_expired(tokens: Tokens, clock: Clock) -> None:
    token = tokens.refresh(SESSION, tokens.first_jti())
    clock.now_s += 10**6
    with pytest.raises(TokenInvalid):
        tokens.read_access(token, allow_expired=True)


def test_an_access_token_does_not_refresh(tokens: Tokens) -> None:
    with pytest.raises(TokenInvalid):
        tokens.read_refresh(tokens.access(USER, SESSION))


HEADER, PAYLOAD, SIGNATURE = sign(GENUINE).split(".")
NONE_HEADER = part(b'{"alg":"none","typ":"JWT"}')
BAD_TOKENS = {
    "empty": "",
    "no token": "hello",
    "two parts": f"{HEADER}.{PAYLOAD}",
    "four parts": f"{HEADER}.{PAYLOAD}.{SIGNATURE}.{SIGNATURE}",
    "another key": sign(GENUINE, b"x" * 32),
    "another algorithm": sign(GENUINE, KEY * 2, "HS512"),
    "alg none": f"{NONE_HEADER}.{PAYLOAD}.",
    "alg none, signed": f"{NONE_HEADER}.{PAYLOAD}.{SIGNATURE}",
    "changed": f"{HEADER}.{part(json.dumps({**GENUINE, 'sub': id_out(7)}).encode())}.{SIGNATURE}",
    "no base64": f"{HEADER}.%%%.{SIGNATURE}",
    "payload no object": jwt.api_jws.encode(b"[1]", KEY, "HS256"),
    "payload no json": jwt.api_jws.encode(b"\xff\xfe", KEY, "HS256"),
    "unknown critical header": jwt.encode(GENUINE, KEY, "HS256", {"crit": ["b64"], "b64": False}),
    "deep header": f"{part(b'[' * 1_500)}.{PAYLOAD}.",
    "not ascii": "é.ü.ß",
    "lone surrogate": "\ud800.a.b",
}


@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_bad_tokens_are_invalid(tokens: Tokens, token: str) -> None:
    with pytest.raises(TokenInvalid):
        tokens.read_access(token)
    with pytest.raises(TokenInvalid):
        tokens.read_refresh(token)


def test_a_large_token_is_not_even_parsed(tokens: Tokens) -> None:
    large = sign({**GENUINE, "more": "x" * MAX_CHARS})
    with pytest.raises(TokenInvalid):
        tokens.read_access(large)
    small = sign({**GENUINE, "more": "x"})
    assert tokens.read_access(small).user_id == USER
