"""Make .venv hold exactly a lock of requirements/ and this project; do nothing if it does already.

    python3 scripts/bootstrap.py run|test|all

Needs Python 3.11 and its venv module, nothing else: uv is taken from PATH, or fetched by pip, pinned and
checked by hash. Standard library only, and syntax that an old Python can read far enough to be told.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "gochat-stamp"
OLDEST = (3, 11)

# Each is a lock, and holds all of the one before.
LEVELS = ("run", "test", "all")


def find_new_python() -> None:
    """Go on under a newer Python if this one is too old; exit if there is none."""
    if sys.version_info >= OLDEST:
        return
    for minor in (14, 13, 12, 11):
        found = shutil.which("python3.%d" % minor)  # noqa: UP031
        if found:
            os.execv(found, [found, *sys.argv])
    sys.exit("GoChat needs Python 3.11 or newer; this is %s." % sys.version.split()[0])  # noqa: UP031


def lock(name: str) -> Path:
    """Return the path of a lock."""
    return ROOT / "requirements" / f"{name}.txt"


def stamp(level: str) -> str:
    """Return the line that .venv carries when it holds `level`: it changes with anything that goes in."""
    inputs = [ROOT / "pyproject.toml", lock(level), lock("build")]
    parts = [str(ROOT).encode(), *(path.read_bytes() for path in inputs)]
    return f"{level} {hashlib.sha256(b'|'.join(parts)).hexdigest()}\n"


def is_of_this_python() -> bool:
    """Tell whether .venv was made by this version of Python: `make test PYTHON=python3.13` means that one."""
    return PYTHON.exists() and (VENV / "lib" / "python{}.{}".format(*sys.version_info)).is_dir()


def is_ready(level: str) -> bool:
    """Tell whether .venv holds `level` or one above it, as locked today."""
    if not (is_of_this_python() and STAMP.exists()):
        return False
    return STAMP.read_text() in {stamp(name) for name in LEVELS[LEVELS.index(level) :]}


def create_venv(uv: str | None) -> None:
    """Create .venv, with uv if there is one, else with the standard library."""
    shutil.rmtree(VENV, ignore_errors=True)
    if uv:
        run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)])
        return
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit(
            f"This Python has no ensurepip, so it cannot make a virtual environment.\n"
            f"Install it (Debian, Ubuntu: apt-get install python{version}-venv) or put uv on the PATH."
        )
    run([sys.executable, "-m", "venv", str(VENV)])


def find_uv(uv: str | None) -> str:
    """Return a uv to call: the one on PATH, else the pinned one, put into .venv by pip."""
    if uv:
        return uv
    own = VENV / "bin" / "uv"
    if not own.exists():
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--require-hashes", "--no-deps", "-r", str(lock("uv"))])
    return str(own)


def run(command: list[str]) -> None:
    """Run a command in the project's root; exit with its status if it fails."""
    # A virtual environment that happens to be active is not the one that is meant here.
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    # The system's certificates, where there are any, may hold that of a proxy; uv's own do not.
    if ssl.get_default_verify_paths().cafile:
        environment.setdefault("UV_SYSTEM_CERTS", "true")
    done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"failed ({done.returncode}): {' '.join(command)}")


def main() -> None:
    """Bring .venv to the level named on the command line."""
    find_new_python()
    if len(sys.argv) != 2 or sys.argv[1] not in LEVELS:
        sys.exit(f"usage: bootstrap.py {'|'.join(LEVELS)}")
    level = sys.argv[1]
    if is_ready(level):
        return
    print(f"Installing GoChat's locked dependencies ({level}) into .venv", flush=True)
    on_path = shutil.which("uv")
    made_by_a_uv_that_is_gone = not on_path and not any(VENV.glob("lib/*/site-packages/pip"))
    if not is_of_this_python() or made_by_a_uv_that_is_gone:
        create_venv(on_path)
    STAMP.unlink(missing_ok=True)
    uv = find_uv(on_path)
    into = ["--quiet", "--python", str(PYTHON)]
    run([uv, "pip", "sync", *into, "--require-hashes", str(lock(level))])
    constraints = ["--build-constraints", str(lock("build"))]
    run([uv, "pip", "install", *into, "--no-deps", *constraints, "--editable", "."])
    STAMP.write_text(stamp(level))


if __name__ == "__main__":
    main()
