"""The scripts behind the Makefile."""

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from scripts import bootstrap, check_tree, lock, services, web
from scripts.npm import find_npm
from tests.services import programs
from tests.services.programs import missing

PYPROJECT = tomllib.loads((lock.ROOT / "pyproject.toml").read_text())


def test_locks_are_fresh() -> None:
    assert lock.stale(PYPROJECT) == []


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        (
            {"project": {**PYPROJECT["project"], "dependencies": ["httptools"]}},
            {"run", "tracing", "test", "all", "compile"},
        ),
        ({"project": {**PYPROJECT["project"], "requires-python": ">=3.12"}}, set(lock.CONTENTS)),
        ({"build-system": {"requires": ["hatchling>=2"]}}, {"build"}),
        ({"dependency-groups": {**PYPROJECT["dependency-groups"], "uv": ["uv>=1"]}}, {"uv"}),
    ],
)
def test_a_changed_requirement_makes_its_locks_stale(change: dict[str, object], stale: set[str]) -> None:
    assert set(lock.stale({**PYPROJECT, **change})) == stale


def test_a_lock_that_is_absent_is_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lock, "LOCKS", tmp_path)
    assert lock.stale(PYPROJECT) == list(lock.CONTENTS)


def test_every_level_holds_the_one_before() -> None:
    pins = [
        {
            line.split(";")[0].strip(" \\")
            for line in bootstrap.lock(level).read_text().splitlines()
            if "==" in line
        }
        for level in bootstrap.LEVELS
    ]
    assert pins[0] <= pins[1] <= pins[2]


def test_all_that_a_test_may_ask_for_is_installed() -> None:
    asked = {it for it in vars(programs).values() if isinstance(it, programs.Program | programs.Unpacked)}
    assert asked - {programs.NODE} == {*services.LEVELS["all"]}, "Node comes with what npm installs"
    assert {*services.LEVELS["test"]} <= asked


def test_venv_is_ready_for_its_level_and_those_below(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    assert not bootstrap.is_ready("run")
    bootstrap.STAMP.write_text(bootstrap.stamp("test"))
    assert [bootstrap.is_ready(level) for level in ("run", "test", "all")] == [True, True, False]


def test_venv_of_another_python_is_not_ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    bootstrap.STAMP.write_text(bootstrap.stamp("test"))
    assert bootstrap.is_ready("test")
    monkeypatch.setattr(sys, "version_info", (3, sys.version_info.minor + 1))
    assert not bootstrap.is_ready("test")


HOST = ".".join(("files", "pythonhosted", "org"))


@pytest.mark.parametrize(
    ("path", "line", "is_found"),
    [
        ("docs/a.md", f"see {HOST}/packages", True),
        ("docs/a.md", "see https://example.org", False),
        ("pom.xml", "http://maven.apache.org/POM/4.0.0", False),
        ("requirements/run.txt", "--index-url x", True),
        ("requirements/run.txt", "a @ https://mirror.example/a.whl", True),
        ("requirements/run.txt", "redis==8.1.0 \\", False),
        ("tests/js/package-lock.json", '  "resolved": "https://mirror.example/a.tgz",', True),
        ("tests/js/package-lock.json", '  "url": "https://opencollective.example/express"', False),
    ],
)
def test_registry_hosts_are_found(path: str, line: str, is_found: bool) -> None:
    found = check_tree.finds(path, f"first\n{line}\n".encode())
    assert found == ([f"{path}:2: {line.strip()}"] if is_found else [])


def packed(content: bytes) -> bytes:
    """Return a tarball of npm: the package `page` with one file."""
    files = {"dist/page.js": content, "package.json": b'{"name": "page", "version": "1.0.0"}'}
    tarball = io.BytesIO()
    with tarfile.open(fileobj=tarball, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return tarball.getvalue()


def pin(pins: Path, content: bytes, pinned: bytes) -> None:
    """Have a lock of npm name a tarball with `content`, and the hash of one with `pinned`."""
    (pins / "page.tgz").write_bytes(packed(content))
    integrity = base64.b64encode(hashlib.sha512(packed(pinned)).digest()).decode()
    asked = {"name": "pages", "dependencies": {"page": f"file:{pins}/page.tgz"}}
    page = {"version": "1.0.0", "resolved": f"file:{pins}/page.tgz", "integrity": f"sha512-{integrity}"}
    locked = {"name": "pages", "lockfileVersion": 3, "packages": {"": asked, "node_modules/page": page}}
    (pins / "package.json").write_text(json.dumps(asked))
    (pins / "package-lock.json").write_text(json.dumps(locked))


def test_what_the_pages_need_is_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if programs.NODE.find() is None or find_npm() is None:
        missing("Node with npm is missing")
    folder, pins = tmp_path / "web", tmp_path / "pins"
    pins.mkdir()
    (pins / ".npmrc").touch()
    monkeypatch.setattr(web, "FOLDER", folder)
    monkeypatch.setattr(web, "PINS", pins)
    monkeypatch.setattr(web, "FILES", {"page": "dist/page.js"})
    pin(pins, b"good", b"good")
    assert web.install() == []
    assert sorted(it.name for it in folder.rglob("*")) == ["page", "page.js", "stamp"]
    assert (folder / "page" / "page.js").read_bytes() == b"good"
    monkeypatch.setattr(web, "find_npm", lambda: pytest.fail("it is there"))
    assert web.install() == []
    monkeypatch.setattr(web, "find_npm", find_npm)
    pin(pins, b"of another", b"newer")
    assert web.install() == ["what requirements/package-lock.json pins (npm ci)"]
    assert (folder / "page" / "page.js").read_bytes() == b"good"
    monkeypatch.setattr(web, "find_npm", lambda: None)
    assert web.install() == ["Node with npm (Debian: nodejs, npm)"]


def test_the_pages_take_what_npm_is_asked_for() -> None:
    assert set(json.loads((web.PINS / "package.json").read_text())["dependencies"]) == set(web.FILES)


def test_nothing_that_a_server_makes_is_committed() -> None:
    made = ["gochat.db", "gochat.db-wal", "gochat.db-shm", "gochat.db-server", ".gochat/secret"]
    ignored = subprocess.run(["git", "check-ignore", *made], cwd=lock.ROOT, capture_output=True, text=True)
    assert ignored.stdout.split() == made
