"""Compile the inner modules of the engine with mypyc: the same source, for less processor time. Never needed.

    python scripts/compile.py DIRECTORY

Puts a copy of the tree into DIRECTORY, which is emptied first, and compiles there; the tree itself (`.`) is
compiled in place, which is for images only: what is compiled follows its source no more. Needs a C compiler.
Source: https://mypyc.readthedocs.io, "Using mypyc in a setup script".
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENGINE = "gochat/events/engine"
AS_THEY_ARE = {"__init__", "asgi", "asgi_websocket", "manager", "protocol", "server", "uring"}
"""Those whose classes are other libraries', and those that mostly wait."""
NOT_COPIED = (".*", "__pycache__", "build", "dist", "node_modules", "target", "*.so")


def copy(target: Path) -> None:
    """Copy the tree, without what was made in it."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*NOT_COPIED))
    for made in ROOT.glob("*/*/node_modules"):
        (target / made.relative_to(ROOT)).symlink_to(made)


def build(made: str) -> None:
    """Compile in the tree that is the working directory; what is made on the way goes into `made`."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    modules = sorted(path for path in Path(ENGINE).glob("*.py") if path.stem not in AS_THEY_ARE)
    options = ["--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={made}"]
    extensions = mypycify(
        [*options, *map(str, modules)],
        opt_level="3",
        debug_level="0",
        target_dir=made,
        group_name="gochat_engine",
    )
    command = build_ext(Distribution({"name": "gochat", "ext_modules": extensions}))
    command.inplace = True
    command.build_temp = command.build_lib = made
    command.ensure_finalized()
    command.run()


def main() -> None:
    """Copy, compile, and see that what was compiled is what is imported."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Path(sys.argv[1]).resolve()
    if target != ROOT:
        copy(target)
    os.chdir(target)
    with tempfile.TemporaryDirectory(prefix="gochat-") as made:
        build(made)
    check = "import gochat.events.engine as engine; assert engine.COMPILED, engine.__file__"
    subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": str(target)}, check=True)


if __name__ == "__main__":
    main()
