"""Install what tests need and Python's locks do not bring: `services.py test|all|bench`, inside .venv.

MariaDB, Redis, Chromium, Java and a C compiler come from Debian's packages, if this is Debian and root; MySQL
and the newest MariaDB are unpacked from Debian unstable's, if this is Debian; Node comes from a wheel, if
there is none; the official clients from npm, as locked, and from Maven Central. Does nothing if all is there.
What is missing in the end fails with CI=true; else the tests that need it are skipped and say so.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from scripts import web
from scripts.npm import ROOT, find_npm, run
from scripts.unpack import unpack
from tests.services import programs
from tests.services.programs import Program, Unpacked

CLIENT = ROOT / "tests" / "js"
PEERS = (ROOT / "benchmarks" / "js", ROOT / "benchmarks" / "transport")
JAVA = ROOT / "tests" / "java"

SERVERS = (programs.MARIADB, programs.MARIADB_SETUP, programs.REDIS)
LEVELS: dict[str, tuple[Program, ...]] = {
    "test": (*SERVERS, programs.MYSQL),
    "all": (
        *SERVERS,
        programs.MYSQL,
        programs.MYSQL_CLIENTS,
        programs.MARIADB_NEWEST,
        programs.MARIADB_CLIENTS,
        programs.MARIADB_BACKUP,
        programs.CHROMIUM,
        programs.JAVA,
        programs.MAVEN,
        programs.CC,
        programs.NGINX,
        programs.HAPROXY,
        programs.OPENSSL,
        programs.PROMETHEUS,
    ),
    "bench": (*SERVERS, programs.CC),
}


def main() -> None:
    """Install what the level named on the command line needs."""
    if len(sys.argv) != 2 or sys.argv[1] not in LEVELS:
        sys.exit(f"usage: services.py {'|'.join(LEVELS)}")
    needed = [program for program in LEVELS[sys.argv[1]] if _has_tests(program)]
    unpack([program for program in needed if isinstance(program, Unpacked)])
    missing = [it.packages for it in needed if not isinstance(it, Unpacked) and not it.find()]
    install_debian(sorted(set(" ".join(missing).split())))
    problems = [f"{program.name} (Debian: {program.packages})" for program in needed if not program.find()]
    for folder in PEERS if sys.argv[1] == "bench" else (CLIENT,):
        problems += install_javascript(folder)
    if programs.MAVEN in needed:
        problems += install_java_client()
    if programs.CHROMIUM in needed:
        problems += web.install()
    if problems:
        print(
            "\n".join(["", "=" * 70, "MISSING; the tests that need it do not run:", *problems, "=" * 70, ""])
        )
        if os.environ.get("CI") == "true":
            sys.exit(1)


def _has_tests(program: Program) -> bool:
    return any((ROOT / folder).exists() for folder in program.tests)


def install_debian(packages: list[str]) -> None:
    """Install Debian packages, if this is Debian and root; what fails is found missing afterwards."""
    apt = shutil.which("apt-get")
    if not packages or not apt or os.geteuid() != 0:
        return
    print(f"Installing {', '.join(packages)}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    options = ["-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"]
    for arguments in (["update", "-qq"], ["install", *options, *packages]):
        run([apt, *arguments], env=environment)


def install_javascript(folder: Path) -> list[str]:
    """Install what a folder locks, with Node from a wheel if there is none; return what went wrong."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".gochat-stamp"
    if programs.NODE.find() and stamp.exists() and stamp.read_text() == lock:
        return []
    npm = find_npm()
    if npm is None:
        return ["Node with npm (Debian: nodejs, npm)"]
    if not run([*npm, "ci", "--silent"], cwd=folder):
        return [f"socket.io from npm (npm ci in {folder.relative_to(ROOT)})"]
    stamp.write_text(lock)
    return []


def install_java_client() -> list[str]:
    """Compile tests/java, with what its pom.xml names; return what went wrong. No network once it has all."""
    sources = [JAVA / "pom.xml", *sorted((JAVA / "src").rglob("*.java"))]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    stamp = JAVA / "target" / "gochat-stamp"
    if stamp.exists() and stamp.read_text() == digest:
        return []
    maven = programs.MAVEN.find()
    if maven is None or not run([str(maven), "-q", "-B", "-ntp", "clean", "compile"], cwd=JAVA):
        return ["the official Java client (mvn compile in tests/java)"]
    stamp.write_text(digest)
    return []


if __name__ == "__main__":
    main()
