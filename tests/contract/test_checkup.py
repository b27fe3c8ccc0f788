"""`gochat doctor`, of Redis and of the machine; the database is in test_doctor.py."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gochat import cli, doctor
from gochat.config import Settings
from gochat.storage.doctor import Finding
from gochat.storage.migrate import upgrade
from tests.services.redis import Redis


@pytest.fixture
def findings(tmp_path: Path) -> Callable[..., list[Finding]]:
    """What is found with these settings."""

    def find(**settings: object) -> list[Finding]:
        return list(doctor.look(Settings(sqlite_path=tmp_path / "chat.db", **settings)))  # type: ignore[arg-type]

    return find


def unwell(found: list[Finding]) -> list[str]:
    return [it.what for it in found if not it.well]


def test_redis_that_drops_what_it_holds_is_found(
    findings: Callable[..., list[Finding]], redis: Redis
) -> None:
    def about_redis() -> list[str]:
        return [it for it in unwell(findings(redis_url=redis.url)) if it.startswith("Redis evicts")]

    with redis.client() as client:
        assert about_redis() == []
        before = client.config_get("maxmemory*")
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert about_redis() == [], "without a limit nothing is dropped"
        client.config_set("maxmemory", "1gb")
        try:
            assert about_redis() == ["Redis evicts by allkeys-lru"]
        finally:
            for name in ("maxmemory", "maxmemory-policy"):
                client.config_set(name, before[name])


def test_redis_that_is_away_is_found(findings: Callable[..., list[Finding]]) -> None:
    assert "Redis" in unwell(findings(redis_url="redis://127.0.0.1:1/0"))


def test_clocks_that_are_apart_are_found(
    findings: Callable[..., list[Finding]], mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(mariadb_url)
    clocks = "the clocks of this machine"
    assert not [it for it in unwell(findings(mysql_url=mariadb_url)) if it.startswith(clocks)]
    monkeypatch.setattr(doctor, "CLOCK_MS", -1)
    assert [it for it in unwell(findings(mysql_url=mariadb_url)) if it.startswith(clocks)]


def test_few_files_are_found(findings: Callable[..., list[Finding]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DESCRIPTORS", 1 << 62)
    serious = {"gochat_env": "production", "jwt_secret": "kZ3vQ8tY1pR6wX0bN5mC9dF2gH7jL4sA"}
    assert [it for it in unwell(findings(**serious)) if it.endswith("files may be open")]
    assert not [it for it in unwell(findings()) if it.endswith("files may be open")]


def test_machines_can_read_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MYSQL_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(cli.app, ["doctor", "--json"])
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(it.keys() == {"what", "well", "advice"} for it in found)
    assert done.exit_code == (0 if all(it["well"] for it in found) else 1)
    assert all(it["advice"] for it in found if not it["well"])
