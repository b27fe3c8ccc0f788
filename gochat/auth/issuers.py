"""Tokens of the team's own login: JSON Web Tokens that issuers sign whom the operator has named.

PyJWT checks the signature and who the token is for; algorithms, keys, lives and times are checked here (RFC
8725). Nothing that a token says (`jku`, `jwk`, `x5u`, `iss`) makes the server ask anybody whom the settings
do not name.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import jwt
import structlog

from gochat.auth.jwks import ALGORITHMS, IssuerKeys
from gochat.core.errors import InvalidPayload, TokenExpired, TokenInvalid
from gochat.core.model import Millis
from gochat.core.text import line, link
from gochat.core.values import value

MAX_CHARS: Final = 8_192
"""Longer ones are not parsed."""
LEEWAY_S: Final = 60
"""How far the issuer's clock may be ahead of ours."""
MAX_NAME: Final = 100
MAX_LINK: Final = 2_000

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@value(frozen=True, slots=True)
class Issuer:
    """Who may vouch for users, and how its tokens say who they are."""

    name: str
    """`iss`, exactly."""
    audience: str
    """That has to be in `aud`."""
    keys: IssuerKeys
    id_claim: str = "sub"
    name_claim: str = "name"
    avatar_claim: str = "picture"
    max_age_s: int = 86_400
    """The longest life that a token may claim."""


@value(frozen=True, slots=True)
class Vouched:
    """Who a genuine token speaks of. `subject`: up to 200 printable characters of ASCII."""

    issuer: str
    subject: str
    display_name: str | None
    avatar_url: str | None


class Issuers:
    """Reads tokens of some issuers.

    Args:
        issuers: each under a name of its own.
        clock: the time in milliseconds UTC.
    """

    def __init__(self, issuers: Iterable[Issuer], clock: Callable[[], Millis]) -> None:
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._clock = clock
        self._jwt = jwt.PyJWT({"enforce_minimum_key_length": True})

    async def read(self, token: str) -> Vouched:
        """Return who a token speaks of.

        Raises:
            TokenInvalid: no issuer that is named signed it, for this server.
            TokenExpired: genuine, but its time has passed.
            Unavailable: its issuer does not tell its keys.
        """
        issuer, kid, algorithm = self._looked_at(token)
        key = await issuer.keys.find(kid, algorithm)
        if key is None:
            raise _invalid("there is no such key", issuer)
        options: jwt.types.Options = {
            "require": ["iss", "aud", "iat", "exp", issuer.id_claim],
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        }
        try:
            claims = self._jwt.decode(
                token, key, [algorithm], options, audience=issuer.audience, issuer=issuer.name
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise _invalid(type(error).__name__, issuer) from None
        self._check_times(claims, issuer)
        subject = claims[issuer.id_claim]
        if not isinstance(subject, str) or not 1 <= len(subject) <= 200 or not _is_plain(subject):
            raise _invalid("the id is no text of 1 to 200 printable characters", issuer)
        name = _shown(claims.get(issuer.name_claim), lambda it: line(it[:MAX_NAME], "name"))
        avatar = _shown(claims.get(issuer.avatar_claim), lambda it: link(it, "avatar_url"))
        return Vouched(issuer.name, subject, name, avatar if len(avatar or "") <= MAX_LINK else None)

    def close(self) -> None:
        """Stop what is under way."""
        for issuer in self._issuers.values():
            issuer.keys.close()

    def _looked_at(self, token: str) -> tuple[Issuer, str | None, str]:
        """What a token says of how it is to be verified: nothing of it is believed yet."""
        if len(token) > MAX_CHARS or not token.isascii():
            raise TokenInvalid
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise TokenInvalid from None
        name, kid, algorithm = claims.get("iss"), header.get("kid"), header.get("alg")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None or not isinstance(algorithm, str) or not isinstance(kid, str | None):
            raise TokenInvalid
        if algorithm not in ALGORITHMS or "crit" in header or "b64" in header:
            raise _invalid("its algorithm or an extension is not taken", issuer)
        return issuer, kid, algorithm

    def _check_times(self, claims: dict[str, Any], issuer: Issuer) -> None:
        now_s = self._clock() / 1000
        issued_s, expires_s, from_s = claims["iat"], claims["exp"], claims.get("nbf", 0)
        if not all(type(it) is int for it in (issued_s, expires_s, from_s)):
            raise _invalid("a time is no whole number", issuer)
        if not 0 < expires_s - issued_s <= issuer.max_age_s:
            raise _invalid("it claims too long a life", issuer)
        if max(issued_s, from_s) > now_s + LEEWAY_S:
            raise _invalid("it is from the future", issuer)
        if expires_s <= now_s:
            raise TokenExpired


def _invalid(reason: str, issuer: Issuer) -> TokenInvalid:
    """The reason is told to who runs the server, and to nobody else."""
    log.info("issuer_token_refused", issuer=issuer.name, reason=reason)
    return TokenInvalid()


def _is_plain(text: str) -> bool:
    return all("!" <= it <= "~" for it in text)


def _shown(claim: object, kept: Callable[[str], str]) -> str | None:
    """What others are shown of a claim; nothing rather than what can't be shown."""
    if not isinstance(claim, str):
        return None
    try:
        claim.encode()
        return kept(claim) or None
    except (InvalidPayload, UnicodeError):
        return None
