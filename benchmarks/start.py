"""How long a start takes, from nothing to ready: a part of every heal after a kill."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import stage
from benchmarks.end_to_end import SETTINGS
from benchmarks.measure import clock
from benchmarks.report import Page, circumstances, mariadb_version
from gochat.storage.migrate import upgrade
from tests.services.gochat import GoChatServer
from tests.services.redis import Redis

ROOT = Path(__file__).resolve().parent.parent
AIM_S = 1.5
LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
SHOWN = 8


def run(*, quick: bool) -> Page:
    """Measure, and tell."""
    starts = 3 if quick else 15
    page = Page("How long a start takes")
    with ExitStack() as stack:
        server = stack.enter_context(stage.mariadb())
        url = server.create_database()
        upgrade(url)
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="gochat-")))
        redis = stack.enter_context(Redis(directory))
        bin_ = installed(directory / "installed")
        page.say(circumstances(mariadb_version(server)))
        page.say(
            "`gochat serve` with what `requirements/run.txt` has, from its exec until `health/ready` answers"
            f" 200: {starts} starts in a row after a first one, with the schema there. Processor time is that"
            " of the process, user and kernel. The machine's load was"
            f" {os.getloadavg()[0]:.1f} when it began: what else runs makes the first two figures longer."
        )
        rows = []
        for what, settings in (
            ("SQLite", {**SETTINGS, "SQLITE_PATH": str(directory / "start.db"), "REPLICAS": "1"}),
            ("MariaDB and Redis", {**SETTINGS, "MYSQL_URL": url, "REDIS_URL": redis.url}),
        ):
            ours = GoChatServer(directory, settings, (str(bin_ / "gochat"), "serve"))
            begin(ours)
            took = [begin(ours) for _ in range(starts)]
            walls, works = zip(*took, strict=True)
            figures = (statistics.median(walls), min(walls), statistics.median(works))
            rows.append((what, *(f"{it:.2f}" for it in figures), AIM_S))
            print(rows[-1], flush=True)
        page.table(("on", "ready after, s: median", "best", "processor time, s: median", "aim"), rows)
        page.say("The dearest imports, as shares of all (`python -X importtime`, of each package itself):")
        page.table(("of", "%"), [(name, f"{share * 100:.0f}") for name, share in imports(bin_ / "python")])
    return page


def installed(place: Path) -> Path:
    """This project as it is run, beside its development's tools: where its commands are."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, files.stdout.split("\0")):
        if not name.startswith("tests/"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    subprocess.run([sys.executable, "scripts/bootstrap.py", "run"], cwd=place, check=True)
    return place / ".venv" / "bin"


def begin(server: GoChatServer) -> tuple[float, float]:
    """Start it, and stop it: seconds until it was ready, and of processor time."""
    began = time.perf_counter()
    server.start()
    wall, work = time.perf_counter() - began, clock(server.process.pid)()
    server.stop()
    return wall, work


def imports(python: Path) -> list[tuple[str, float]]:
    """The packages that take most of the imports of a server, with their shares."""
    code = "from gochat.cli.serve import leave_out_rich; leave_out_rich(); import gochat.serving"
    command = [str(python), "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    of: Counter[str] = Counter()
    for us, name in LINE.findall(done.stderr):
        of[name.partition(".")[0]] += int(us)
    return [(name, us / of.total()) for name, us in of.most_common(SHOWN)]
