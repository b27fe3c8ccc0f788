from pathlib import Path

import pymysql
import pytest
from typer.testing import CliRunner

from gochat import cli
from gochat.cli import mistakes
from gochat.storage import engines
from gochat.storage.doctor import examine
from gochat.storage.engines import write_engine
from gochat.storage.migrate import upgrade
from tests.services.redis import Redis
from tests.services.sql_server import SQLServer


def faults(url: str) -> list[str]:
    return [finding.what for finding in examine(url) if not finding.well]


def test_a_database_without_a_schema_is_not_well(empty_database_url: str) -> None:
    assert faults(empty_database_url) == ["the schema is at nothing"]
    upgrade(empty_database_url)
    assert faults(empty_database_url) == []


@pytest.mark.parametrize(
    ("setting", "value", "well"), [("sync_binlog", 0, 1), ("innodb_flush_log_at_trx_commit", 2, 1)]
)
def test_a_setting_that_loses_messages_is_found(
    sql_server: SQLServer, sql_server_url: str, setting: str, value: int, well: int
) -> None:
    upgrade(sql_server_url)

    def put(number: int) -> None:
        admin: pymysql.Connection
        with sql_server.admin() as admin, admin.cursor() as cursor:
            cursor.execute(f"SET GLOBAL {setting} = {number}")

    put(value)
    try:
        assert faults(sql_server_url) == [f"{setting} = {value}"]
    finally:
        put(well)


def test_what_is_no_unicode_is_found(
    sql_server: SQLServer, sql_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(sql_server_url)
    well = [finding.what for finding in examine(sql_server_url) if finding.well]
    assert {"a session has READ-COMMITTED", "a session has UTF8MB4", "all tables are in utf8mb4"} <= {*well}
    with write_engine(sql_server_url).connect() as connection:
        connection.exec_driver_sql("ALTER TABLE operator_acts CONVERT TO CHARACTER SET latin1")
    assert faults(sql_server_url) == ["the character set of operator_acts is not utf8mb4"]
    # What a pooler does that keeps settings from the server.
    monkeypatch.setattr(engines, "_MYSQL_SESSION", {**engines._MYSQL_SESSION, "sql_mode": "''"})
    assert "a session has no sql_mode" in faults(sql_server_url)


def test_a_password_that_is_wrong_is_named(
    sql_server_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme, _, place = sql_server_url.partition("://")
    wrong = f"{scheme}://nobody:hidden-password@{place.rpartition('@')[2]}"
    monkeypatch.setenv("MYSQL_URL", wrong)
    monkeypatch.setenv("REDIS_URL", redis.url.replace("://", "://nobody:hidden-password@"))
    done = CliRunner().invoke(cli.app, ["doctor"])
    said = {line.split(": ")[0]: line for line in done.output.splitlines() if line.startswith("NOT OK")}
    assert done.exit_code == 1
    assert "MYSQL_URL: " in said["NOT OK  the database"]
    assert "refuses" in said["NOT OK  Redis"]
    assert "hidden-password" not in done.output
    told = mistakes.told(CliRunner().invoke(cli.app, ["user", "find", "a"]).exception)  # type: ignore[arg-type]
    assert told is not None
    assert (told.status, told.text.startswith("MYSQL_URL or SQLITE_PATH: ")) == (78, True)


def test_the_command_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = CliRunner().invoke(cli.app, ["doctor"])
    assert (before.exit_code, "gochat migrate" in before.output) == (1, True)
    assert CliRunner().invoke(cli.app, ["migrate"]).exit_code == 0
    assert CliRunner().invoke(cli.app, ["doctor"]).exit_code == 0
    monkeypatch.setenv("MYSQL_URL", "mysql://user:hidden-password@127.0.0.1:1/nothing")
    away = CliRunner().invoke(cli.app, ["doctor"])
    assert away.exit_code == 1
    assert "hidden-password" not in away.output
