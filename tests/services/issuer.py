"""An issuer of tokens: it signs, and tells its public keys over HTTP, or does what a bad one does."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms
from jwt.utils import base64url_encode

NAME = "https://login.example.com/"
AUDIENCE = "chat"


class Issuer:
    """Has one key at first. `answer`: what it does with a request in place of telling its keys."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        """What it was asked for."""
        self.keys: dict[str, tuple[str, Any]] = {}
        self.answer: Callable[[BaseHTTPRequestHandler], None] | None = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                issuer.paths.append(self.path)
                with suppress(OSError):  # who asked has hung up
                    if issuer.answer is not None:
                        issuer.answer(self)
                    else:
                        send(self, json.dumps(issuer.document()).encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.add("one", "RS256")

    @property
    def asked(self) -> int:
        """How often."""
        return len(self.paths)

    @property
    def url(self) -> str:
        """Where its keys are."""
        return f"http://127.0.0.1:{self._server.server_port}/keys"

    @property
    def setting(self) -> dict[str, str]:
        """As JWT_ISSUERS has it."""
        return {"issuer": NAME, "jwks_url": self.url, "audience": AUDIENCE}

    def add(self, kid: str, algorithm: str) -> None:
        """Sign with a new key from now on; the others are still told."""
        private: Any
        if algorithm.startswith(("RS", "PS")):
            private = _rsa_key(kid)
        elif algorithm == "EdDSA":
            private = ed25519.Ed25519PrivateKey.generate()
        else:
            private = ec.generate_private_key(ec.SECP256R1())
        self.keys[kid] = algorithm, private

    def document(self) -> dict[str, Any]:
        """Its JWK Set."""
        return {"keys": [jwk(kid, *key) for kid, key in self.keys.items()]}

    def token(
        self, *, kid: str | None = "newest", headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """A token by the newest key; `...` takes a claim away."""
        newest = next(reversed(self.keys))
        algorithm, private = self.keys[newest]
        named = {} if kid is None else {"kid": newest if kid == "newest" else kid}
        return sign(claims(**changes), private, algorithm, {**named, **(headers or {})})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says."""
    now = int(time.time())
    good = {"iss": NAME, "aud": AUDIENCE, "sub": "user|1", "iat": now, "exp": now + 600, "name": "Ann"}
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


@cache
def _rsa_key(kid: str) -> rsa.RSAPrivateKey:
    """It takes a tenth of a second to make one."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def sign(said: dict[str, Any], key: Any, algorithm: str, header: dict[str, Any]) -> str:
    """A token that says anything: PyJWT would refuse to sign some of it."""
    signer = get_default_algorithms()[algorithm]
    parts = ({"alg": algorithm, **header}, said)
    signed = ".".join(base64url_encode(json.dumps(part).encode()).decode() for part in parts)
    signature = signer.sign(signed.encode(), signer.prepare_key(key))
    return f"{signed}.{base64url_encode(signature).decode()}"


def jwk(kid: str | None, algorithm: str, private: Any) -> dict[str, Any]:
    """The public half of a key."""
    kinds = {"R": RSAAlgorithm, "P": RSAAlgorithm, "E": OKPAlgorithm if algorithm == "EdDSA" else ECAlgorithm}
    told: dict[str, Any] = kinds[algorithm[0]].to_jwk(private.public_key(), as_dict=True)
    return told | {"use": "sig", "alg": algorithm} | ({} if kid is None else {"kid": kid})


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    """Answer a request."""
    handler.send_response(status)
    for name, value in {"content_length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
