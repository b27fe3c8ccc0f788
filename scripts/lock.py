"""Compile the hashed locks in requirements/, or check without a network that they are fresh.

Each lock starts with a digest of what it was compiled from. `--check` compares that digest with
today's pyproject.toml, so a dependency that was changed but not locked fails at once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"

# Lock -> what it holds: "project" is [project.dependencies], the rest are dependency groups.
# run.txt comes first: it constrains the others, so a test runs what production runs.
CONTENTS = {
    "run": ("project",),
    "build": ("build",),
    "test": ("project", "test", "build"),
    "all": ("project", "test", "build", "browser"),
    "uv": ("uv",),
    "node": ("node",),
}


def digest(name: str, pyproject: dict[str, object]) -> str:
    """Return a SHA-256, in hex, of the requirements that the lock `name` is compiled from."""
    project = pyproject["project"]
    groups = pyproject["dependency-groups"]
    if not isinstance(project, dict) or not isinstance(groups, dict):
        raise TypeError("pyproject.toml: [project] and [dependency-groups] must be tables")
    inputs = {part: project["dependencies"] if part == "project" else groups[part] for part in CONTENTS[name]}
    inputs["requires-python"] = project["requires-python"]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def header(name: str, pyproject: dict[str, object]) -> str:
    """Return the first lines of the lock `name`."""
    return f"# Written by `make lock`.\n# inputs: sha256:{digest(name, pyproject)}\n"


def compile_lock(name: str, pyproject: dict[str, object], upgrade: bool) -> None:
    """Compile one lock with uv, keeping today's versions unless `upgrade`."""
    path = LOCKS / f"{name}.txt"
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header"]
    command += ["--python-version", str(pyproject["project"]["requires-python"]).removeprefix(">=")]  # type: ignore[index]
    command += ["--upgrade"] if upgrade else []
    command += ["pyproject.toml"] if "project" in CONTENTS[name] else []
    command += [arg for part in CONTENTS[name] if part != "project" for arg in ("--group", part)]
    command += ["--constraint", "requirements/run.txt"] if name in {"build", "test", "all"} else []
    command += ["--output-file", str(path.relative_to(ROOT))]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    path.write_text(header(name, pyproject) + path.read_text())


def stale(pyproject: dict[str, object]) -> list[str]:
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
