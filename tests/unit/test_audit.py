"""What production leans on: every licence will do, and the list of it is complete."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from scripts import audit


def test_every_licence_will_do() -> None:
    licences = {it.name: audit.licence(it.name) for it in audit.locked() if audit.installed(it.name)}
    assert len(licences) > 30
    assert list(audit.refused(licences)) == []


def test_a_licence_that_asks_for_more_is_found() -> None:
    licences = {"a": "MIT", "b": "AGPL-3.0-only", "c": "", "d": "LGPL-2.1", "e": "GPL v3"}
    assert [line.partition(":")[0] for line in audit.refused(licences)] == ["b", "c", "e"]


def test_the_list_has_every_package_with_its_hashes() -> None:
    packages = audit.locked()
    pinned = re.findall(r"^(\S+)==", (audit.LOCKS / "run.txt").read_text(), re.MULTILINE)
    assert [it.name for it in packages] == pinned
    components = audit.sbom(packages, {"redis": "MIT"})["components"]
    assert [it["name"] for it in components] == pinned
    assert all(it["hashes"] for it in components)
    (redis,) = (it for it in components if it["name"] == "redis")
    assert redis["licenses"] == [{"license": {"name": "MIT"}}]


LISTED = subprocess.run(
    ["git", "ls-files", "*package-lock.json"], cwd=audit.ROOT, check=True, capture_output=True
)
NPM_LOCKS = LISTED.stdout.decode().split()


def test_every_folder_that_npm_locks_is_asked_about() -> None:
    assert {Path(lock).parent.as_posix() for lock in NPM_LOCKS} == set(audit.NPM_FOLDERS)


@pytest.mark.parametrize("lock", NPM_LOCKS)
def test_npm_locks_every_package_by_its_hash(lock: str) -> None:
    packages = json.loads((audit.ROOT / lock).read_text())["packages"]
    assert [name for name, it in packages.items() if name and not it.get("integrity")] == []
