"""Logging in with a token of the team's own login, over each database."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gochat.config import ConfigError, load_settings
from gochat.storage import erasure
from tests.contract.rest import SECRET, operator, running
from tests.services.issuer import AUDIENCE, NAME, Issuer


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running_issuer:
        yield running_issuer


async def test_a_user_is_made_at_first_sight(database_url: str, issuer: Issuer) -> None:
    async with running(database_url, jwt_issuers=[issuer.setting], registration="closed") as rest:
        told = {"token": issuer.token(picture="https://example.com/a.png")}
        first, *others = await asyncio.gather(
            *(rest.ok("POST", "/auth/exchange", {**told, "device": {"name": "Pixel"}}) for _ in range(4))
        )
        assert {it["user"]["id"] for it in others} == {first["user"]["id"]}
        assert (first["user"]["display_name"], first["user"]["avatar_url"]) == (
            "Ann",
            "https://example.com/a.png",
        )
        assert first["session"]["device"]["name"] == "Pixel"
        ann = rest.as_(first["access_token"])
        await ann.ok("PATCH", "/me", {"display_name": "Anna"})
        again = await rest.ok("POST", "/auth/exchange", {"token": issuer.token(name="Ann again")})
        assert again["user"]["display_name"] == "Anna", "it is their own from then on"
        await rest.ok("POST", "/auth/refresh", {"refresh_token": again["refresh_token"]})
        ben = await rest.ok("POST", "/auth/exchange", {"token": issuer.token(sub="2", name=...)})
        assert ben["user"]["id"] != first["user"]["id"]
        assert ben["user"]["display_name"] == ben["user"]["username"]
        refused = await rest.post("/auth/login", {"username": ben["user"]["username"], "password": ""})
        assert refused.code == "invalid_credentials", "there is no password"
        assert (await rest.as_(issuer.token()).get("/me")).code == "token_invalid", "it is for exchange only"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """For what no database sees otherwise than another."""
    return f"sqlite:///{tmp_path / 'gochat.db'}"


async def test_who_is_closed_out_stays_out(
    sqlite_url: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "SETTLE_MS", 0)
    async with running(sqlite_url, jwt_issuers=[issuer.setting], delete_grace_s=0) as rest:
        token = issuer.token()
        ann = await rest.ok("POST", "/auth/exchange", {"token": token})
        operator(sqlite_url, "user", "disable", ann["user"]["id"], "--why=x")
        refused = await rest.post("/auth/exchange", {"token": token})
        assert (refused.status, refused.code) == (403, "account_disabled")
        operator(sqlite_url, "user", "enable", ann["user"]["id"], "--why=x")
        ann = await rest.ok("POST", "/auth/exchange", {"token": token})
        await rest.as_(ann["access_token"]).ok("DELETE", "/me")
        async with asyncio.timeout(30):
            while (answer := await rest.post("/auth/exchange", {"token": token})).status != 200:
                assert answer.code == "invalid_credentials"
                await asyncio.sleep(0.05)
        assert answer.body["user"]["id"] != ann["user"]["id"], "who was deleted comes as somebody new"


async def test_tokens_that_are_not_valid_are_few(sqlite_url: str, issuer: Issuer) -> None:
    changes = {"jwt_issuers": [issuer.setting], "login_rate": "3/minute"}
    async with running(sqlite_url, **changes) as rest:
        for _ in range(5):
            await rest.ok("POST", "/auth/exchange", {"token": issuer.token()})
        for code in ("token_invalid", "token_invalid", "token_invalid", "rate_limited"):
            assert (await rest.post("/auth/exchange", {"token": issuer.token(aud="x")})).code == code


async def test_an_issuer_that_is_away(sqlite_url: str) -> None:
    with Issuer() as away:
        setting, token = away.setting, away.token()
    async with running(sqlite_url, jwt_issuers=[setting]) as rest:
        refused = await rest.post("/auth/exchange", {"token": token})
        assert (refused.status, refused.code) == (503, "unavailable")


async def test_without_issuers_no_token_is_taken(sqlite_url: str, issuer: Issuer) -> None:
    async with running(sqlite_url) as rest:
        assert (await rest.post("/auth/exchange", {"token": issuer.token()})).code == "token_invalid"


GOOD = {"issuer": NAME, "jwks_url": "https://login.example.com/keys", "audience": AUDIENCE}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("nonsense", "JWT_ISSUERS: must be a JSON list"),
        ([{**GOOD, "audience": ""}], "JWT_ISSUERS: audience: "),
        ([{"issuer": NAME}], "JWT_ISSUERS: jwks_url: Field required"),
        ([{**GOOD, "issuer": "server"}], "is the name of your own backend"),
        ([GOOD, GOOD], "two of them have one name"),
        ([{**GOOD, "secret": "x"}], "JWT_ISSUERS: secret: "),
        *(
            ([{**GOOD, "jwks_url": url}], "JWT_ISSUERS: jwks_url: ")
            for url in (
                "file:///etc/passwd",
                "https://",
                "https://a:b@c/",
                "https://a b/",
                "gopher://x/",
                "https://a:99999/",
            )
        ),
    ],
)
def test_issuers_that_stop_the_start(given: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_settings(jwt_secret=SECRET, jwt_issuers=given)


def test_keys_come_by_tls_in_production() -> None:
    plain = {**GOOD, "jwks_url": "http://login.example.com/keys"}
    with pytest.raises(ConfigError, match="must begin with https://"):
        load_settings(
            jwt_secret="q8Zr7wP1-xv0sKfT5mB3yH6nC9dE2gJ4",
            gochat_env="production",
            jwt_issuers=[plain],
            sqlite_path="x",
        )
