"""TLS to the database and to Redis: what is trusted serves, what is not is refused in one line."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from gochat.cli.support import bell
from gochat.config import ConfigError, Settings
from gochat.core.measures import Measures
from gochat.events.cluster.doorbell import RedisDoorbell
from gochat.events.delivery.topics import REVOKED, Ended
from gochat.events.sockets import user_room
from gochat.peers import RedisPeers
from gochat.preflight import look
from gochat.storage.engines import read_engine
from gochat.storage.fetch import fetch
from gochat.storage.migrate import upgrade
from tests.services.certificates import Authority
from tests.services.gochat import GoChatServer
from tests.services.mariadb import MariaDB
from tests.services.redis import Redis
from tests.services.sql_server import SQLServer, data_directory

HERE = "127.0.0.1"
STRANGER = Authority("a stranger")
SECRET = "k3" * 20


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """What is trusted: `ca.pem`; and what is not: `stranger.pem`."""
    with tempfile.TemporaryDirectory(prefix="gochat-") as directory:
        Path(directory, "stranger.pem").write_bytes(STRANGER.certificate)
        Authority().write(Path(directory), HERE)
        yield Path(directory)


@pytest.fixture(scope="module")
def encrypted(folder: Path) -> Iterator[SQLServer]:
    """MariaDB with a certificate."""
    with data_directory() as directory, MariaDB(directory, folder / "server.pem") as server:
        yield server


@pytest.fixture
def url(encrypted: SQLServer) -> Iterator[str]:
    made = encrypted.create_database()
    yield made.replace("+pymysql", "")
    encrypted.drop_database(made)


def cipher(**given: object) -> str:
    """What connections with these settings are encrypted by."""
    engine = read_engine(Settings(**given).database_url.get_secret_value(), 1)  # type: ignore[arg-type]
    with closing(engine.connect()) as connection:
        ((_, name),) = fetch(connection, "SHOW STATUS LIKE 'Ssl_cipher'")
    engine.dispose()
    return str(name)


def refused(**given: object) -> str:
    """The one line by which a start with these settings is refused."""
    with pytest.raises(ConfigError) as caught:
        look(Settings(**given))  # type: ignore[arg-type]
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("mode", ["PREFERRED", "REQUIRED", "VERIFY_CA", "verify_identity"])
def test_a_connection_is_encrypted(url: str, folder: Path, mode: str) -> None:
    ca = folder / "ca.pem" if mode.upper().startswith("VERIFY") else None
    assert cipher(mysql_url=url, mysql_ssl_mode=mode, mysql_ssl_ca=ca)
    said = f"{url}?ssl-mode={mode}" + (f"&ssl_ca={ca}" if ca else "")
    assert cipher(mysql_url=said)
    look(Settings(mysql_url=said))


def test_it_is_not_if_that_is_said(url: str) -> None:
    assert not cipher(mysql_url=url, mysql_ssl_mode="DISABLED")


def test_a_server_without_tls(mariadb_url: str) -> None:
    url = mariadb_url.replace("+pymysql", "")
    assert not cipher(mysql_url=url)
    assert refused(mysql_url=url, mysql_ssl_mode="REQUIRED") == "MYSQL_URL: the server has no TLS"


@pytest.mark.parametrize("mode", [None, "VERIFY_CA", "VERIFY_IDENTITY"])
def test_a_server_of_another_authority(url: str, folder: Path, mode: str | None) -> None:
    line = refused(mysql_url=url, mysql_ssl_ca=folder / "stranger.pem", mysql_ssl_mode=mode)
    assert line.startswith("MYSQL_URL: the server's certificate is not trusted (")


def test_without_a_ca_those_of_the_system_are_trusted(url: str) -> None:
    line = refused(mysql_url=url, mysql_ssl_mode="VERIFY_CA")
    assert line.startswith("MYSQL_URL: the server's certificate is not trusted (")


def test_a_server_of_another_name(url: str, folder: Path) -> None:
    elsewhere = make_url(url).set(host="localhost").render_as_string(hide_password=False)
    ca = folder / "ca.pem"
    assert cipher(mysql_url=elsewhere, mysql_ssl_ca=ca, mysql_ssl_mode="VERIFY_CA")
    line = refused(mysql_url=elsewhere, mysql_ssl_ca=ca)
    assert line.startswith("MYSQL_URL: the server's certificate is not trusted (Hostname mismatch")


def test_what_mysql_itself_makes_is_an_authority(mysql: SQLServer) -> None:
    url, ca = f"{mysql.url.replace('+pymysql', '')}/mysql", mysql.data / "ca.pem"
    assert cipher(mysql_url=url, mysql_ssl_ca=ca, mysql_ssl_mode="VERIFY_CA")
    assert "is not trusted (" in refused(mysql_url=url, mysql_ssl_ca=ca), "it has no name"


@pytest.fixture
def redis_with_tls(folder: Path) -> Iterator[Redis]:
    with Redis(folder, "sesame", folder / "server.pem", folder / "ca.pem") as server:
        yield server


def test_redis(redis_with_tls: Redis, folder: Path) -> None:
    bare = redis_with_tls.url.partition("?")[0]
    named = bare.replace(HERE, "localhost")
    not_trusted = "REDIS_URL: the server's certificate is not trusted ("
    look(Settings(redis_url=redis_with_tls.url))
    look(Settings(redis_url=bare, redis_ssl_ca=folder / "ca.pem"))
    look(Settings(redis_url=f"{bare}?ssl_cert_reqs=none"))
    assert refused(redis_url=bare).startswith(not_trusted)
    assert refused(redis_url=bare, redis_ssl_ca=folder / "stranger.pem").startswith(not_trusted)
    assert refused(redis_url=named, redis_ssl_ca=folder / "ca.pem").startswith(not_trusted)


async def test_an_operator_rings_by_tls(
    redis_with_tls: Redis, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = redis_with_tls.url.partition("?")[0]
    for name, value in {"REDIS_URL": bare, "REDIS_SSL_CA": folder / "ca.pem", "JWT_SECRET": SECRET}.items():
        monkeypatch.setenv(name, str(value))
    peers = RedisPeers(redis_with_tls.url, "gochat", [SECRET.encode()], (), Measures())
    doorbell, heard = peers.doorbell, asyncio.Queue[object]()
    assert isinstance(doorbell, RedisDoorbell)
    doorbell.hear(REVOKED, heard.put_nowait)
    doorbell.listen(user_room(1))
    doorbell.start()
    try:
        async with asyncio.timeout(60):
            while heard.empty():  # a ring before the room is listened to, on a busy machine, is nobody's
                await doorbell.confirmed()
                async with bell() as publisher:
                    publisher.revoked(1, 2, "x")
                await asyncio.sleep(0.1)
    finally:
        await peers.close()
    assert heard.get_nowait() == Ended(1, 2, "x")


def test_a_server_serves_over_both(
    encrypted: SQLServer, url: str, redis_with_tls: Redis, folder: Path, tmp_path: Path
) -> None:
    with closing(encrypted.admin()) as connection, connection.cursor() as cursor:
        cursor.execute("GRANT ALL ON *.* TO careful@'%' IDENTIFIED BY 'hunter2' REQUIRE SSL")
    careful = make_url(url).set(username="careful", password="hunter2").render_as_string(hide_password=False)
    upgrade(Settings(mysql_url=careful).database_url.get_secret_value())
    ca = str(folder / "ca.pem")
    settings = {"MYSQL_URL": careful, "REDIS_URL": redis_with_tls.url, "MYSQL_SSL_CA": ca, "REPLICAS": "2"}
    with GoChatServer(tmp_path, settings):
        pass
    done = run(tmp_path, settings | {"MYSQL_SSL_CA": str(folder / "stranger.pem"), "PORT": "0"})
    (line,) = done.stderr.splitlines()
    assert (done.returncode, line.partition(" (")[0]) == (
        78,
        "MYSQL_URL: the server's certificate is not trusted",
    )
    assert "hunter2" not in line + done.stdout


def run(directory: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """`gochat serve` to its end."""
    command = [str(Path(sys.executable).parent / "gochat"), "serve"]
    env = {"PATH": os.environ["PATH"], **settings}
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=60)
