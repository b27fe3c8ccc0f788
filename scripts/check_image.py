"""Check the Dockerfile without Docker: run the same steps in a clean folder, and start what they made.

    python scripts/check_image.py

The files that .dockerignore lets through are copied, each RUN of the build stage is run as it stands (but
for what installs Debian's packages), and the server is started as the image would start it: another folder
as its own, no development's tools, nothing but the image's settings. Needs a C compiler and Python 3.11 or
newer.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECRET = "for-this-check-only-0123456789-abcdefghij"
READY_S = 60.0


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Return the instructions of a Dockerfile and their arguments, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.isupper():
            yield word, rest


def context(into: Path) -> None:
    """Copy what .dockerignore lets through, as `docker build` sees it."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and line[0] != "#"]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in tracked.split():
        taken = True
        for rule in rules:
            pattern = rule.lstrip("!").rstrip("/")
            inside = name.startswith(f"{pattern}/")
            if inside or pattern in {"*", name} or fnmatch.fnmatch(name, pattern):
                taken = rule.startswith("!")
        if taken and (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, into / name)


def build(source: Path, work: Path) -> dict[str, str]:
    """Run the build stage; return the environment of the final one."""
    stages = 0
    kept = ("PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    # The system's certificates, where there are any, may hold that of a proxy; uv's own do not.
    if ssl.get_default_verify_paths().cafile:
        environment["UV_SYSTEM_CERTS"] = "true"
    final: dict[str, str] = {}
    for word, rest in instructions((ROOT / "Dockerfile").read_text()):
        stages += word == "FROM"
        if word in {"ENV", "ARG"}:  # arguments as they are without another one
            given = dict(part.split("=", 1) for part in rest.split())
            (final if stages > 1 else environment).update(given)
        elif stages == 1 and word == "COPY":
            *names, target = rest.split()
            for name in names:
                there = work / target / (Path(name).name if target == "./" else "")
                if (source / name).is_dir():
                    shutil.copytree(source / name, work / target, dirs_exist_ok=True)
                else:
                    shutil.copy(source / name, there)
        elif stages == 1 and word == "RUN" and "apt-get" not in rest:
            command = rest.replace("/usr/local/bin/python", sys.executable)
            if not (work / "tools").exists():
                subprocess.run([sys.executable, "-m", "venv", str(work / "tools")], check=True)
            path = f"{work / 'tools' / 'bin'}:{environment['PATH']}"
            done = subprocess.run(
                ["sh", "-ec", command], cwd=work, env=environment | {"PATH": path}, check=False
            )
            if done.returncode:
                sys.exit(f"check_image: this step of the Dockerfile failed: {rest}")
    return final


def serve(work: Path, final: dict[str, str], data: Path) -> None:
    """Start it as the image does, ask whether it is ready, and stop it. Exits 1 if one of them fails."""
    port = free_port()
    bin_ = work / ".venv" / "bin"
    settings = {name: value for name, value in final.items() if name != "PATH"}
    environment = settings | {"PATH": f"{bin_}:/usr/bin:/bin", "HOST": "127.0.0.1", "PORT": str(port)}
    environment |= {
        "JWT_SECRET": SECRET,
        "SQLITE_PATH": str(data / "gochat.db"),
        "RUN_DIR": str(data / "run"),
    }
    process = subprocess.Popen(
        ["gochat", "serve"],
        cwd=data,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        executable=bin_ / "gochat",
    )
    deadline = time.monotonic() + READY_S
    while not is_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            sys.exit(f"check_image: it does not serve:\n{process.communicate()[1][-4000:]}")
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=60)[1]
    started = [json.loads(line) for line in log.splitlines() if '"started"' in line]
    if process.returncode != 0 or not started or not started[0]["compiled"]:
        sys.exit(f"check_image: status {process.returncode}, or the engine is not compiled:\n{log[-4000:]}")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def is_ready(port: int) -> bool:
    """Tell whether the server answers that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def main() -> None:
    """Build in a clean folder, then serve from it."""
    with tempfile.TemporaryDirectory(prefix="gochat-image-") as folder:
        source, work, data = (Path(folder) / name for name in ("context", "srv", "data"))
        for path in (source, work, data):
            path.mkdir()
        context(source)
        final = build(source, work)
        tools = [
            name for name in ("mypy", "pytest", "node", "pip") if (work / ".venv" / "bin" / name).exists()
        ]
        if tools:
            sys.exit(f"check_image: {', '.join(tools)} would be in the image")
        serve(work, final, data)
        size = sum(
            path.stat().st_size for path in work.rglob("*") if path.is_file() and "tools" not in path.parts
        )
        print(f"The image's steps work; /srv/gochat has {size >> 20} MiB, with the engine compiled.")


if __name__ == "__main__":
    main()
