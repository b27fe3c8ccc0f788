"""Fetch what the pages of gochat/web take from npm, as requirements/package-lock.json pins it, inside .venv.

Of each package the one file that a browser needs is kept, in `share/gochat/web` of the virtual environment:
dependencies, never part of the tree. Does nothing if all is there. Without npm, or without a network, the
server runs all the same, and its page says what is missing: exit status 1.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from scripts.npm import ROOT, find_npm, run

PINS = ROOT / "requirements"
FOLDER = Path(sys.prefix) / "share" / "gochat" / "web"
FILES = {"socket.io-client": "dist/socket.io.esm.min.js", "preact": "dist/preact.mjs", "htm": "dist/htm.mjs"}


def main() -> None:
    """Fetch what is not there; exit 1 if it can't be had."""
    if problems := install():
        sys.exit("\n".join(["The demo page and the API pages lack their scripts:", *problems]))


def install() -> list[str]:
    """Fetch what is not there; return what went wrong."""
    pinned = (PINS / "package-lock.json").read_bytes()
    digest = hashlib.sha256(pinned + repr(FILES).encode()).hexdigest()
    stamp = FOLDER / "stamp"
    if stamp.exists() and stamp.read_text() == digest:
        return []
    npm = find_npm()
    if npm is None:
        return ["Node with npm (Debian: nodejs, npm)"]
    if not fetch(npm):
        return ["what requirements/package-lock.json pins (npm ci)"]
    stamp.write_text(digest)
    return []


def fetch(npm: list[str]) -> bool:
    """Put FILES into FOLDER; return False if npm could not bring what is pinned."""
    options = ["--silent", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=20000"]
    with tempfile.TemporaryDirectory(prefix="gochat-") as name:
        for file in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(PINS / file, name)
        if not run([*npm, "ci", *options], cwd=Path(name)):
            return False
        shutil.rmtree(FOLDER, ignore_errors=True)
        for package, file in FILES.items():
            (FOLDER / package).mkdir(parents=True)
            shutil.copy(Path(name) / "node_modules" / package / file, FOLDER / package)
    return True


if __name__ == "__main__":
    main()
