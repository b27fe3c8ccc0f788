"""A Redis server of the tests' own."""

from pathlib import Path

import redis

from tests.services.process import Process, Server
from tests.services.programs import REDIS, require


class Redis(Server):
    """redis-server on 127.0.0.1, nothing kept on disk; with `password`, only for who has it.

    With `certificate`, a PEM file that holds its key too, it takes TLS alone; who connects has to trust the
    `authority` that signed it.
    """

    def __init__(
        self,
        directory: Path,
        password: str = "",
        certificate: Path | None = None,
        authority: Path | None = None,
    ) -> None:
        super().__init__()
        self._directory = directory
        self._password = password
        self._certificate = certificate
        self._authority = authority
        self._program = require(REDIS)

    @property
    def url(self) -> str:
        """The URL of database 0, `redis://...` or `rediss://...`."""
        return self._url(self.port)

    def _url(self, port: int) -> str:
        credentials = f":{self._password}@" if self._password else ""
        if self._certificate is None:
            return f"redis://{credentials}127.0.0.1:{port}/0"
        return f"rediss://{credentials}127.0.0.1:{port}/0?ssl_ca_certs={self._authority}"

    def _launch(self, port: int) -> Process:
        options = ["--bind", "127.0.0.1", "--dir", str(self._directory), "--save", ""]
        if self._certificate is None:
            options += ["--port", str(port)]
        else:
            options += ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
            for name in ("cert-file", "key-file"):
                options += [f"--tls-{name}", str(self._certificate)]
            options += ["--tls-ca-cert-file", str(self._authority)]
        if self._password:
            options += ["--requirepass", self._password]
        process = Process([str(self._program), *options], self._directory / "log")
        with redis.Redis.from_url(self._url(port), socket_timeout=5) as client:
            process.wait_until(lambda: self._answers(client), timeout=60)
        return process

    def _answers(self, client: redis.Redis) -> bool:
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def client(self) -> redis.Redis:
        """Open a client; close it, or use it as a context manager."""
        return redis.Redis.from_url(self.url, socket_timeout=5, decode_responses=True)
