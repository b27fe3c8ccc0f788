"""The supply chain: known weaknesses of what is locked, its licences, and a list of it all (SBOM).

    python -m scripts.audit [--offline] [--sbom FILE]

Asks the advisories of PyPI (by pip-audit, pinned, run by uv) and of npm (by npm audit). With --offline
nobody is asked, which the last line says; licences and the SBOM (CycloneDX 1.6) need no network.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from scripts.npm import find_npm

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
PIP_AUDIT = "pip-audit==2.10.1"
NPM_FOLDERS = (".github/railway", "benchmarks/js", "benchmarks/transport", "requirements", "tests/js")
REFUSED = re.compile(r"\b(?:A?GPL|Affero|SSPL|Business Source|Commons Clause|proprietary)\b", re.IGNORECASE)
"""Licences that ask more of who runs a server than to name the authors. LGPL is none of them."""


class Locked(NamedTuple):
    """One package of a lock."""

    name: str
    version: str
    hashes: tuple[str, ...]


def locked(lock: str = "run") -> list[Locked]:
    """Return the packages of a lock."""
    text = (LOCKS / f"{lock}.txt").read_text().replace("\\\n", " ")
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)(.*)$", text, re.MULTILINE)
    return [Locked(name, version, tuple(re.findall(r"sha256:(\w+)", rest))) for name, version, rest in found]


def licence(name: str) -> str:
    """Return what an installed package says of its licence; empty if it is not installed or says nothing."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    classifiers = [it for it in told.get_all("Classifier") or () if it.startswith("License :: ")]
    named = _of(told, "License-Expression") or " AND ".join(it.rpartition(" :: ")[2] for it in classifiers)
    return named or _of(told, "License").partition("\n")[0][:80]


def _of(told: metadata.PackageMetadata, field: str) -> str:
    return (told[field] or "").strip() if field in told else ""


def refused(licences: dict[str, str]) -> Iterator[str]:
    """Return the packages whose licence will not do, or is not known."""
    for name, text in licences.items():
        if not text or REFUSED.search(text):
            yield f"{name}: {text or 'says nothing of its licence'}"


def sbom(packages: list[Locked], licences: dict[str, str]) -> dict[str, Any]:
    """Return the list of what runs in production, as CycloneDX 1.6."""
    components = [
        {
            "type": "library",
            "name": it.name,
            "version": it.version,
            "purl": f"pkg:pypi/{it.name}@{it.version}",
            "hashes": [{"alg": "SHA-256", "content": digest} for digest in it.hashes],
            "licenses": [{"license": {"name": licences[it.name]}}] if licences.get(it.name) else [],
        }
        for it in packages
    ]
    about = {"component": {"type": "application", "name": "gochat", "version": metadata.version("gochat")}}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": about, "components": components}


def advisories() -> list[str]:
    """Ask for known weaknesses; return what was found, or could not be asked."""
    uv = ROOT / ".venv" / "bin" / "uv"
    runner = [str(uv) if uv.exists() else "uv", "tool", "run", PIP_AUDIT, "--disable-pip", "--require-hashes"]
    commands = [([*runner, "--requirement", str(LOCKS / f"{name}.txt")], ROOT) for name in ("run", "all")]
    npm = find_npm()
    if npm is None:
        return ["npm is missing"]
    commands += [([*npm, "audit", "--audit-level=high"], ROOT / folder) for folder in NPM_FOLDERS]
    return [
        f"{' '.join(command[-2:])} in {folder.relative_to(ROOT)}"
        for command, folder in commands
        if subprocess.run(command, cwd=folder, check=False).returncode
    ]


def main() -> None:
    """Exit 1 if a licence will not do, or a weakness is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offline", action="store_true", help="ask nobody for known weaknesses")
    parser.add_argument("--sbom", type=Path, help="write the list of what runs in production here")
    arguments = parser.parse_args()
    packages = locked()
    licences = {it.name: licence(it.name) for it in packages if installed(it.name)}
    for name, text in sorted(licences.items()):
        print(f"{name}: {text}")
    if arguments.sbom is not None:
        arguments.sbom.write_text(json.dumps(sbom(packages, licences), indent=1) + "\n")
    problems = list(refused(licences))
    if arguments.offline:
        print("OFFLINE: nobody was asked for known weaknesses.")
    else:
        problems += advisories()
    if problems:
        sys.exit("audit: " + "; ".join(problems))


def installed(name: str) -> bool:
    """Tell whether a package is there: a lock also names those of other systems."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
