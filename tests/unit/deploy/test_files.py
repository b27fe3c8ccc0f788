"""The files that a deployment is made from: railway.toml, compose, the image, the update bot's list."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from gochat.config import Settings, variables
from gochat.contract.routes import PREFIX, ROUTES
from scripts import settings_table

ROOT = settings_table.ROOT
SCHEMA = json.loads(Path(__file__).with_name("railway.schema.json").read_text())
RAILWAY = tomllib.loads((ROOT / "railway.toml").read_text())
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


class Compose(yaml.SafeLoader):  # type: ignore[misc]
    """YAML with compose's own tags."""


Compose.add_constructor("!reset", lambda loader, node: None)


def load(path: Path) -> Any:
    return yaml.load(path.read_text(), Compose)


COMPOSE, OVERLAY = load(ROOT / "compose.yaml"), load(ROOT / "deploy" / "compose.yaml")


def tracked(*patterns: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, check=True, capture_output=True)
    return listed.stdout.decode().split()


def test_railway_takes_the_file() -> None:
    jsonschema_rs.validate(SCHEMA, RAILWAY)


@pytest.mark.parametrize(
    "change",
    [
        {"drainingSeconds": "30"},
        {"drainSeconds": 30},
        {"restartPolicyType": "SOMETIMES"},
        {"healthcheckPath": "x"},
    ],
)
def test_the_schema_refuses_what_railway_refuses(change: dict[str, object]) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, {**RAILWAY, "deploy": {**RAILWAY["deploy"], **change}})


def test_railway_asks_a_path_that_there_is_and_waits_for_the_drain() -> None:
    deploy = RAILWAY["deploy"]
    assert deploy["healthcheckPath"] in {PREFIX + route.path for route in ROUTES}
    assert deploy["drainingSeconds"] > Settings.model_fields["drain_seconds"].default
    assert (ROOT / RAILWAY["build"]["dockerfilePath"]).is_file()


def test_every_setting_reaches_the_server_in_compose() -> None:
    given = set(COMPOSE["services"]["gochat"]["environment"])
    assert given == {variables(name)[0] for name in Settings.model_fields} - settings_table.OF_OTHERS


def test_compose_knows_no_default_password() -> None:
    text = (ROOT / "compose.yaml").read_text() + (ROOT / "deploy" / "compose.yaml").read_text()
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET)\w*)(:?-[^}]*)?", text)
    assert secrets
    assert [name for name, default in secrets if default] == []


@pytest.mark.parametrize("name", [*COMPOSE["services"], "caddy"])
def test_each_container_is_kept_small(name: str) -> None:
    service = {**COMPOSE["services"], **OVERLAY["services"]}[name] | COMPOSE["services"].get(name, {})
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service
    assert service.get("read_only") or name == "mysql"
    assert "build" in service or DIGEST.search(service["image"])


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    assert COMPOSE["services"]["gochat"]["ports"] == ["${BIND:-127.0.0.1}:${PORT:-8000}:8000"]
    assert [name for name, service in COMPOSE["services"].items() if "ports" in service] == ["gochat"]
    assert OVERLAY["services"]["gochat"]["ports"] is None
    subnet = OVERLAY["networks"]["default"]["ipam"]["config"][0]["subnet"]
    assert OVERLAY["services"]["gochat"]["environment"]["FORWARDED_ALLOW_IPS"] == subnet
    replicas = OVERLAY["services"]["gochat"]["deploy"]["replicas"]
    assert OVERLAY["services"]["gochat"]["environment"]["REPLICAS"] == str(replicas)


def test_the_image_starts_from_digests_and_runs_as_a_number() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert bases
    assert all(DIGEST.search(base) for base in bases)
    assert len(set(bases)) == 1, "built on the same as it runs on"
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]


def watched() -> Iterator[tuple[str, str]]:
    for update in load(ROOT / ".github" / "dependabot.yml")["updates"]:
        for folder in update.get("directories", [update.get("directory")]):
            yield update["package-ecosystem"], folder.strip("/")


ECOSYSTEMS = {
    "package.json": "npm",
    "package-lock.json": "npm",
    "pom.xml": "maven",
    "Dockerfile": "docker",
    "compose.yaml": "docker-compose",
    "pyproject.toml": "pip",
    "Cargo.toml": "cargo",
    "build.gradle": "gradle",
    "build.gradle.kts": "gradle",
    "go.mod": "gomod",
    "Package.swift": "swift",
    "pubspec.yaml": "pub",
    "Gemfile": "bundler",
}
"""Which of the bot's ecosystems a file belongs to, whether or not we have one."""


def test_the_update_bot_watches_every_lock() -> None:
    found = {
        (ECOSYSTEMS[path.name], "" if str(path.parent) == "." else str(path.parent))
        for path in map(Path, tracked())
        if path.name in ECOSYSTEMS
    }
    assert set(watched()) == found | {("github-actions", "")}
    assert tracked(".github/workflows/*.yml")
