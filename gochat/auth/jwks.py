"""The public keys of one issuer (RFC 7517): cached, bounded, and read anew when they are exchanged."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import jwt
import orjson
import structlog
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gochat.auth.fetch import FetchError, fetch
from gochat.core.errors import Unavailable
from gochat.core.values import value
from gochat.seldom import Seldom

FRESH_S: Final = 300.0
"""After that long keys are read anew before they are used: so long may one serve that was taken back."""
STALE_S: Final = 3_600.0
"""For so long they serve if the issuer does not answer."""
AGAIN_S: Final = 5.0
"""From one try to read them to the next, whoever names whichever key."""
MOST_KEYS: Final = 100
"""Of an issuer; more are overlooked."""

RSA_BITS: Final = range(2_048, 8_193)
"""RFC 7518, section 3.3; and what costs no more than a millisecond."""
ALGORITHMS: Final = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Those that a token may have, with the kind and curve of their keys. None has a secret that both know."""
_FROM_JWK: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@value(frozen=True, slots=True)
class IssuerKey:
    """A public key, and what it is for."""

    kid: str | None
    kind: str
    curve: str | None
    algorithm: str | None
    """The only one that it is for; None: any of its kind."""
    key: Any

    def fits(self, kid: str | None, algorithm: str) -> bool:
        """Whether a token that names this key and algorithm may be verified with it."""
        kind, curve = ALGORITHMS[algorithm]
        return (
            (kid is None or kid == self.kid)
            and (kind, self.algorithm or algorithm) == (self.kind, algorithm)
            and curve in (None, self.curve)
        )


class IssuerKeys:
    """The keys of one issuer. Who needs one that is not known waits for one reading, which all share.

    Args:
        url: where its JWK Set is.
        get: how it is read; raises FetchError.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        url: str,
        get: Callable[[str], Awaitable[bytes]] = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._get = get
        self._clock = clock
        self._keys: tuple[IssuerKey, ...] = ()
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._seldom = Seldom()

    async def find(self, kid: str | None, algorithm: str) -> Any:
        """Return the public key that a token names, or None: the issuer has none that fits.

        A token that names none fits if the issuer has but one of its kind.

        Raises:
            Unavailable: the issuer does not tell its keys, so it is not known.
        """
        found = self._known(kid, algorithm)
        if found is None or self._clock() - self._read_at > FRESH_S:
            reading = self._read_anew()
            if reading is not None:
                await asyncio.shield(reading)
                found = self._known(kid, algorithm)
        if found is None and self._tried_at > self._read_at:
            raise Unavailable("The issuer of the token does not tell its keys.")
        return found

    def close(self) -> None:
        """Stop what is under way."""
        if self._reading is not None:
            self._reading.cancel()

    def _known(self, kid: str | None, algorithm: str) -> Any:
        if self._clock() - self._read_at > STALE_S:
            return None
        found = [it.key for it in self._keys if it.fits(kid, algorithm)]
        return found[0] if len(found) == 1 else None

    def _read_anew(self) -> asyncio.Task[None] | None:
        """The reading that is under way, or begins; None: it was tried just now."""
        if self._reading is None or self._reading.done():
            now = self._clock()
            if now - self._tried_at < AGAIN_S:
                return None
            self._tried_at = now
            self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        try:
            keys = tuple(_keys_in(await self._get(self._url)))
            if not keys:
                raise FetchError("no key that can be used")
        except FetchError as error:
            if self._seldom.lets(str(error)):
                log.warning("jwks_not_read", url=self._url, error=str(error))
            return
        if keys != self._keys:
            log.info("jwks_read", url=self._url, keys=len(keys))
        self._keys, self._read_at = keys, self._clock()


def _keys_in(document: bytes) -> Iterator[IssuerKey]:
    """The keys of a JWK Set that can be used; what is no key for signatures, or is weak, is overlooked."""
    try:
        found = orjson.loads(document)["keys"]
        if not isinstance(found, list):
            raise TypeError
    except (ValueError, TypeError, KeyError):
        raise FetchError("not a JWK Set") from None
    for given in found[:MOST_KEYS]:
        try:
            key = _key(given)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            continue
        if key is not None:
            yield key


def _key(given: dict[str, Any]) -> IssuerKey | None:
    kind, kid, algorithm = given.get("kty"), given.get("kid"), given.get("alg")
    for_signing = given.get("use", "sig") == "sig" and "verify" in given.get("key_ops", ["verify"])
    # One that tells its private half is everybody's.
    if kind not in _FROM_JWK or not for_signing or "d" in given:
        return None
    if not isinstance(kid, str | None) or not (algorithm is None or algorithm in ALGORITHMS):
        return None
    key = _FROM_JWK[kind](given)
    if kind == "RSA" and (key.key_size not in RSA_BITS or key.public_numbers().e.bit_length() > 64):
        return None
    return IssuerKey(kid, kind, given.get("crv"), algorithm, key)
