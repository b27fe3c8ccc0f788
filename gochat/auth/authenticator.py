"""The one check of an access token."""

from gochat.auth.tokens import Tokens
from gochat.core.errors import SessionRevoked, TokenInvalid, TokenMissing
from gochat.core.ports import Accounts, Identity


class TokenAuthenticator:
    """`core.ports.Authenticator`: the token is genuine and in time, and its session alive."""

    def __init__(self, tokens: Tokens, accounts: Accounts) -> None:
        self._tokens = tokens
        self._accounts = accounts

    async def authenticate(self, token: str | None, *, allow_expired: bool = False) -> Identity:
        """Who a token speaks for."""
        if not token:
            raise TokenMissing
        identity = self._tokens.read_access(token, allow_expired=allow_expired)
        session = await self._accounts.session(identity.session_id)
        if session is None or session.user_id != identity.user_id:
            raise TokenInvalid
        if session.revoked_at is not None:
            raise SessionRevoked
        return identity
