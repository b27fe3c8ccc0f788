"""Compile the hashed locks in requirements/, or check without a network that they are fresh.

Each lock starts with a digest of what it was compiled from. `--check` compares that digest with
today's pyproject.toml, so a dependency that was changed but not locked fails at once.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"

# Lock -> its parts: "project" and "build" are tables of pyproject.toml, the others dependency groups.
# run.txt comes first: it constrains those that hold it, so a test runs what production runs.
CONTENTS = {
    "run": ("project",),
    "tracing": ("project", "tracing"),
    "test": ("project", "tracing", "test"),
    "all": ("project", "tracing", "test", "browser"),
    "compile": ("project", "compile"),
    "build": ("build",),
    "uv": ("uv",),
    "node": ("node",),
}


def requirements(part: str, pyproject: dict[str, Any]) -> list[str]:
    """Return the requirements that pyproject.toml gives for one part."""
    if part == "project":
        return list(pyproject["project"]["dependencies"])
    if part == "build":
        return list(pyproject["build-system"]["requires"])
    return list(pyproject["dependency-groups"][part])


def inputs(name: str, pyproject: dict[str, Any]) -> str:
    """Return what the lock `name` is compiled from, a requirement a line."""
    return "\n".join(line for part in CONTENTS[name] for line in requirements(part, pyproject))


def header(name: str, pyproject: dict[str, Any]) -> str:
    """Return the first lines of the lock `name`."""
    digest = hashlib.sha256(f"{oldest(pyproject)}\n{inputs(name, pyproject)}".encode()).hexdigest()
    return f"# Written by `make lock`.\n# inputs: sha256:{digest}\n"


def oldest(pyproject: dict[str, Any]) -> str:
    """Return the oldest Python that is supported, such as 3.11."""
    return str(pyproject["project"]["requires-python"]).removeprefix(">=")


def compile_lock(name: str, pyproject: dict[str, Any], upgrade: bool) -> None:
    """Compile one lock with uv, keeping today's versions unless `upgrade`."""
    path = LOCKS / f"{name}.txt"
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header"]
    command += ["--no-annotate", "--python-version", oldest(pyproject), "--output-file", str(path)]
    command += ["--upgrade"] if upgrade else []
    command += (
        ["--constraint", str(LOCKS / "run.txt")] if name in {"tracing", "test", "all", "compile"} else []
    )
    subprocess.run(
        [*command, "-"], input=inputs(name, pyproject), text=True, check=True, stdout=subprocess.DEVNULL
    )
    path.write_text(header(name, pyproject) + path.read_text())


def stale(pyproject: dict[str, Any]) -> list[str]:
    """Return the locks that are absent, or not compiled from today's pyproject.toml."""
    paths = {name: LOCKS / f"{name}.txt" for name in CONTENTS}
    return [
        name
        for name, path in paths.items()
        if not path.exists() or not path.read_text().startswith(header(name, pyproject))
    ]


def main() -> None:
    """Compile every lock, or exit 1 naming those that are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a lock is stale")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    arguments = parser.parse_args()
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if not arguments.check:
        for name in CONTENTS:
            compile_lock(name, pyproject, arguments.upgrade)
    elif names := stale(pyproject):
        sys.exit(f"stale locks: {', '.join(names)}. Run `make lock`.")


if __name__ == "__main__":
    main()
