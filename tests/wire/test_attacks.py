"""A table of attacks on real processes, each with the answer that it gets; and what the log holds after."""

import base64
import json
import re
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gochat.contract.ids import id_out
from gochat.contract.routes import ROUTES
from tests.services.issuer import NAME, Issuer, claims, jwk, sign
from tests.wire.account import API, Account
from tests.wire.conftest import SECRET
from tests.wire.place import Place

PASSWORD = "secret-{}"
CANARY = "canary-9c1e"
PHONE = "+493012345678"
"""Of somebody who shows it to nobody."""


@dataclass
class Scene:
    """Ann and Ben talk; Eve attacks, from an account of her own."""

    place: Place
    ann: Account
    ben: Account
    eve: Account
    direct: str
    group: str
    issuer: Issuer
    key: str
    """A server key that may make tokens, and no users."""

    def ask(self, method: str, path: str, token: str | None = None, **options: Any) -> tuple[int, str | None]:
        """Status, and code if it was refused."""
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        headers |= options.pop("headers", {})
        response = self.place.http.request(method, API + path, headers=headers, **options)
        body = response.json() if response.content else {}
        return response.status_code, body.get("code") if isinstance(body, dict) else None

    def place_of(self, account: Account) -> str:
        """A conversation of theirs."""
        made = account.post("/conversations", {"kind": "group", "member_ids": [self.ben.id]})
        return str(made["conversation"]["id"])

    def message(self, conversation_id: str) -> dict[str, Any]:
        """Its first, as reports name it."""
        return {"conversation_id": conversation_id, "seq": 1}

    def claims(self, account: Account) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(account.token, options={"verify_signature": False})
        return claims


@pytest.fixture(scope="module")
def scene(place: Place, issuer: Issuer) -> Scene:
    ann, ben, eve = place.users("ann", "ben", "eve")
    talk = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})["conversation"]["id"]
    group = ann.post("/conversations", {"kind": "group", "member_ids": [ben.id]})["conversation"]["id"]
    body = {"client_message_id": str(uuid4()), "body": f"{CANARY} secret"}
    ann.post("/messages", {"conversation_id": talk, **body})
    given = {"username": "dora.attacked", "password": "correct horse", "phone": PHONE}
    assert place.http.post(f"{API}/auth/register", json=given).status_code == 200
    key = place.operator("key", "create", "reader", "--scope", "tokens", "--why", "x")
    return Scene(place, ann, ben, eve, talk, group, issuer, key)


Attack = Callable[..., tuple[int, str | None]]
ATTACKS: list[tuple[str, Attack, tuple[int, str | None]]] = []


def attack(name: str, status: int, code: str | None) -> Callable[[Attack], Attack]:
    def add(act: Attack) -> Attack:
        ATTACKS.append((name, act, (status, code)))
        return act

    return add


# ---- tokens (RFC 8725)


def forged(
    scene: Scene, key: str = SECRET, algorithm: str = "HS256", **changes: Any
) -> tuple[int, str | None]:
    claims = {**scene.claims(scene.ann), **changes}
    claims = {name: value for name, value in claims.items() if value is not ...}
    with warnings.catch_warnings(action="ignore"):  # the key is short for some algorithms
        token = jwt.encode(claims, key, algorithm)
    return scene.ask("GET", "/me", token)


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(claims)}.{signature}"


NOW = int(time.time())
for name, changes in {
    "no exp": {"exp": ...},
    "no iat": {"iat": ...},
    "no typ": {"typ": ...},
    "no sid": {"sid": ...},
    "no sub": {"sub": ...},
    "exp as text": {"exp": str(NOW + 900)},
    "exp as float": {"exp": NOW + 900.5},
    "exp true": {"exp": True},
    "exp for ever": {"exp": 10**30},
    "a life too long": {"exp": NOW + 10**6},
    "exp before iat": {"exp": NOW - 100, "iat": NOW},
    "from the future": {"iat": NOW + 5_000, "exp": NOW + 5_900},
    "another's session": {"sub": id_out(77)},
    "no session": {"sid": id_out(77)},
    "sub as number": {"sub": 5},
    "sub as list": {"sub": ["x"]},
    "a refresh token's type": {"typ": "refresh"},
    "sid of SQL": {"sid": "' OR 1=1 --"},
}.items():
    ATTACKS.append((f"token: {name}", lambda s, c=changes: forged(s, **c), (401, "token_invalid")))
for name, key, algorithm in (
    ("another key", "x" * 48, "HS256"),
    ("HS384 of ours", SECRET, "HS384"),
    ("HS512 of ours", SECRET, "HS512"),
):
    ATTACKS.append((f"token: {name}", lambda s, k=key, a=algorithm: forged(s, k, a), (401, "token_invalid")))
for name, header in {
    "alg none": {"alg": "none", "typ": "JWT"},
    "alg None": {"alg": "None"},
    "alg of a list": {"alg": ["HS256"]},
    "no alg": {"typ": "JWT"},
    "jku": {"alg": "RS256", "jku": "http://127.0.0.1:1/keys"},
    "embedded jwk": {"alg": "RS256", "jwk": {"kty": "oct", "k": "AAAA"}},
    "kid of a path": {"alg": "HS256", "kid": "../../etc/passwd"},
    "crit": {"alg": "HS256", "crit": ["b64"], "b64": False},
}.items():
    ATTACKS.append(
        (
            f"token: {name}",
            lambda s, h=header: s.ask("GET", "/me", unsigned(h, s.claims(s.ann))),
            (401, "token_invalid"),
        )
    )


@attack("token: the signature stripped", 401, "token_invalid")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", "/me", scene.ann.token.rpartition(".")[0] + ".")


@attack("token: of refresh, to read", 401, "token_invalid")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", "/me", scene.ann.refresh_token)


@attack("token: of access, to refresh", 401, "token_invalid")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("POST", "/auth/refresh", json={"refresh_token": scene.ann.token})


@attack("token: 60 kB", 401, "token_invalid")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", "/me", "A" * 60_000)


@attack("token: none", 401, "token_missing")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", "/me")


@attack("token: Basic", 401, "token_missing")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", "/me", headers={"Authorization": "Basic YW5uOnNlY3JldA=="})


@attack("token: in the query", 401, "token_missing")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", f"/me?access_token={scene.ann.token}")


# ---- tokens of an issuer (RFC 8725), whose keys come by JWKS


def exchanged(scene: Scene, token: str) -> tuple[int, str | None]:
    return scene.ask("POST", "/auth/exchange", json={"token": token})


def by_no_key_of_theirs(issuer: Issuer, header: dict[str, Any]) -> str:
    """Signed by the attacker, with whatever header."""
    return sign(claims(), _EVIL, "RS256", {"kid": "one", **header})


_EVIL = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
ISSUED: dict[str, Callable[[Issuer], str]] = {
    "another issuer": lambda it: it.token(iss="https://evil.example/"),
    "issuers by a list": lambda it: it.token(iss=[NAME]),
    "no issuer": lambda it: it.token(iss=...),
    "another audience": lambda it: it.token(aud="another app"),
    "no audience": lambda it: it.token(aud=...),
    "no exp": lambda it: it.token(exp=...),
    "exp as text": lambda it: it.token(exp=str(NOW + 600)),
    "exp for ever": lambda it: it.token(exp=10**30),
    "from the future": lambda it: it.token(iat=NOW + 5_000, exp=NOW + 5_600),
    "not yet": lambda it: it.token(nbf=NOW + 5_000),
    "no sub": lambda it: it.token(sub=...),
    "sub as number": lambda it: it.token(sub=1),
    "sub of SQL and blanks": lambda it: it.token(sub="' OR 1=1 --"),
    "an unknown kid": lambda it: it.token(kid="nobody's"),
    "kid of a path": lambda it: it.token(kid="../../etc/passwd"),
    "kid of an address": lambda it: it.token(kid=f"{it.url}?evil"),
    "crit": lambda it: it.token(headers={"crit": ["exp"]}),
    "another's key": lambda it: by_no_key_of_theirs(it, {}),
    "jwk in the header": lambda it: by_no_key_of_theirs(it, {"jwk": jwk("one", "RS256", _EVIL)}),
    "jku in the header": lambda it: by_no_key_of_theirs(it, {"jku": f"{it.url}?evil"}),
    "x5u in the header": lambda it: by_no_key_of_theirs(it, {"x5u": f"{it.url}?evil"}),
    "the public key as a secret": lambda it: sign(claims(), _pem(it), "HS256", {"kid": "one"}),
    "our own secret": lambda it: sign(claims(), SECRET, "HS256", {"kid": "one"}),
    "alg none": lambda it: unsigned({"alg": "none", "kid": "one"}, claims()),
    "the signature stripped": lambda it: it.token().rpartition(".")[0] + ".",
}
for name, made in ISSUED.items():
    ATTACKS.append(
        (
            f"issuer: {name}",
            lambda s, m=made: exchanged(s, m(s.issuer)),
            (401, "token_invalid"),
        )
    )


def _pem(issuer: Issuer) -> bytes:
    """The issuer's public key, as everybody has it; PyJWT would not take it for a secret."""
    public = issuer.keys["one"][1].public_key()
    return base64.b64encode(
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@attack("issuer: an access token of ours", 401, "token_invalid")
def _(scene: Scene) -> tuple[int, str | None]:
    return exchanged(scene, scene.ann.token)


@attack("issuer: its token for ours", 401, "token_invalid")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", "/me", scene.issuer.token())


@attack("issuer: its token to refresh", 401, "token_invalid")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("POST", "/auth/refresh", json={"refresh_token": scene.issuer.token()})


@attack("issuer: one whose time has passed", 401, "token_expired")
def _(scene: Scene) -> tuple[int, str | None]:
    return exchanged(scene, scene.issuer.token(iat=NOW - 700, exp=NOW - 100))


@attack("issuer: 60 kB", 400, "invalid_payload")
def _(scene: Scene) -> tuple[int, str | None]:
    return exchanged(scene, "A" * 60_000)


@attack("issuer: a user by another's name", 400, "invalid_payload")
def _(scene: Scene) -> tuple[int, str | None]:
    token = scene.issuer.token()
    return scene.ask("POST", "/auth/exchange", json={"token": token, "user_id": scene.ann.id})


# ---- objects of others, through every route that names one

STRANGERS: dict[str, Callable[[Scene], tuple[int, str | None]]] = {
    "conversation": lambda s: s.ask("GET", f"/conversations/{s.direct}", s.eve.token),
    "members": lambda s: s.ask("GET", f"/conversations/{s.group}/members", s.eve.token),
    "bans": lambda s: s.ask("GET", f"/conversations/{s.group}/bans", s.eve.token),
    "history": lambda s: s.ask("GET", f"/messages?conversation_id={s.direct}", s.eve.token),
    "around": lambda s: s.ask("GET", f"/messages?conversation_id={s.direct}&around_seq=1", s.eve.token),
    "send": lambda s: s.ask(
        "POST",
        "/messages",
        s.eve.token,
        json={"conversation_id": s.direct, "client_message_id": str(uuid4()), "body": "x"},
    ),
    "receipts": lambda s: s.ask(
        "POST", f"/conversations/{s.direct}/receipts", s.eve.token, json={"read_seq": 1}
    ),
    "search": lambda s: s.ask("GET", f"/messages/search?q={CANARY}&conversation_id={s.direct}", s.eve.token),
    "reactions": lambda s: s.ask("GET", f"/messages/{s.direct}/1/reactions", s.eve.token),
    "a forward": lambda s: s.ask(
        "POST",
        "/messages",
        s.eve.token,
        json={
            "conversation_id": s.place_of(s.eve),
            "client_message_id": str(uuid4()),
            "body": "x",
            "forwarded_from": {"conversation_id": s.direct, "seq": 1},
        },
    ),
    "another's session": lambda s: s.ask("DELETE", f"/auth/sessions/{s.claims(s.ann)['sid']}", s.eve.token),
    "a session that is not there": lambda s: s.ask("DELETE", f"/auth/sessions/{id_out(5)}", s.eve.token),
    "a block of nobody": lambda s: s.ask("PUT", "/me/blocks", s.eve.token, json={"user_id": "0" * 16}),
    "a group with nobody": lambda s: s.ask(
        "POST", "/conversations", s.eve.token, json={"kind": "group", "member_ids": ["0" * 16]}
    ),
}
for name, act in STRANGERS.items():
    ATTACKS.append((f"others: {name}", act, (404, "not_found")))


@attack("others: a report of what one can't see", 202, None)
def _(scene: Scene) -> tuple[int, str | None]:
    target = {"conversation_id": scene.direct, "seq": 1}
    body = {"client_report_id": str(uuid4()), "target": target, "reason": "spam"}
    return scene.ask("POST", "/reports", scene.eve.token, json=body)


@attack("others: bans, by a member without a role", 403, "forbidden")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", f"/conversations/{scene.group}/bans", scene.ben.token)


@attack("others: quit what one is not in", 200, None)
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("POST", "/conversations/quit", scene.eve.token, json={"conversation_ids": [scene.group]})


@attack("others: what they wrote, found by a search of all", 200, None)
def _(scene: Scene) -> tuple[int, str | None]:
    assert scene.eve.get("/messages/search", q=CANARY)["results"] == []
    return scene.ask("GET", f"/messages/search?q={CANARY}", scene.eve.token)


@attack("others: a conversation by a sync that names it", 200, None)
def _(scene: Scene) -> tuple[int, str | None]:
    told = scene.eve.post("/sync", {"known": {scene.direct: 0, scene.group: 1}})["conversations"]
    theirs = [it for it in told if it["conversation_id"] in {scene.direct, scene.group}]
    assert all(it.get("removed") and not it.keys() & {"conversation", "messages", "members"} for it in theirs)
    return scene.ask("POST", "/sync", scene.eve.token, json={"known": {scene.direct: 0}})


# ---- keys of a team's server, and what each may

KEYED: dict[str, tuple[Callable[[Scene], tuple[int, str | None]], tuple[int, str]]] = {
    "outside its scope": (
        lambda s: s.ask("POST", "/server/users", s.key, json={"external_id": "1"}),
        (403, "forbidden"),
    ),
    "for a user who was not made by it": (
        lambda s: s.ask("POST", "/server/tokens", s.key, json={"external_id": s.ann.name}),
        (404, "not_found"),
    ),
    "a user by their id": (
        lambda s: s.ask("POST", "/server/tokens", s.key, json={"user_id": s.ann.id}),
        (400, "invalid_payload"),
    ),
    "cut": (
        lambda s: s.ask("POST", "/server/tokens", s.key[:-1], json={"external_id": "1"}),
        (401, "token_invalid"),
    ),
    "made up": (
        lambda s: s.ask("POST", "/server/tokens", "gk_x", json={"external_id": "1"}),
        (401, "token_invalid"),
    ),
    "none": (
        lambda s: s.ask("POST", "/server/tokens", json={"external_id": "1"}),
        (401, "token_missing"),
    ),
    "a user's token": (
        lambda s: s.ask("POST", "/server/tokens", s.ann.token, json={"external_id": "1"}),
        (401, "token_invalid"),
    ),
    "to read as a user": (lambda s: s.ask("GET", "/me", s.key), (401, "token_invalid")),
    "to refresh": (
        lambda s: s.ask("POST", "/auth/refresh", json={"refresh_token": s.key}),
        (401, "token_invalid"),
    ),
    "for a token of an issuer": (lambda s: exchanged(s, s.key), (401, "token_invalid")),
}
for name, (act, answer) in KEYED.items():
    ATTACKS.append((f"key: {name}", act, answer))

# ---- mass assignment: fields that are not the user's to set

for name in ("id", "username", "deleted", "created_at", "disabled_at", "muted_until", "terms_version"):
    ATTACKS.append(
        (
            f"me: {name}",
            lambda s, n=name: s.ask("PATCH", "/me", s.eve.token, json={n: "x"}),
            (400, "invalid_payload"),
        )
    )
for name in ("id", "role", "kind", "is_admin", "password_hash", "__proto__"):
    ATTACKS.append(
        (
            f"register: {name}",
            lambda s, n=name: s.ask(
                "POST",
                "/auth/register",
                json={"username": f"m{uuid4().hex[:20]}", "password": "correct horse", n: "x"},
            ),
            (400, "invalid_payload"),
        )
    )

# ---- names and passwords

for name, username in {
    "Cyrillic letter": "\u0430dmin",
    "all Cyrillic": "\u0441\u043e\u0440\u0435",
    "right-to-left override": "nimda\u202e",
    "zero width": "adm\u200bin",
    "NUL": "admin\x00",
    "dotless i": "adm\u0131n",
    "small capitals": "\u1d00dm\u026an",
    "a low line of no script": "admin\u02cd",
    "stretched": "admin\u0640",
    "line break": "admin\n",
    "SQL": "admin' --",
    "template": "{{7*7}}",
    "path": "../admin",
    "33 letters": "x" * 33,
}.items():
    ATTACKS.append(
        (
            f"name: {name}",
            lambda s, u=username: s.ask(
                "POST", "/auth/register", json={"username": u, "password": "correct horse"}
            ),
            (400, "invalid_payload"),
        )
    )


@attack("name: another spelling of one that is there", 409, "username_taken")
def _(scene: Scene) -> tuple[int, str | None]:
    wide = "".join(chr(ord(it) + 0xFEE0) if it.isalpha() else it for it in scene.ann.name).upper()
    return scene.ask("POST", "/auth/register", json={"username": wide, "password": "correct horse"})


for name, password in {
    "common": "password123",
    "short": "abc",
    "a name": "newcomer",
    "one letter": "a" * 20,
}.items():
    ATTACKS.append(
        (
            f"password: {name}",
            lambda s, p=password: s.ask(
                "POST", "/auth/register", json={"username": "newcomer", "password": p}
            ),
            (400, "invalid_payload"),
        )
    )
for name, given in {
    "empty": "",
    "SQL": "' OR '1'='1",
    "NUL": "secret\x00",
    "of another": "secret-ben",
}.items():
    ATTACKS.append(
        (
            f"login: {name}",
            lambda s, p=given: s.ask("POST", "/auth/login", json={"username": s.ann.name, "password": p}),
            (401, "invalid_credentials"),
        )
    )


@attack("login: a list as the name", 400, "invalid_payload")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("POST", "/auth/login", json={"username": [scene.ann.name], "password": "x"})


@attack("login: an object as the password", 400, "invalid_payload")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("POST", "/auth/login", json={"username": scene.ann.name, "password": {"$ne": ""}})


@attack("reset: a guess", 401, "invalid_credentials")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("POST", "/auth/reset", json={"code": "AAAAA-AAAAA", "new": "correct horse"})


@attack("password: changed without the old one", 401, "invalid_credentials")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("POST", "/auth/password", scene.eve.token, json={"old": "", "new": "correct horse"})


# ---- bodies

BODIES: dict[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "no JSON": ({"content": b"{"}, (400, "invalid_payload")),
    "NaN": ({"content": b'{"username": NaN, "password": "x"}'}, (400, "invalid_payload")),
    "half an emoji": ({"content": b'{"username": "\\ud83d", "password": "x"}'}, (400, "invalid_payload")),
    "an array": ({"content": b"[]"}, (400, "invalid_payload")),
    "null": ({"content": b"null"}, (400, "invalid_payload")),
    "deep": ({"content": b"[" * 100_000}, (400, "invalid_payload")),
    "deep data": (
        {"content": b'{"username": ' + b'{"a":' * 2_000 + b"1" + b"}" * 2_000 + b"}"},
        (400, "invalid_payload"),
    ),
    "too large": ({"content": b'"' + b"x" * 600_000 + b'"'}, (413, "payload_too_large")),
    "a key twice": ({"content": b'{"password": "a", "password": ["b"]}'}, (400, "invalid_payload")),
    "UTF-16": ({"content": '{"username": "ann"}'.encode("utf-16")}, (400, "invalid_payload")),
    "a form": (
        {"content": b"username=ann", "headers": {"content-type": "application/x-www-form-urlencoded"}},
        (415, "unsupported_media_type"),
    ),
    "XML": (
        {"content": b"<a/>", "headers": {"content-type": "application/xml"}},
        (415, "unsupported_media_type"),
    ),
    "text": ({"content": b"{}", "headers": {"content-type": "text/plain"}}, (415, "unsupported_media_type")),
    "no type": ({"content": b"{}", "headers": {"content-type": ""}}, (415, "unsupported_media_type")),
}
for name, (options, answer) in BODIES.items():
    options.setdefault("headers", {"content-type": "application/json"})
    ATTACKS.append(
        (
            f"body: {name}",
            lambda s, o=options: s.ask("POST", "/auth/login", **{**o, "headers": dict(o["headers"])}),
            answer,
        )
    )

# ---- wildcards, methods, queries

for name, prefix in {
    "percent": "%",
    "underscores": "____",
    "a quote": "'",
    "a backslash": "\\",
    "NUL": "\x00",
}.items():
    ATTACKS.append(
        (
            f"search: {name}",
            lambda s, p=prefix: (len(s.eve.get("/users", prefix=p)["users"]), None),
            (0, None),
        )
    )


@attack("search: a hundred and one ids", 400, "invalid_payload")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", "/users?ids=" + ",".join([id_out(1)] * 101), scene.eve.token)


@attack("search: a parameter twice", 400, "invalid_payload")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", "/users?prefix=a&prefix=b", scene.eve.token)


@attack("search: a parameter that is none", 400, "invalid_payload")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", "/me?fields=password_hash", scene.eve.token)


@attack("method: TRACE", 405, "method_not_allowed")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("TRACE", "/me", scene.eve.token)


@attack("method: by a header", 405, "method_not_allowed")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("POST", "/me", scene.eve.token, headers={"X-HTTP-Method-Override": "DELETE"}, json={})


@attack("path: up", 404, "not_found")
def _(scene: Scene) -> tuple[int, str | None]:
    return scene.ask("GET", "/conversations/%2e%2e%2fme", scene.eve.token)


@attack("cursor: of another", 400, "cursor_invalid")
def _(scene: Scene) -> tuple[int, str | None]:
    cursor = scene.ann.get("/conversations", limit=1)["cursor"]
    assert cursor
    return scene.ask("GET", f"/conversations?cursor={cursor}", scene.eve.token)


def _distinct() -> Iterator[str]:
    yield from (name for name, _, _ in ATTACKS)


KINDS = {
    "token",
    "issuer",
    "others",
    "key",
    "me",
    "register",
    "name",
    "password",
    "login",
    "reset",
    "body",
    "search",
    "method",
    "path",
    "cursor",
}


def test_there_are_a_hundred_and_fifty_of_them_of_every_kind() -> None:
    names = list(_distinct())
    assert len(names) >= 150
    assert len(set(names)) == len(names)
    assert {name.partition(":")[0] for name in names} == KINDS


def test_every_route_that_names_what_may_be_another_s_is_attacked(scene: Scene) -> None:
    """By whoever adds a route: its row is missing here until it stands among those of strangers."""
    asked: list[tuple[str, str]] = []

    class Noted(Scene):
        def ask(self, method: str, path: str, token: str | None = None, **_: Any) -> tuple[int, str | None]:
            asked.append((method, path.partition("?")[0]))
            return 404, "not_found"

    for act in STRANGERS.values():
        act(Noted(**vars(scene)))
    named = [
        it
        for it in ROUTES
        if "{" in it.path
        or any("conversation_id" in model.model_fields for model in (it.query, it.body) if model)
    ]
    assert len(named) >= 9
    for route in named:
        pattern = re.sub(r"\{\w+\}", "[0-9a-f]+", route.path)
        assert any(route.method == method and re.fullmatch(pattern, path) for method, path in asked), route


WHO_IS_THERE: dict[str, tuple[str, Callable[[Scene], object], Callable[[Scene], object]]] = {
    "login by name": (
        "/auth/login",
        lambda s: {"username": s.ann.name, "password": "wrong horse"},
        lambda s: {"username": "nobody.here", "password": "wrong horse"},
    ),
    "login by a name that nobody can have": (
        "/auth/login",
        lambda s: {"username": s.ann.name, "password": "wrong horse"},
        lambda s: {"username": "\x00", "password": "wrong horse"},
    ),
    "login by number": (
        "/auth/login",
        lambda s: {"phone": PHONE, "password": "wrong horse"},
        lambda s: {"phone": "+493099999999", "password": "wrong horse"},
    ),
    "a report of a user": (
        "/reports",
        lambda s: {"client_report_id": str(uuid4()), "target": {"user_id": s.ann.id}, "reason": "spam"},
        lambda s: {"client_report_id": str(uuid4()), "target": {"user_id": id_out(5)}, "reason": "spam"},
    ),
    "a report of a message": (
        "/reports",
        lambda s: {"client_report_id": str(uuid4()), "reason": "spam", "target": s.message(s.direct)},
        lambda s: {"client_report_id": str(uuid4()), "reason": "spam", "target": s.message(id_out(5))},
    ),
    "a message to a conversation": (
        "/messages",
        lambda s: {"client_message_id": str(uuid4()), "body": "x", "conversation_id": s.direct},
        lambda s: {"client_message_id": str(uuid4()), "body": "x", "conversation_id": id_out(5)},
    ),
    "a number of an address book": (
        "/users/contacts",
        lambda _: {"numbers": [PHONE]},
        lambda _: {"numbers": ["+493099999999"]},
    ),
}


@pytest.mark.parametrize("name", WHO_IS_THERE)
def test_no_answer_tells_who_or_what_is_there(scene: Scene, name: str) -> None:
    """Not by its status, its text or its headers; what it costs is counted where passwords are tested."""
    path, there, nowhere = WHO_IS_THERE[name]
    told = []
    for given in (there, nowhere):
        answer = scene.place.http.post(API + path, json=given(scene), headers=scene.eve.headers)
        headers = {key: value for key, value in answer.headers.items() if key not in {"date", "x-request-id"}}
        told.append((answer.status_code, {**answer.json(), "request_id": ""}, headers))
    assert told[0] == told[1]


@pytest.mark.parametrize(("act", "answer"), [row[1:] for row in ATTACKS], ids=[row[0] for row in ATTACKS])
def test_attack(scene: Scene, act: Attack, answer: tuple[int, str | None]) -> None:
    assert act(scene) == answer


def test_a_good_token_of_the_issuer_is_taken_and_nothing_else_was_asked_of_it(scene: Scene) -> None:
    assert exchanged(scene, scene.issuer.token()) == (200, None)
    assert not any("evil" in path for path in scene.issuer.paths)


def test_nothing_secret_is_in_the_log(scene: Scene) -> None:
    """After all of that."""
    logs = [
        path.read_text(errors="replace")
        for server in {scene.place.here, scene.place.there}
        for path in server.directory.glob("server-*.log")
    ]
    assert logs
    secrets = [CANARY, SECRET, "correct horse", f"secret-{scene.ann.name}"]
    secrets += [it.token.rpartition(".")[2] for it in (scene.ann, scene.ben, scene.eve)]
    secrets += [it.refresh_token.rpartition(".")[2] for it in (scene.ann, scene.ben, scene.eve)]
    for secret in secrets:
        assert not any(secret in log for log in logs)
    assert not any("Traceback" in log for log in logs)
