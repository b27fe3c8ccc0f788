"""The servers that the fault tests stand on: durable as production has to be, and back after every fault."""

import signal
from contextlib import closing
from pathlib import Path

import pymysql
import pytest
import redis as redis_client

from tests.services import mysql
from tests.services.process import NotStartedError, Process
from tests.services.redis import Redis
from tests.services.sql_server import SQLServer


@pytest.mark.parametrize(
    ("variable", "value"),
    [("log_bin", 1), ("sync_binlog", 1), ("innodb_flush_log_at_trx_commit", 1)],
)
def test_a_server_is_durable(sql_server: SQLServer, variable: str, value: int) -> None:
    with closing(sql_server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT @@global.{variable}")
        assert cursor.fetchone() == (value,)


def test_committed_rows_outlive_a_kill_of_the_server(sql_server: SQLServer, sql_server_url: str) -> None:
    with closing(mysql.connect(sql_server_url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (n INT PRIMARY KEY)")
        for n in range(100):
            cursor.execute("INSERT INTO kept VALUES (%s)", (n,))
        connection.begin()
        cursor.execute("INSERT INTO kept VALUES (100)")
        sql_server.kill()
    sql_server.start()
    with closing(mysql.connect(sql_server_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM kept")
        assert cursor.fetchone() == (100,)


def test_every_connection_can_be_cut(sql_server: SQLServer, sql_server_url: str) -> None:
    with closing(mysql.connect(sql_server_url)) as connection, connection.cursor() as cursor:
        assert sql_server.kill_connections() >= 1
        with pytest.raises(pymysql.err.OperationalError):
            cursor.execute("SELECT 1")


def test_a_database_is_dropped_under_a_lock(sql_server: SQLServer) -> None:
    url = sql_server.create_database()
    with closing(mysql.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE held (n INT PRIMARY KEY)")
        connection.begin()
        cursor.execute("SELECT * FROM held FOR UPDATE")
        sql_server.drop_database(url)
    with pytest.raises(pymysql.err.OperationalError, match="Unknown database"):
        mysql.connect(url)


def test_redis_comes_back_empty_on_the_same_url(redis: Redis) -> None:
    url = redis.url
    with redis.client() as client:
        client.set("key", "value")
        redis.kill()
        with pytest.raises(redis_client.ConnectionError):
            client.get("key")
        redis.start()
        assert client.get("key") is None
    assert redis.url == url
    redis.restart()


def test_redis_asks_for_its_password(tmp_path: Path) -> None:
    with Redis(tmp_path, password="sesame") as server, server.client() as client:
        assert client.ping()
        with (
            redis_client.Redis.from_url(server.url.replace("sesame", "wrong")) as stranger,
            pytest.raises(redis_client.AuthenticationError),
        ):
            stranger.ping()


def test_a_server_that_ends_at_its_start_shows_its_log(tmp_path: Path) -> None:
    with (
        Process(["sh", "-c", "echo it cannot be; exit 3"], tmp_path / "log") as process,
        pytest.raises(NotStartedError, match=r"exit status 3:\nit cannot be"),
    ):
        process.wait_until(lambda: False, timeout=60)


def test_a_server_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with Process(
        ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"], tmp_path / "log"
    ) as process:
        process.wait_until(lambda: "up" in process.log, timeout=60)
        with pytest.raises(TimeoutError):
            process.stop(timeout=0.2)
        assert process.returncode == -signal.SIGKILL
