"""What holds for every route: ids, problems, methods, bodies, origins. The ports behind are stand-ins."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from gochat.contract import CONTRACT_VERSION, openapi
from gochat.contract.cursor import Cursors
from gochat.contract.errors import STATUS, status_of
from gochat.contract.ids import id_out
from gochat.contract.requests import MAX_BYTES
from gochat.contract.routes import PREFIX, ROUTES, Route
from gochat.core.errors import Overloaded, TokenMissing, Unavailable
from gochat.core.limits import Limits
from gochat.core.measures import Measures
from gochat.core.ports.logins import Identity
from gochat.core.rates import Buckets
from gochat.events.engine import OriginPolicy
from gochat.rest import body, guides, pages
from gochat.rest.app import OPEN_HANDLERS, USER_HANDLERS, create_rest_app
from gochat.rest.deps import Deps
from tests.contract.rest import API, Rest
from tests.contract.schema import validate_response

SECRET_TEXT = "a body that nobody may log"
SEND = {
    "conversation_id": id_out(1),
    "client_message_id": "00000000-0000-4000-8000-000000000000",
    "body": SECRET_TEXT,
}


ANY = "https://any.example.com"


class Raises:
    """Any port; whatever it is asked, it raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        async def ask(*args: object, **named: object) -> object:
            raise self._error

        return ask


class LetsIn:
    """Knows every token."""

    async def authenticate(self, token: str | None, *, allow_expired: bool = False) -> Identity:
        if token is None:
            raise TokenMissing
        return Identity(1, 2, 3)


class Health:
    def __init__(self, parts: Mapping[str, str]) -> None:
        self.parts = parts

    async def check(self) -> Mapping[str, str]:
        return self.parts


def face(error: Exception | None = None, **options: Any) -> Rest:
    """The REST app over ports that raise `error`."""
    port = cast(Any, Raises(error or AssertionError("must not be asked")))
    ports = {field.name: port for field in fields(Deps) if field.default is MISSING}
    own = {
        "authenticator": LetsIn(),
        "cursors": Cursors([b"k" * 32]),
        "limits": Limits(),
        "measures": Measures(),
        "rates": Buckets((), time.monotonic),
    }
    return Rest(create_rest_app(Deps(**{**ports, **own, **options})))


@pytest.fixture
def rest() -> Rest:
    return face()


@pytest.fixture
def user(rest: Rest) -> Rest:
    return rest.as_("any")


def path_of(route: Route) -> str:
    return PREFIX + route.path.format_map(dict.fromkeys(route.parameters, id_out(1)))


def test_every_route_has_its_handler() -> None:
    assert {route.name for route in ROUTES if not route.auth} == set(OPEN_HANDLERS)
    assert {route.name for route in ROUTES if route.auth} == set(USER_HANDLERS)


def test_every_error_has_a_status() -> None:
    for route in ROUTES:
        assert all(400 <= status_of(error) < 600 for error in route.errors)
    assert status_of(Overloaded) == STATUS[Overloaded] == 503


@pytest.mark.parametrize("route", [r for r in ROUTES if r.auth], ids=lambda route: route.name)
async def test_every_route_that_needs_a_token_says_so(rest: Rest, route: Route) -> None:
    for headers in ({}, {"authorization": "Basic YTpi"}, {"authorization": "any"}):
        response = await rest.send(route.method, path_of(route), headers=headers)
        assert response.status_code == 401
        assert response.json()["code"] == "token_missing"
        assert response.headers["www-authenticate"] == "Bearer"
        validate_response(route.method, path_of(route), 401, response.json())


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
async def test_the_scheme_is_of_any_case(rest: Rest, scheme: str) -> None:
    answer = await rest.as_("any", scheme).get("/messages")
    assert answer.code == "invalid_payload"


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/api/v1", "/api/v1/", "/api/v1/me/", "/api/v1/conversations/1/2"]
)
async def test_unknown_paths(user: Rest, path: str) -> None:
    response = await user.send("GET", path)
    if path == "/":
        assert response.status_code == 200
        return
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "not_found"
    assert response.json()["type"] == "urn:gochat:error:not_found"
    assert response.json()["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/messages", {"GET", "HEAD", "POST"}),
        ("PUT", "/conversations", {"GET", "HEAD", "POST"}),
        ("GET", "/auth/login", {"POST"}),
        ("POST", "/health/live", {"GET", "HEAD"}),
        ("POST", "/openapi.json", {"GET", "HEAD"}),
    ],
)
async def test_wrong_methods(user: Rest, method: str, path: str, allowed: set[str]) -> None:
    response = await user.send(method, API + path)
    assert response.status_code == 405
    assert response.json()["code"] == "method_not_allowed"
    assert set(response.headers["allow"].split(", ")) == allowed


async def test_a_sane_request_id_is_kept(rest: Rest) -> None:
    for given in ("7f-A_1.b", "x" * 64):
        response = await rest.send("GET", "/nothing", headers={"x-request-id": given})
        assert response.headers["x-request-id"] == response.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "<b>", '"', "é".encode().decode("latin-1")])
async def test_another_request_id_is_not(rest: Rest, given: str) -> None:
    response = await rest.send("GET", "/nothing", headers={"x-request-id": given.encode("latin-1")})
    assert response.headers["x-request-id"] != given
    assert len(response.headers["x-request-id"]) == 16


async def test_no_two_requests_have_the_same_id(rest: Rest) -> None:
    ids = {(await rest.send("GET", "/nothing")).headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


async def test_answers_are_kept_by_nobody_and_their_type_is_not_guessed(rest: Rest) -> None:
    response = await rest.send("GET", API + "/health/live")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


# ---- faults of ours and of what is behind


async def test_an_unexpected_fault_tells_nothing_and_is_logged_without_what_was_sent() -> None:
    user = face(RuntimeError(f"the database said {SECRET_TEXT}")).as_("a-secret-token")
    with capture_logs() as logs:
        answer = await user.post("/messages", SEND)
    assert (answer.status, answer.code) == (500, "internal")
    assert answer.body["retryable"] is True
    assert answer.body["message"] == "An unexpected error."
    (entry,) = [entry for entry in logs if entry["event"] == "request_failed"]
    assert entry["request_id"] == answer.body["request_id"]
    assert entry["error"] == "RuntimeError"
    assert "test_rest_face.py" in entry["stack"]
    for secret in (SECRET_TEXT, "a-secret-token"):
        assert secret not in str(logs)
        assert secret not in str(answer.body)


@pytest.mark.parametrize(
    "error", [Unavailable(), Overloaded(retry_after_ms=1_500)], ids=lambda error: error.code
)
async def test_what_is_behind_does_not_answer(error: Unavailable | Overloaded) -> None:
    answer = await face(error).as_("any").get("/me")
    assert (answer.status, answer.code, answer.body["retryable"]) == (503, error.code, True)
    assert answer.body["retry_after_ms"] == error.retry_after_ms
    assert answer.headers["retry-after"] == {1_000: "1", 1_500: "2"}[error.retry_after_ms or 0]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_loop_that_is_late_refuses_all_but_the_health_before_anything_is_asked(route: Route) -> None:
    rest = face(lets_in=lambda: False, health=Health({"database": "ok"}))
    response = await rest.as_("any").send(route.method, path_of(route))
    if route.name in {"health", "live", "ready"}:
        assert response.status_code == 200
        return
    body = response.json()
    assert (response.status_code, body["code"], body["retryable"]) == (503, "overloaded", True)
    assert 1_000 <= body["retry_after_ms"] <= 2_000
    assert response.headers["retry-after"] in {"1", "2"}
    validate_response(route.method, path_of(route), 503, body)


# ---- bodies


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"hello",
        b'{"refresh_token": NaN}',
        b'{"refresh_token": "\\ud800"}',
        b'{"refresh_token": "\xff"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    ],
)
async def test_what_is_no_json(rest: Rest, content: bytes) -> None:
    answer = await rest.ask(
        "POST", "/auth/refresh", content=content, headers={"content-type": "application/json"}
    )
    assert (answer.status, answer.code) == (400, "invalid_payload")


@pytest.mark.parametrize("value", [None, [], "text", 5, True])
async def test_json_that_is_no_object(rest: Rest, value: object) -> None:
    content = json.dumps(value).encode()
    answer = await rest.ask(
        "POST", "/auth/refresh", content=content, headers={"content-type": "application/json"}
    )
    assert (answer.status, answer.code) == (400, "invalid_payload")


@pytest.mark.parametrize(
    "media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
)
async def test_other_media_types(rest: Rest, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    answer = await rest.ask("POST", "/auth/refresh", content=b"{}", headers=headers)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_by_any_of_its_names(rest: Rest, media_type: str) -> None:
    answer = await rest.ask("POST", "/auth/refresh", content=b"{}", headers={"content-type": media_type})
    assert answer.code == "invalid_payload"
    assert answer.body["field"] == "refresh_token"


async def in_chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 1_024):
        yield b" " * 1_024


async def test_a_body_is_read_only_so_far(rest: Rest) -> None:
    headers = {"content-type": "application/json"}
    large = MAX_BYTES + 1_024
    for content in (b" " * large, in_chunks(large)):
        answer = await rest.ask("POST", "/auth/refresh", content=content, headers=headers)
        assert (answer.status, answer.code) == (413, "payload_too_large")
        assert answer.body["details"] == {"limit": MAX_BYTES}
    answer = await rest.ask("POST", "/auth/refresh", content=in_chunks(MAX_BYTES), headers=headers)
    assert answer.code == "invalid_payload"


async def never() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


async def test_a_body_that_does_not_come(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "SILENCE_S", 0.01)
    answer = await rest.ask(
        "POST", "/auth/refresh", content=never(), headers={"content-type": "application/json"}
    )
    assert (answer.status, answer.code, answer.body["retryable"]) == (408, "request_timeout", True)


async def trickle() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0)


async def test_a_body_that_trickles(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "SILENCE_S", 0.05)
    monkeypatch.setattr(body, "SLOWEST", 1 << 40)
    answer = await rest.ask(
        "POST", "/auth/refresh", content=trickle(), headers={"content-type": "application/json"}
    )
    assert (answer.status, answer.code) == (408, "request_timeout")


async def test_who_brings_no_token_is_not_listened_to(rest: Rest) -> None:
    answer = await rest.ask("PATCH", "/me", content=never(), headers={"content-type": "application/json"})
    assert (answer.status, answer.code) == (401, "token_missing")


async def test_a_client_that_goes_away_while_it_sends(rest: Rest) -> None:
    received = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": API + "/auth/refresh", "query_string": b""}
    with capture_logs() as logs:
        await rest.app({**scope, "headers": headers, "http_version": "1.1"}, receive, send)
    assert logs == []
    assert sent[0]["status"] == 400


async def test_names_of_unknown_fields_are_told_in_short(rest: Rest) -> None:
    answer = await rest.post("/auth/refresh", {"refresh_token": "x", "y" * 10_000: 1})
    assert answer.code == "invalid_payload"
    assert answer.body["field"] == "y" * 64
    assert len(str(answer.body)) < 1_000


# ---- queries


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/messages", "conversation_id"),
        ("/messages?conversation_id=1&limit=0", "limit"),
        ("/messages?conversation_id=1&limit=101", "limit"),
        ("/messages?conversation_id=1&limit=", "limit"),
        ("/messages?conversation_id=1&limit=1.0", "limit"),
        ("/messages?conversation_id=1&limit=1_0", "limit"),
        ("/messages?conversation_id=1&limit=%201", "limit"),
        ("/messages?conversation_id=1&limit=%D9%A3", "limit"),
        ("/messages?conversation_id=1&before_seq=0", "before_seq"),
        ("/messages?conversation_id=1&before_seq=-1", "before_seq"),
        ("/messages?conversation_id=1&after_seq=9007199254740992", "after_seq"),
        ("/messages?conversation_id=1&around_seq=1e3", "around_seq"),
        ("/messages?conversation_id=1&around_seq=1&before_seq=1", "around_seq"),
        ("/messages?conversation_id=1&after_seq=1&before_seq=1", "after_seq"),
        ("/messages?conversation_id=1&conversation_id=2", "conversation_id"),
        ("/messages?conversation_id=1&page=2", "page"),
        ("/me?verbose=1", "verbose"),
        ("/users", "ids"),
        ("/users?ids=", "ids.0"),
        ("/users?ids=" + ",".join(["1"] * 101), "ids"),
        ("/users?ids=1,,2", "ids.1"),
        (f"/users?ids={id_out(1)}&prefix=a", "ids"),
        ("/users?prefix=", "prefix"),
        ("/users?prefix=" + "x" * 65, "prefix"),
        ("/conversations?limit=1000", "limit"),
        ("/conversations?cursor=", "cursor"),
    ],
)
async def test_queries_that_are_refused(user: Rest, path: str, field: str) -> None:
    answer = await user.get(path)
    assert (answer.status, answer.code) == (400, "invalid_payload")
    assert answer.body["field"] == field


@pytest.mark.parametrize("path", ["/conversations", f"/conversations/{id_out(1)}/members"])
async def test_cursors_that_are_not_ours(user: Rest, path: str) -> None:
    strangers = Cursors([b"s" * 32]).write("conversations", 1, (1, 2))
    for cursor in ("abc", "%F0%9F%98%80", strangers):
        answer = await user.get(f"{path}?cursor={cursor}")
        assert (answer.status, answer.code, answer.body["field"]) == (400, "cursor_invalid", "cursor")


async def test_a_cursor_of_another_user_or_list(user: Rest) -> None:
    cursors = Cursors([b"k" * 32])
    for cursor in (cursors.write("conversations", 9, (1, 2)), cursors.write("members 1", 1, (1,))):
        assert (await user.get(f"/conversations?cursor={cursor}")).code == "cursor_invalid"
    assert (
        await user.post("/sync", {"cursor": cursors.write("conversations", 1, (1, 2))})
    ).code == "cursor_invalid"


async def test_receipts_need_a_position(user: Rest) -> None:
    answer = await user.post(f"/conversations/{id_out(1)}/receipts", {})
    assert (answer.code, answer.body["field"]) == ("invalid_payload", "read_seq")


# ---- origins


async def origin_of(rest: Rest, origin: str | None) -> str | None:
    headers = {} if origin is None else {"origin": origin}
    response = await rest.send("GET", API + "/health/live", headers=headers)
    assert response.status_code == 200
    allowed: str | None = response.headers.get("access-control-allow-origin")
    return allowed


async def test_origins() -> None:
    rest = face(origin_allowed=OriginPolicy(["https://chat.example.com"], apps=False).allows)
    assert await origin_of(rest, None) is None
    assert await origin_of(rest, "https://chat.example.com") == "https://chat.example.com"
    assert await origin_of(rest, "https://evil.example.com") is None
    assert await origin_of(rest, "http://localhost:3000") is None
    assert await origin_of(face(origin_allowed=OriginPolicy("*").allows), ANY) == ANY


async def test_origins_of_this_machine_in_development() -> None:
    rest = face(origin_allowed=OriginPolicy(None, apps=False, localhost=True).allows)
    for origin in (
        "http://localhost:3000",
        "http://127.0.0.1:8000",
        "http://[::1]:5173",
        "https://localhost",
    ):
        assert await origin_of(rest, origin) == origin
    for origin in (
        "http://localhost.evil.com",
        "http://evil.com/localhost",
        "http://localhost:80.evil.com",
        "null",
    ):
        assert await origin_of(rest, origin) is None


async def test_preflight() -> None:
    rest = face(origin_allowed=OriginPolicy(["https://chat.example.com"], apps=False).allows)
    headers = {
        "origin": "https://chat.example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, x-request-id, traceparent, x-mine",
    }
    response = await rest.send("OPTIONS", API + "/messages", headers=headers)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://chat.example.com"
    assert response.headers["access-control-allow-headers"] == headers["access-control-request-headers"]
    assert int(response.headers["access-control-max-age"]) >= 600
    assert "credentials" not in str(response.headers)
    assert response.headers["x-request-id"]


async def test_browsers_may_read_errors_too() -> None:
    rest = face(RuntimeError(), origin_allowed=OriginPolicy(["https://chat.example.com"]).allows).as_("any")
    for path in ("/me", "/nothing"):
        response = await rest.send("GET", API + path, headers={"origin": "https://chat.example.com"})
        assert response.status_code in {404, 500}
        assert response.headers["access-control-allow-origin"] == "https://chat.example.com"
        assert "X-Request-ID".lower() in response.headers["access-control-expose-headers"].lower()


# ---- health, home and contract


async def test_head_is_as_get_without_its_body(rest: Rest) -> None:
    response = await rest.send("HEAD", API + "/health/live")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"


async def test_live_asks_nothing(rest: Rest) -> None:
    body = await rest.ok("GET", "/health/live")
    assert body["status"] == "ok"
    assert body["contract_version"] == CONTRACT_VERSION


@pytest.mark.parametrize(
    ("parts", "status", "ready"),
    [
        ({"database": "ok", "redis": "ok"}, "ok", 200),
        ({"database": "ok", "redis": "does not answer"}, "unavailable", 503),
    ],
)
async def test_ready_is_as_its_parts(parts: dict[str, str], status: str, ready: int) -> None:
    rest = face(health=Health(parts))
    answer = await rest.get("/health/ready")
    assert answer.status == ready
    summary = await rest.ok("GET", "/health")
    for shape in (answer.body, summary):
        assert shape["status"] == status
        assert shape["parts"] == parts


@pytest.mark.parametrize("name", guides.GUIDES)
async def test_a_guide_is_a_page_whose_links_lead_somewhere(rest: Rest, name: str) -> None:
    response = await rest.send("GET", f"/docs/guides/{name}")
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "<script>" not in response.text
    index = (await rest.send("GET", "/docs/guides.json")).json()
    anchors = {part["href"] for part in index}
    for href in re.findall(r'href="(/docs/guides/[^"]*|#[^"]*)"', response.text):
        whole = f"/docs/guides/{name}{href}" if href.startswith("#") else href
        assert any(it == whole or it.startswith(f"{whole}#") for it in anchors), href
    assert [part["title"] for part in index if part["href"].startswith(f"/docs/guides/{name}#")]


async def test_what_is_no_guide_is_not_found(rest: Rest) -> None:
    for name in ("nothing", "../README", "decisions/0012-pages", "..%2fREADME"):
        response = await rest.send("GET", f"/docs/guides/{name}")
        assert response.status_code == 404, name


async def test_nothing_is_kept_of_names_that_strangers_make_up(rest: Rest) -> None:
    kept = (pages.guide_page, guides.guide)
    before = [it.cache_info().currsize for it in kept]
    for number in range(50):
        assert (await rest.send("GET", f"/docs/guides/{number}")).status_code == 404
    assert [it.cache_info().currsize for it in kept] == before


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/rest", "/docs/events"])
async def test_pages_load_nothing_from_elsewhere_and_nothing_inline(rest: Rest, path: str) -> None:
    response = await rest.send("GET", path)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    assert "://" not in response.text
    assert "{{" not in response.text
    assert "style=" not in response.text
    assert "</script>" in response.text or path == "/docs"
    assert ("<script>" in response.text) is False
    for own in re.findall(r'(?:src|href)="(/web/(?!lib/)[^"]+)"', response.text):
        assert (await rest.send("GET", own)).status_code == 200


async def test_pages_lead_to_each_other_and_to_the_contract(rest: Rest) -> None:
    assert 'href="/docs"' in (await rest.send("GET", "/")).text
    page = (await rest.send("GET", "/docs")).text
    for path in ("/", "/docs/rest", "/docs/events", "/api/v1/openapi.json", "/api/v1/asyncapi.json"):
        assert f'href="{path}"' in page


@pytest.mark.parametrize(
    "path",
    ["/web/none.js", "/web/lib/none.js", "/web/../index.html", "/web/%2e%2e/index.html", "/web/", "/web"],
)
async def test_other_files_are_not_given_out(rest: Rest, path: str) -> None:
    response = await rest.send("GET", path)
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


async def test_the_contract_is_served(rest: Rest) -> None:
    response = await rest.send("GET", API + "/openapi.json")
    assert response.json() == openapi.document()
    assert (await rest.send("GET", API + "/asyncapi.json")).json()["asyncapi"] == "3.0.0"
