"""What a test's user does over REST."""

from dataclasses import dataclass
from typing import Any

import httpx2

API = "/api/v1"


@dataclass(frozen=True)
class Account:
    """A registered user, with an open session at one server."""

    name: str
    id: str
    token: str
    refresh_token: str
    http: httpx2.Client

    def get(self, path: str, **query: str | int) -> Any:
        """The body of a GET that succeeds."""
        return self._answer(self.http.get(API + path, params=query, headers=self.headers))

    def post(self, path: str, body: object) -> Any:
        """The body of a POST that succeeds."""
        return self.ask("POST", path, json=body)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """The body of any request that succeeds."""
        return self._answer(self.http.request(method, API + path, headers=self.headers, **options))

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @staticmethod
    def _answer(response: httpx2.Response) -> Any:
        assert response.status_code == 200, response.text
        return response.json()

    def history(self, conversation_id: str) -> list[dict[str, Any]]:
        """All messages of a conversation, page by page from its start."""
        messages: list[dict[str, Any]] = []
        while True:
            after = messages[-1]["seq"] if messages else 0
            page = self.get("/messages", conversation_id=conversation_id, after_seq=after, limit=100)
            messages += page["messages"]
            if not page["has_more_after"]:
                return messages


def register(http: httpx2.Client, name: str) -> Account:
    """A new user at the server that `http` talks to."""
    response = http.post(f"{API}/auth/register", json={"username": name, "password": f"secret-{name}"})
    assert response.status_code == 200, response.text
    body = response.json()
    return Account(name, body["user"]["id"], body["access_token"], body["refresh_token"], http)
