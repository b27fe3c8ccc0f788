"""Check what no other tool does: no committed file names the host of a package registry.

A lock that names a host ties every build to it. Reads what git tracks; exits 1 with `file:line` of each find.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = re.compile(rb"\b(?:pypi|pythonhosted|npmjs|yarnpkg|crates|debian|ubuntu|maven)\.(?:org|com|io)\b")
# In a lock any host is one too many.
ANY_HOST = re.compile(rb"://|^--(?:extra-)?index|^--find-links|\"resolved\"")
PACKAGE_LOCK_FUNDING = re.compile(rb'^\s*"(?:url|funding)":')


def is_lock(path: str) -> bool:
    """Tell whether a tracked path is a lock file."""
    return path.startswith("requirements/") or path.endswith("package-lock.json")


def finds(path: str, content: bytes) -> list[str]:
    """Return `file:line: text` for each line of `content` that names a registry's host."""
    lines = enumerate(content.splitlines(), 1)
    return [
        f"{path}:{number}: {line.strip().decode(errors='replace')}"
        for number, line in lines
        if REGISTRY.search(line)
        or (is_lock(path) and ANY_HOST.search(line) and not PACKAGE_LOCK_FUNDING.match(line))
    ]


def main() -> None:
    """Exit 1 if a tracked file names a registry's host."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    paths = [path for path in listed.decode().split("\0") if path and (ROOT / path).is_file()]
    if found := [find for path in paths for find in finds(path, (ROOT / path).read_bytes())]:
        sys.exit("registry hosts in committed files:\n" + "\n".join(found))


if __name__ == "__main__":
    main()
