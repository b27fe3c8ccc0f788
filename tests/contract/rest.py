"""A REST client in the same process as the app. Every answer that it gets is held against the contract."""

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from json import loads as json_of
from typing import Any

import httpx2
from starlette.types import ASGIApp
from typer.testing import CliRunner

from gochat.cli import app
from gochat.config import load_settings
from gochat.main import Chat
from gochat.storage.migrate import upgrade
from tests.contract.schema import validate_response

API = "/api/v1"
PASSWORD = "correct horse"
SECRET = "k3" * 20


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is decoded JSON, a list where there were lines of it."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """Of an error."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        return str(self.body["code"])


@dataclass(frozen=True)
class Rest:
    """Asks as one client; with a token, as its user."""

    app: ASGIApp
    headers: Mapping[str, str] = field(default_factory=dict)
    address: str = "192.0.2.1"

    def as_(self, token: str, scheme: str = "Bearer") -> "Rest":
        """The same with this token."""
        return Rest(self.app, {**self.headers, "authorization": f"{scheme} {token}"}, self.address)

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """The raw response, whatever it is."""
        transport = httpx2.ASGITransport(self.app, client=(self.address, 5))
        async with httpx2.AsyncClient(transport=transport, base_url="http://chat.test", timeout=30) as client:
            headers = {**self.headers, **options.pop("headers", {})}
            return await client.request(method, path, headers=headers, **options)

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """An answer that the contract allows."""
        response = await self.send(method, API + path, **options)
        of_lines = response.headers["content-type"] == "application/x-ndjson"
        body = [json_of(line) for line in response.text.splitlines()] if of_lines else response.json()
        answer = Answer(response.status_code, body, response.headers)
        for part in body if of_lines else [body]:
            validate_response(method, API + path, answer.status, part)
        assert answer.headers["x-request-id"]
        if answer.status >= 400 and "code" in answer.body:
            assert answer.body["request_id"] == answer.headers["x-request-id"]
            assert answer.body["status"] == answer.status
        return answer

    async def get(self, path: str, **options: Any) -> Answer:
        """GET."""
        return await self.ask("GET", path, **options)

    async def post(self, path: str, json: object = None, **options: Any) -> Answer:
        """POST, with JSON if there is any."""
        return await self.ask("POST", path, **({} if json is None else {"json": json}), **options)

    async def ok(self, method: str, path: str, json: object = None) -> Any:
        """The body of an answer that has to be 200."""
        answer = await self.ask(method, path, **({} if json is None else {"json": json}))
        assert answer.status == 200, answer.body
        return answer.body


@dataclass(frozen=True)
class RestUser:
    """A registered user."""

    rest: Rest
    """Asks in the user's name."""
    id: str
    tokens: dict[str, Any]


async def register(rest: Rest, username: str, **fields: object) -> RestUser:
    """Make an account."""
    body = await rest.ok("POST", "/auth/register", {"username": username, "password": PASSWORD, **fields})
    return RestUser(rest.as_(body["access_token"]), body["user"]["id"], body)


def operator(database_url: str, *command: str, **changes: str) -> str:
    """What `gochat` prints, called by whoever runs the server on that database, with these settings."""
    scheme, _, path = database_url.partition(":///")
    name, value = ("SQLITE_PATH", path) if scheme == "sqlite" else ("MYSQL_URL", database_url)
    settings = {name: value, "JWT_SECRET": SECRET, **changes}
    with ThreadPoolExecutor(1) as another_loop:
        done = another_loop.submit(CliRunner().invoke, app, command, env=settings).result(60)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout.strip()


@asynccontextmanager
async def running(database_url: str, **overrides: Any) -> AsyncIterator[Rest]:
    """The application on an empty database, composed as in production; hashing passwords is cheap."""
    upgrade(database_url)
    scheme, _, path = database_url.partition(":///")
    settings = {
        **({"sqlite_path": path} if scheme == "sqlite" else {"mysql_url": database_url}),
        "argon2_memory_kib": 8_192,
        "argon2_time_cost": 1,
        "login_rate": "10000/minute",
        **overrides,
    }
    chat = Chat(load_settings(jwt_secret=SECRET, **settings))
    await chat.start()
    try:
        yield Rest(chat)
    finally:
        await chat.stop()
