"""Register, login, refresh, logout and me, over each database."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from gochat.contract.ids import id_out
from tests.contract.rest import PASSWORD, SECRET, Rest, operator, register, running
from tests.contract.stored import stored

PHONE = "+493012345678"


async def test_register_and_me(rest: Rest) -> None:
    device = {"name": "Pixel 9", "platform": "android", "app_version": "1.2"}
    ann = await register(rest, "Ann", display_name=" Ann B. ", phone="+49 30 12345678", device=device)
    assert ann.tokens["token_type"] == "Bearer"
    assert ann.tokens["expires_in"] == 900
    me = await ann.rest.ok("GET", "/me")
    assert me["user"] == ann.tokens["user"]
    assert me["user"]["username"] == "ann"
    assert me["user"]["display_name"] == "Ann B."
    assert me["session"]["id"] == ann.tokens["session"]["id"]
    assert me["session"]["device"] == device
    assert me["session"]["current"] is True


async def test_login_by_username_and_by_phone(rest: Rest) -> None:
    ann = await register(rest, "ann", phone=PHONE)
    for by in ({"username": "ANN"}, {"phone": "+49 (30) 123456-78"}):
        tokens = await rest.ok("POST", "/auth/login", {**by, "password": PASSWORD})
        assert tokens["user"]["id"] == ann.id
        assert tokens["session"]["id"] != ann.tokens["session"]["id"]
        await rest.as_(tokens["access_token"]).ok("GET", "/me")


async def test_names_of_any_script_are_one_spelling(rest: Rest) -> None:
    user = await register(rest, "Ва\u0441я_5")
    assert user.tokens["user"]["username"] == "вася_5"
    taken = await rest.post("/auth/register", {"username": "ВАСЯ_5", "password": PASSWORD})
    assert (taken.status, taken.code) == (409, "username_taken")
    for spelling in ("вася_5", " Вася_\uff15 "):
        await rest.ok("POST", "/auth/login", {"username": spelling, "password": PASSWORD})
    await register(rest, "вася_6")
    for prefix, count in (("Вас", 2), ("вася_6", 1), ("вася_7", 0), ("\u0000", 0), ("%", 0)):
        found = await rest.as_(user.tokens["access_token"]).get("/users", params={"prefix": prefix})
        assert len(found.body["users"]) == count, prefix


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"username": "al"}, "length"),
        ({"username": ""}, "length"),
        ({"username": 1_000 * "x"}, "length"),
        ({"username": "ann lee"}, "characters"),
        ({"password": "short"}, "too_short"),
        ({"password": ""}, "too_short"),
    ],
)
async def test_why_a_name_or_password_is_refused_is_told_alike(
    rest: Rest, change: dict[str, str], reason: str
) -> None:
    answer = await rest.post("/auth/register", {"username": "ann", "password": PASSWORD, **change})
    assert (answer.status, answer.code, answer.body["field"]) == (400, "invalid_payload", *change)
    assert answer.body["details"] == {"reason": reason}


async def test_a_password_is_changed(rest: Rest) -> None:
    phone = await register(rest, "ann")
    tablet = await rest.ok("POST", "/auth/login", {"username": "ann", "password": PASSWORD})
    answer = await phone.rest.post("/auth/password", {"old": "wrong", "new": "battery staple"})
    assert (answer.status, answer.code) == (401, "invalid_credentials")
    answer = await phone.rest.post("/auth/password", {"old": PASSWORD, "new": "12345678"})
    assert (answer.status, answer.body["details"]) == (400, {"reason": "common"})
    assert await phone.rest.ok("POST", "/auth/password", {"old": PASSWORD, "new": "battery staple"}) == {}
    assert (await rest.as_(tablet["access_token"]).get("/me")).code == "session_revoked"
    await phone.rest.ok("GET", "/me")
    answer = await rest.post("/auth/login", {"username": "ann", "password": PASSWORD})
    assert answer.code == "invalid_credentials"
    await rest.ok("POST", "/auth/login", {"username": "ann", "password": "battery staple"})


async def test_a_code_of_the_operator_sets_the_password_anew(rest: Rest, database_url: str) -> None:
    phone = await register(rest, "ann", phone=PHONE)
    codes = [operator(database_url, "user", "reset-password", name, "--why=x") for name in (" ANN ", PHONE)]
    for code, status in ((codes[0], 401), (codes[1], 200), (codes[1], 401)):
        answer = await rest.post("/auth/reset", {"code": code, "new": "battery staple"})
        assert answer.status == status
    assert (await phone.rest.get("/me")).code == "session_revoked"
    await rest.ok("POST", "/auth/login", {"username": "ann", "password": "battery staple"})
    with pytest.raises(AssertionError, match="There is no user nobody"):
        operator(database_url, "user", "reset-password", "nobody", "--why=x")


async def test_taken_names(rest: Rest, database_url: str) -> None:
    await register(rest, "ann", phone=PHONE)
    before = stored(database_url)
    for fields, code in [
        ({"username": "ANN"}, "username_taken"),
        ({"username": "bob", "phone": "+49 30 12345678"}, "phone_taken"),
    ]:
        answer = await rest.post("/auth/register", {**fields, "password": PASSWORD})
        assert (answer.status, answer.code) == (409, code)
    assert stored(database_url) == before


async def test_wrong_credentials_have_one_answer(rest: Rest, database_url: str) -> None:
    await register(rest, "ann", phone=PHONE)
    before = stored(database_url)
    told = set()
    for by in (
        {"username": "ann", "password": "wrong"},
        {"username": "ann", "password": ""},
        {"username": "nobody", "password": PASSWORD},
        {"username": "ännchen", "password": PASSWORD},
        {"username": "a\x00b", "password": PASSWORD},
        {"username": "' OR 1=1 --", "password": PASSWORD},
        {"phone": "+493087654321", "password": PASSWORD},
    ):
        answer = await rest.post("/auth/login", by)
        assert (answer.status, answer.code) == (401, "invalid_credentials")
        told.add(str({k: v for k, v in answer.body.items() if k != "request_id"}))
    assert len(told) == 1
    assert stored(database_url) == before


BAD_REGISTRATIONS: list[tuple[dict[str, Any], str]] = [
    ({"password": PASSWORD}, "username"),
    ({"username": "ann"}, "password"),
    ({"username": "ab", "password": PASSWORD}, "username"),
    ({"username": "a" * 33, "password": PASSWORD}, "username"),
    ({"username": "ann\n", "password": PASSWORD}, "username"),
    ({"username": "\u0430nn", "password": PASSWORD}, "username"),
    ({"username": "ann\u202e", "password": PASSWORD}, "username"),
    ({"username": "ann", "password": "password"}, "password"),
    ({"username": "annabella", "password": "Annabella1"}, "password"),
    ({"username": 5, "password": PASSWORD}, "username"),
    ({"username": None, "password": PASSWORD}, "username"),
    ({"username": "ann", "password": "short"}, "password"),
    ({"username": "ann", "password": "x" * 257}, "password"),
    ({"username": "ann", "password": ["correct", "horse"]}, "password"),
    ({"username": "ann", "password": PASSWORD, "phone": "12"}, "phone"),
    ({"username": "ann", "password": PASSWORD, "phone": "03012345678"}, "phone"),
    ({"username": "ann", "password": PASSWORD, "display_name": ""}, "display_name"),
    ({"username": "ann", "password": PASSWORD, "display_name": "  "}, "display_name"),
    ({"username": "ann", "password": PASSWORD, "display_name": "x" * 101}, "display_name"),
    ({"username": "ann", "password": PASSWORD, "device": "Pixel"}, "device"),
    ({"username": "ann", "password": PASSWORD, "device": {"os": "android"}}, "device.os"),
    ({"username": "ann", "password": PASSWORD, "device": {"name": "x" * 101}}, "device.name"),
    ({"username": "ann", "password": PASSWORD, "admin": True}, "admin"),
]


async def test_where_nobody_registers(tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path / 'gochat.db'}", registration="closed") as rest:
        answer = await rest.post("/auth/register", {"username": "ann", "password": PASSWORD, "invite": "x"})
        assert (answer.status, answer.code, answer.body.get("field")) == (403, "forbidden", None)


async def test_an_invitation_is_good_for_so_many(database_url: str) -> None:
    """Not for one that failed; and wrong ones of an address are counted, as wrong passwords are."""
    async with running(database_url, registration="invite", login_rate="5/day") as rest:
        code = operator(database_url, "user", "invite", "--why=x", "--uses=2")
        given = {"username": "ann", "password": PASSWORD}
        for invite in ({}, {"invite": "AAAAA"}):
            answer = await rest.post("/auth/register", given | invite)
            assert (answer.status, answer.code, answer.body["field"]) == (403, "forbidden", "invite")
        await register(rest, "ann", invite=code)
        assert (await rest.post("/auth/register", given | {"invite": code})).code == "username_taken"
        await register(rest, "ben", invite=f" {code.lower()} ")
        answers = [
            (
                await rest.post("/auth/register", {"username": "carl", "password": PASSWORD, "invite": code})
            ).code
            for _ in range(4)
        ]
        assert answers == ["forbidden"] * 3 + ["rate_limited"]


async def test_registrations_that_are_refused(rest: Rest, database_url: str) -> None:
    before = stored(database_url)
    for request, field in BAD_REGISTRATIONS:
        answer = await rest.post("/auth/register", request)
        assert (answer.status, answer.code, answer.body["field"]) == (400, "invalid_payload", field), request
        assert answer.body["retryable"] is False
    assert stored(database_url) == before


async def test_refresh_rotates(rest: Rest) -> None:
    ann = await register(rest, "ann")
    fresh = await rest.ok("POST", "/auth/refresh", {"refresh_token": ann.tokens["refresh_token"]})
    assert fresh["session"]["id"] == ann.tokens["session"]["id"]
    assert fresh["user"] == ann.tokens["user"]
    assert fresh["refresh_token"] != ann.tokens["refresh_token"]
    await rest.as_(fresh["access_token"]).ok("GET", "/me")
    again = await rest.ok("POST", "/auth/refresh", {"refresh_token": fresh["refresh_token"]})
    assert again["session"]["id"] == fresh["session"]["id"]


async def test_a_phone_whose_answer_got_lost_refreshes_again(rest: Rest) -> None:
    ann = await register(rest, "ann")
    lost = await rest.ok("POST", "/auth/refresh", {"refresh_token": ann.tokens["refresh_token"]})
    found = await rest.ok("POST", "/auth/refresh", {"refresh_token": ann.tokens["refresh_token"]})
    for either in (lost, found):
        await rest.ok("POST", "/auth/refresh", {"refresh_token": either["refresh_token"]})


async def test_a_refresh_token_from_long_ago_ends_the_session(rest: Rest) -> None:
    ann = await register(rest, "ann")
    tokens = [ann.tokens]
    for _ in range(3):
        body = {"refresh_token": tokens[-1]["refresh_token"]}
        tokens.append(await rest.ok("POST", "/auth/refresh", body))
    for stale in (tokens[0], tokens[-1]):
        answer = await rest.post("/auth/refresh", {"refresh_token": stale["refresh_token"]})
        assert (answer.status, answer.code, answer.body["retryable"]) == (401, "session_revoked", False)
    assert (await rest.as_(tokens[-1]["access_token"]).get("/me")).code == "session_revoked"


async def test_what_is_no_refresh_token(rest: Rest) -> None:
    ann = await register(rest, "ann")
    for token in ("x", ann.tokens["access_token"], ann.tokens["refresh_token"][:-4] + "AAAA", "x" * 4_096):
        answer = await rest.post("/auth/refresh", {"refresh_token": token})
        assert (answer.status, answer.code) == (401, "token_invalid")
    answer = await rest.post("/auth/refresh", {"refresh_token": "x" * 4_097})
    assert (answer.status, answer.code) == (400, "invalid_payload")
    await rest.ok("POST", "/auth/refresh", {"refresh_token": ann.tokens["refresh_token"]})


async def test_logout_ends_this_session_alone(rest: Rest) -> None:
    phone = await register(rest, "ann")
    tablet = await rest.ok("POST", "/auth/login", {"username": "ann", "password": PASSWORD})
    assert await phone.rest.ok("POST", "/auth/logout") == {}
    for path in ("/me", "/conversations"):
        answer = await phone.rest.get(path)
        assert (answer.status, answer.code) == (401, "session_revoked")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    answer = await rest.post("/auth/refresh", {"refresh_token": phone.tokens["refresh_token"]})
    assert answer.code == "session_revoked"
    await rest.as_(tablet["access_token"]).ok("GET", "/me")


async def test_sessions_are_listed_named_and_ended(rest: Rest) -> None:
    device = {"name": "Pixel 9", "platform": "android", "app_version": "1.2"}
    phone = await register(rest, "ann", device=device)
    tablet = await rest.ok("POST", "/auth/login", {"username": "ann", "password": PASSWORD})
    eve = await register(rest, "eve")
    as_tablet = rest.as_(tablet["access_token"])

    listed = (await phone.rest.ok("GET", "/auth/sessions"))["sessions"]
    assert {it["id"]: it["current"] for it in listed} == {
        phone.tokens["session"]["id"]: True,
        tablet["session"]["id"]: False,
    }
    for change, described in (
        ({"name": "Ann’s"}, {**device, "name": "Ann’s"}),
        ({"app_version": None}, {**device, "name": "Ann’s", "app_version": None}),
        ({}, {**device, "name": "Ann’s", "app_version": None}),
    ):
        answer = await phone.rest.ok("PUT", "/auth/sessions/current", change)
        assert answer["session"]["device"] == described
    listed = (await as_tablet.ok("GET", "/auth/sessions"))["sessions"]
    assert described in [it["device"] for it in listed]

    for ended in (eve.tokens["session"]["id"], id_out(7), "current", "no id"):
        answer = await phone.rest.ask("DELETE", f"/auth/sessions/{ended}")
        assert (answer.status, answer.code) in {(404, "not_found"), (405, "method_not_allowed")}
    await eve.rest.ok("GET", "/me")

    left = await phone.rest.ok("DELETE", f"/auth/sessions/{tablet['session']['id']}")
    assert [it["id"] for it in left["sessions"]] == [phone.tokens["session"]["id"]]
    assert (await as_tablet.get("/me")).code == "session_revoked"
    assert (
        await rest.post("/auth/refresh", {"refresh_token": tablet["refresh_token"]})
    ).code == "session_revoked"
    await phone.rest.ok("DELETE", f"/auth/sessions/{phone.tokens['session']['id']}")
    assert (await phone.rest.get("/me")).code == "session_revoked"


async def test_all_other_sessions_are_ended(rest: Rest) -> None:
    phone = await register(rest, "ann")
    eve = await register(rest, "eve")
    others = [
        await rest.ok("POST", "/auth/login", {"username": "ann", "password": PASSWORD}) for _ in range(3)
    ]
    for path in ("/auth/sessions", "/auth/sessions?except=all", "/auth/sessions?keep=current"):
        answer = await phone.rest.ask("DELETE", path)
        assert (answer.status, answer.code) == (400, "invalid_payload")
    left = await phone.rest.ok("DELETE", "/auth/sessions?except=current")
    assert [it["id"] for it in left["sessions"]] == [phone.tokens["session"]["id"]]
    for other in others:
        assert (await rest.as_(other["access_token"]).get("/me")).code == "session_revoked"
    await eve.rest.ok("GET", "/me")


async def test_an_installation_has_one_login(rest: Rest) -> None:
    device = {"installation_id": "6E0F1B7E-5C5D-4E55-8A48-0E9A5C1D2F00"}
    before = await register(rest, "ann", device=device)
    again = await rest.ok("POST", "/auth/login", {"username": "ann", "password": PASSWORD, "device": device})
    assert (await before.rest.get("/me")).code == "session_revoked"
    left = await rest.as_(again["access_token"]).ok("GET", "/auth/sessions")
    assert [it["id"] for it in left["sessions"]] == [again["session"]["id"]]
    eve = await register(rest, "eve", device=device)
    await eve.rest.ok("GET", "/me")
    await rest.as_(again["access_token"]).ok("GET", "/me")


async def test_bad_access_tokens(rest: Rest) -> None:
    ann = await register(rest, "ann")
    genuine = ann.tokens["access_token"]
    claims = jwt.decode(genuine, options={"verify_signature": False})
    bad = {
        "empty": "",
        "garbage": "abc",
        "a refresh token": ann.tokens["refresh_token"],
        "changed": genuine[:-4] + "AAAA",
        "signed by another": jwt.encode(claims, "x" * 40, "HS256"),
        "unsigned": jwt.encode(claims, "", "none"),
        "large": genuine + "A" * 5_000,
        "not ascii": "ÿÿÿ",
    }
    for what, token in bad.items():
        headers = {"authorization": f"Bearer {token}".encode("latin-1")}
        answer = await rest.get("/me", headers=headers)
        code = "token_missing" if what == "empty" else "token_invalid"
        assert (answer.status, answer.code, answer.body["retryable"]) == (401, code, False), what
    await ann.rest.ok("GET", "/me")


async def test_expired_access_token(rest: Rest) -> None:
    ann = await register(rest, "ann")
    claims = jwt.decode(ann.tokens["access_token"], options={"verify_signature": False})
    old = {**claims, "iat": claims["iat"] - 10_000, "exp": claims["iat"] - 9_100}
    answer = await rest.as_(jwt.encode(old, SECRET, "HS256")).get("/me")
    assert (answer.status, answer.code, answer.body["retryable"]) == (401, "token_expired", True)


async def test_token_of_no_session(rest: Rest) -> None:
    ann = await register(rest, "ann")
    claims = jwt.decode(ann.tokens["access_token"], options={"verify_signature": False})
    answer = await rest.as_(jwt.encode({**claims, "sid": id_out(7)}, SECRET, "HS256")).get("/me")
    assert (answer.status, answer.code) == (401, "token_invalid")


class TestRate:
    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"login_rate": "3/hour"}

    async def test_logins_that_fail_are_limited(self, rest: Rest) -> None:
        await register(Rest(rest.app, address="192.0.2.7"), "ann")
        wrong = {"username": "ann", "password": "wrong"}
        for last in (1, 2, 3):
            answer = await Rest(rest.app, address=f"198.51.100.{last}").post("/auth/login", wrong)
            assert answer.code == "invalid_credentials"
        answer = await rest.post("/auth/login", {"username": "Ann", "password": PASSWORD})
        assert (answer.status, answer.code, answer.body["retryable"]) == (429, "rate_limited", True)
        assert 0 < answer.body["retry_after_ms"] <= 3_600_000
        assert 0 < int(answer.headers["retry-after"]) <= 3_600

    async def test_registrations_are_limited_per_address(self, rest: Rest) -> None:
        for name in ("ann", "bob", "eve"):
            await register(rest, name)
        answer = await rest.post("/auth/register", {"username": "joe", "password": PASSWORD})
        assert answer.code == "rate_limited"
        await register(Rest(rest.app, address="192.0.2.99"), "joe")
        await rest.ok("POST", "/auth/login", {"username": "ann", "password": PASSWORD})


async def test_refreshing_too_often_is_refused(rest: Rest) -> None:
    ann = await register(rest, "ann")
    body = {"refresh_token": ann.tokens["refresh_token"]}
    answers = [await rest.post("/auth/refresh", body) for _ in range(65)]
    assert {answer.status for answer in answers[:60]} == {200}
    assert (answers[-1].status, answers[-1].code) == (429, "rate_limited")


async def test_a_login_that_ends_while_its_request_is_on_the_way(rest: Rest) -> None:
    """A body can take minutes: what it asks for is done for nobody whose login has ended meanwhile."""
    ann = await register(rest, "ann")

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await ann.rest.ok("POST", "/auth/logout")
        yield b'"display_name": "Ann, afterwards"}'

    answer = await ann.rest.ask(
        "PATCH", "/me", content=slowly(), headers={"content-type": "application/json"}
    )
    assert (answer.status, answer.code) == (401, "session_revoked")
    again = await rest.ok("POST", "/auth/login", {"username": "ann", "password": PASSWORD})
    assert again["user"]["display_name"] == "ann"
