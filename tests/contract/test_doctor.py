from pathlib import Path

import pymysql
import pytest
from typer.testing import CliRunner

from gochat import cli
from gochat.storage.doctor import examine
from gochat.storage.migrate import upgrade
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
