"""Fetch what the pages of gochat/web take from npm, as requirements/web.toml pins it, inside .venv.

Kept in `share/gochat/web` of the virtual environment, a folder for each package: dependencies, never part of
the tree. Does nothing if all is there. Without npm, or without a network, the server runs all the same, and
its page says what is missing: exit status 1.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from scripts.npm import ROOT, find_npm, run

LOCK = ROOT / "requirements" / "web.toml"
FOLDER = Path(sys.prefix) / "share" / "gochat" / "web"


def main() -> None:
    """Fetch what is not there; exit 1 if it can't be had."""
    if problems := install():
        sys.exit("\n".join(["The demo page and the API pages lack their scripts:", *problems]))


def install() -> list[str]:
    """Fetch what is not there; return what went wrong."""
    content = LOCK.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    stamp = FOLDER / "stamp"
    if stamp.exists() and stamp.read_text() == digest:
        return []
    npm = find_npm()
    if npm is None:
        return ["Node with npm (Debian: nodejs, npm)"]
    problems = fetch(npm, tomllib.loads(content.decode())["package"])
    if not problems:
        stamp.write_text(digest)
    return problems


def fetch(npm: list[str], packages: list[dict[str, Any]]) -> list[str]:
    """Put the files of the packages into FOLDER; return what went wrong."""
    options = ["--silent", "--fetch-retries=1", "--fetch-timeout=20000"]
    specs = [f"{package['name']}@{package['version']}" for package in packages]
    with tempfile.TemporaryDirectory(prefix="gochat-") as name:
        if not run([*npm, "pack", *options, "--pack-destination", name, *specs]):
            return [f"the packages of {LOCK.name} (npm pack)"]
        tarballs = {integrity(path): path for path in Path(name).iterdir()}
        for package in packages:
            if package["integrity"] not in tarballs:
                return [f"{package['name']}: what came is not what {LOCK.name} pins"]
            unpack(tarballs[package["integrity"]], package["files"], FOLDER / package["name"])
    return []


def integrity(path: Path) -> str:
    """Return the digest of a file, as npm writes it (Subresource Integrity)."""
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def unpack(tarball: Path, files: list[str], folder: Path) -> None:
    """Write the files of a tarball, without the folders they lie in there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(tarball) as archive:
        for file in files:
            content = archive.extractfile(f"package/{file}")
            assert content is not None
            (folder / Path(file).name).write_bytes(content.read())


if __name__ == "__main__":
    main()
