"""The newest database servers beside the system's own, without installing them: Debian unstable's packages,
unpacked into a folder of the user's cache, to be run with their own C library. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from scripts.npm import run
from tests.services.programs import Unpacked

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LIBRARIES = ("libc6", "libgcc-s1", "libstdc++6")
"""What nothing depends on by name, since it is there always."""


def unpack(programs: list[Unpacked]) -> None:
    """Fetch what is not there yet; what fails is found missing afterwards."""
    wanted = [program for program in programs if not program.find()]
    mirror = debian_mirror() if wanted else None
    if mirror is None:
        return
    wanted[0].root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wanted[0].root.parent) as name:
        place = Path(name)
        environment = os.environ | {"APT_CONFIG": str(configure(place, mirror))}
        if not run(["apt-get", "-qq", "update"], env=environment):
            return
        for program in wanted:
            print(f"Unpacking {program.packages} into {program.root}", flush=True)
            fetch(program, place, environment)


def debian_mirror() -> str | None:
    """The mirror that this machine's apt uses for Debian; None if it has none, or is no Debian."""
    if not all(map(shutil.which, ("apt-get", "dpkg-deb"))) or not KEYRING.exists():
        return None
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    listed = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False).stdout
    return next((uri for uri in listed.splitlines() if uri.rstrip("/").endswith("/debian")), None)


def configure(place: Path, mirror: str) -> Path:
    """Write apt's settings for a folder: of its own, and as if nothing were installed."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (place / folder).mkdir(parents=True)
    (place / "status").touch()
    (place / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} unstable main\n")
    settings = {
        "Dir::Etc::sourcelist": place / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": place / "state",
        "Dir::State::status": place / "status",
        "Dir::Cache": place / "cache",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
    }
    written = place / "apt.conf"
    written.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    return written


def fetch(program: Unpacked, place: Path, environment: dict[str, str]) -> None:
    """Download a program with all that it needs, and unpack it as a whole or not at all."""
    packages = [*program.packages.split(), *LIBRARIES]
    if not run(["apt-get", "-qq", "-y", "--download-only", "install", *packages], env=environment):
        return
    root = place / "root"
    for package in sorted((place / "cache" / "archives").glob("*.deb")):
        if subprocess.run(["dpkg-deb", "-x", package, root], check=False).returncode:
            return
        package.unlink()
    shutil.rmtree(program.root, ignore_errors=True)
    root.rename(program.root)
