"""A session that ends, ends its sockets: wherever they are, and by whichever process it was ended."""

import asyncio
from collections.abc import Callable

import pytest
import socketio

from tests.wire.account import API, Account
from tests.wire.phone import Phone
from tests.wire.place import Place


def log_out(account: Account) -> None:
    account.post("/auth/logout", {})


def use_a_refresh_token_of_long_ago(account: Account) -> None:
    """Somebody has stolen it: it was exchanged, and what was got for it too."""
    token = account.refresh_token
    for _ in range(2):
        token = account.post("/auth/refresh", {"refresh_token": token})["refresh_token"]
    path = f"{API}/auth/refresh"
    for stolen in (account.refresh_token, token):
        answer = account.http.post(path, json={"refresh_token": stolen})
        assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")


@pytest.mark.parametrize("end", [log_out, use_a_refresh_token_of_long_ago])
def test_sockets_are_told_and_dismissed_and_no_other(place: Place, end: Callable[[Account], None]) -> None:
    ann, ben = place.users("ann", "ben")

    async def scene() -> None:
        async with place.phones(ann, ann, ben, ben) as (here, there, *others):
            gone = [asyncio.Event() for _ in range(2)]
            for phone, event in zip((here, there), gone, strict=True):
                phone.client.on("disconnect", lambda *_, event=event: event.set())
            await asyncio.to_thread(end, place.at_there(ann))
            async with asyncio.timeout(10):
                for phone, event in zip((here, there), gone, strict=True):
                    assert await phone.expect_event("session:revoked") == {"code": "session_revoked"}
                    await event.wait()
            again = Phone("ann, again")
            with pytest.raises(socketio.exceptions.ConnectionError):
                await again.connect(place.here.url, ann.token)
            assert again.refusals[0]["data"]["code"] == "session_revoked"
            await again.close()
            for phone in others:
                await phone.expect_ok("sync", {})

    asyncio.run(scene())
    answer = ann.http.get(f"{API}/me", headers=ann.headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")
