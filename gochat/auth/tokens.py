"""Access and refresh tokens: JSON Web Tokens (RFC 7519) signed with HS256.

PyJWT checks the signature and that the claims are there; the rest is checked here, because PyJWT accepts a
time as text, a life of any length, and tokens and keys of any size (advice of RFC 8725).
"""

import base64
import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jwt

from gochat.contract.ids import NO_ID, id_in, id_out
from gochat.core.errors import TokenExpired, TokenInvalid
from gochat.core.model import Millis, SessionId, UserId
from gochat.core.ports.logins import Identity

ALGORITHM = "HS256"
MAX_CHARS = 2_048
"""Longer ones are not ours, and are not parsed."""
LEEWAY_S = 60
"""How far another process's clock may be ahead of ours."""

_Kind = Literal["access", "refresh"]


class Tokens:
    """Issues and reads tokens.

    Args:
        keys: the newest first, which signs; all of them verify. Each has 32 bytes or more (RFC 7518, 3.2).
        access_ttl_s, refresh_ttl_s: lives in seconds; a token that claims a longer one is none of ours.
        clock: the time in milliseconds UTC.
    """

    def __init__(
        self, keys: Sequence[bytes], *, access_ttl_s: int, refresh_ttl_s: int, clock: Callable[[], Millis]
    ) -> None:
        self._keys = tuple(keys)
        self._ttl_s: dict[_Kind, int] = {"access": access_ttl_s, "refresh": refresh_ttl_s}
        self._clock = clock
        self._jwt = jwt.PyJWT({"enforce_minimum_key_length": True})
        for key in self._keys:
            self._jwt.encode({}, key, ALGORITHM)

    @property
    def access_ttl_s(self) -> int:
        """Seconds that an access token lives."""
        return self._ttl_s["access"]

    @property
    def refresh_ttl_s(self) -> int:
        """Seconds that a refresh token lives."""
        return self._ttl_s["refresh"]

    def access(self, user_id: UserId, session_id: SessionId) -> str:
        """A fresh access token."""
        return self._sign("access", {"sub": id_out(user_id), "sid": id_out(session_id)})

    def refresh(self, session_id: SessionId, jti: str) -> str:
        """A refresh token; `jti` tells it from the others of its session."""
        return self._sign("refresh", {"sid": id_out(session_id), "jti": jti})

    @staticmethod
    def first_jti() -> str:
        """Of a session's first refresh token: unlike every other."""
        return secrets.token_urlsafe(16)

    def next_jti(self, jti: str, seed: bytes) -> str:
        """Of the refresh token that follows from another by a seed, which need not be secret.

        By the same seed it is the same, so that whoever asks again is answered alike. Without our key nobody
        can tell what it will be.
        """
        mac = hmac.digest(self._keys[0], b"gochat refresh " + seed + jti.encode(), "sha256")
        return base64.urlsafe_b64encode(mac[:16]).rstrip(b"=").decode()

    def read_access(self, token: str, *, allow_expired: bool = False) -> Identity:
        """Who an access token speaks for; whether its session is alive is not asked here.

        Raises:
            TokenInvalid: not ours, or a refresh token.
            TokenExpired: genuine, but its time has passed; not with `allow_expired`.
        """
        claims, expires_at = self._verify(token, "access", ("sub", "sid"))
        identity = Identity(_id(claims, "sub"), _id(claims, "sid"), expires_at)
        if expires_at <= self._clock() and not allow_expired:
            raise TokenExpired
        return identity

    def read_refresh(self, token: str) -> tuple[SessionId, str]:
        """Which session a refresh token goes on with, and its `jti`, which tells it from the others.

        Whether it was used before is not asked here.

        Raises:
            TokenInvalid: not ours, or an access token.
            TokenExpired: genuine, but its time has passed.
        """
        claims, expires_at = self._verify(token, "refresh", ("sid", "jti"))
        session_id, jti = _id(claims, "sid"), claims["jti"]
        if not isinstance(jti, str):
            raise TokenInvalid
        if expires_at <= self._clock():
            raise TokenExpired
        return session_id, jti

    def _sign(self, kind: _Kind, claims: dict[str, str]) -> str:
        now_s = self._clock() // 1000
        times = {"iat": now_s, "exp": now_s + self._ttl_s[kind]}
        return self._jwt.encode({**claims, **times, "typ": kind}, self._keys[0], ALGORITHM)

    def _verify(self, token: str, kind: _Kind, needed: tuple[str, ...]) -> tuple[dict[str, Any], Millis]:
        """The claims of a token of ours, of that kind, and its end; that may have passed."""
        claims = self._open(token, (*needed, "iat", "exp", "typ"))
        issued_s, expires_s = claims["iat"], claims["exp"]
        times = type(issued_s) is int and type(expires_s) is int
        if claims["typ"] != kind or not times or not 0 < expires_s - issued_s <= self._ttl_s[kind]:
            raise TokenInvalid
        if issued_s > self._clock() // 1000 + LEEWAY_S:
            raise TokenInvalid("The token is from the future: a clock is wrong.")
        return claims, expires_s * 1000

    def _open(self, token: str, needed: tuple[str, ...]) -> dict[str, Any]:
        if len(token) > MAX_CHARS:
            raise TokenInvalid
        options: jwt.types.Options = {"require": list(needed), "verify_exp": False, "verify_iat": False}
        for key in self._keys:
            try:
                return self._jwt.decode(token, key, [ALGORITHM], options)
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidTokenError, ValueError, RecursionError):
                break
        raise TokenInvalid


def _id(claims: dict[str, Any], name: str) -> int:
    text = claims[name]
    number = id_in(text) if isinstance(text, str) else NO_ID
    if number == NO_ID:
        raise TokenInvalid
    return number
