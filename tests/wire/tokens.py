"""Tokens as the server of the wire tests mints them."""

import time
from typing import Any

from gochat.auth.tokens import Tokens
from tests.wire.account import Account
from tests.wire.conftest import SECRET


def tokens(*, seconds_ago: float = 0, secret: str = SECRET) -> Tokens:
    """Mints tokens as the server did some time ago."""
    return Tokens(
        [secret.encode()],
        access_ttl_s=900,
        refresh_ttl_s=86_400,
        clock=lambda: int((time.time() - seconds_ago) * 1000),
    )


def session_of(account: Account) -> int:
    """The session that the account's token speaks for."""
    return tokens().read_access(account.token).session_id


def minted(account: Account, **how: Any) -> str:
    """Another access token of the account's session."""
    return tokens(**how).access(int(account.id, 16), session_of(account))
