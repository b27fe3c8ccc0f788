"""What the transport costs: other servers, the engine and the floor, side by side in one run.

    python -m benchmarks.transport [--quick] [--write]

Measures the processor time of the server process. The ratios count: absolute times drift with the machine.
`--write` puts the result into docs/benchmarks/transport.md. Needs cc, for the load clients (load.c on
websockets, polling.c) and the floor, and node with `npm ci` done in this folder. Rust's server is built where
there is cargo. uWebSockets.js, which is in no registry, takes part where it was put beside Node's server:

    npm install --no-save uWebSockets.js@npm:@btc-vision/uwebsockets.js@20.57.0
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import resident
from tests.services import programs as services

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs/benchmarks/transport.md"
SERVERS = ("stock", "node", "uws", "rust", "engine", "compiled", "io_uring", "floor")
KIB = 1024


class Server:
    """A server process and a load client connected to it."""

    def __init__(self, kind: str, programs: Path, client: str, ping_interval: float) -> None:
        name = "engine" if kind == "compiled" else kind
        node = [shutil.which("node") or "node", str(HERE / "server.js"), str(int(ping_interval * 1000))]
        command = {
            "node": node,
            "uws": [*newest_c_library(), *node, "uws"],
            "rust": [str(programs / "rust"), str(ping_interval)],
            "floor": [str(programs / "floor"), str(ping_interval)],
        }.get(kind, [sys.executable, "-m", "benchmarks.transport.server", name, str(ping_interval)])
        tree = programs / "compiled" if kind == "compiled" else ROOT
        environment = os.environ | {"PYTHONPATH": str(tree)}
        self.process = subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        port = self.process.stdout.readline().strip()
        self._load = subprocess.Popen(
            [str(programs / client), port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._clock = (~self.process.pid << 3) | 2  # the process's CPU clock: see clock_getcpuclockid(3)
        self.busiest = 0.0

    def tell(self, command: str) -> int:
        """Have the load client do something; return how many connections are ready."""
        assert self._load.stdin is not None
        assert self._load.stdout is not None
        self._load.stdin.write(f"{command}\n")
        self._load.stdin.flush()
        answer = self._load.stdout.readline().split()
        if not answer:
            raise RuntimeError(f"the load client failed at {command!r}")
        self._client_us = float(answer[2])
        return int(answer[1])

    def cost(self, command: str) -> float:
        """Return the server's processor time for a command, in microseconds."""
        before, began = time.clock_gettime(self._clock), time.monotonic()
        self.tell(command)
        self.busiest = max(self.busiest, self._client_us / 1e6 / (time.monotonic() - began))
        return (time.clock_gettime(self._clock) - before) * 1e6

    def memory(self) -> int:
        """Return the server's resident memory in bytes."""
        return resident(self.process.pid) * KIB

    def close(self) -> None:
        for process in (self._load, self.process):
            process.kill()
            process.communicate()


Sample = Callable[[Server], float]


@dataclass
class Row:
    """One line of the table: what is measured, how, on which servers; and what came out, the median."""

    name: str
    unit: str
    target: str
    setup: str
    sample: Sample
    rounds: int = 1
    kinds: tuple[str, ...] = SERVERS
    ping_interval: float = 25.0
    client: str = "load"
    values: dict[str, float] = field(default_factory=dict)

    def ratio(self, kind: str, base: str) -> str:
        """Return one value over another, or nothing where there is no such thing."""
        if kind not in self.values or self.values.get(base, 0) < 0.5:
            return ""
        return f"{self.values[kind] / self.values[base]:.2f}"


def cost(command: str, per: int) -> Sample:
    """Sample the processor time of a command, per operation."""
    return lambda server: server.cost(command) / per


def connecting(count: int) -> Sample:
    def sample(server: Server) -> float:
        spent = server.cost(f"connect {count} {count}") / count
        server.tell("close")
        server.tell("idle 500")
        return spent

    return sample


def memory(count: int) -> Sample:
    def sample(server: Server) -> float:
        server.tell("close")
        server.tell("idle 500")
        before = server.memory()
        server.tell(f"connect {count} {count}")
        server.tell("idle 1000")
        return (server.memory() - before) / count / KIB

    return sample


def heartbeat(count: int, interval: float) -> Sample:
    """Sample two pings and pongs of every connection."""

    def sample(server: Server) -> float:
        spent = server.cost(f"idle {int(interval * 2000)}") / count / 2
        if server.tell("idle 0") != count:
            raise RuntimeError("connections were lost")
        return spent

    return sample


def stalling(events: int) -> Sample:
    def sample(server: Server) -> float:
        server.tell("room 100 1")
        before = server.memory()
        server.tell(f"stall {events}")
        return (server.memory() - before) / KIB / KIB

    return sample


def newest_c_library() -> list[str]:
    """What uWebSockets.js is run with on an older Debian: the C library beside the newest MySQL."""
    if not services.MYSQL.find():
        return []
    loader, *_ = services.MYSQL.command()
    return [loader, "--library-path", f"{Path(loader).parent}:/usr/lib/{platform.machine()}-linux-gnu"]


def available() -> list[str]:
    """The servers that can be run here."""
    missing = set()
    if not (HERE / "node_modules" / "uWebSockets.js").exists():
        missing.add("uws")
    if not shutil.which("cargo"):
        missing.add("rust")
    return [kind for kind in SERVERS if kind not in missing]


@contextmanager
def programs(wanted: list[str]) -> Iterator[Path]:
    """Compile the load clients, the floor, and what is wanted of the others."""
    with tempfile.TemporaryDirectory() as directory:
        for name in ("load", "polling", "floor"):
            source, program = str(HERE / f"{name}.c"), str(Path(directory) / name)
            subprocess.run(["cc", "-O2", "-o", program, source], check=True)
        if "rust" in wanted:
            # What was built is kept, and built again only after a change.
            build = ["cargo", "build", "--quiet", "--release"]
            subprocess.run(build, cwd=HERE / "rust", check=True)
            built = HERE / "rust" / "target" / "release" / "gochat-benchmarks"
            (Path(directory) / "rust").symlink_to(built)
        if "compiled" in wanted:
            script = [sys.executable, str(ROOT / "scripts/compile.py"), str(Path(directory) / "compiled")]
            subprocess.run(script, stdout=subprocess.DEVNULL, check=True)
        yield Path(directory)


def plan(*, quick: bool) -> Iterator[Row]:
    """Yield what to measure."""
    rounds, k = (3, 1) if quick else (7, 3)
    real = ("stock", "node", "uws", "rust", "engine", "compiled")
    for size, target in ((500, "0.6 of Node, 1.6 of the floor"), (50, "0.6 of Node")):
        for window in (1, 8):
            events = k * 20_000 // size
            sample = cost(f"room {events} {window}", events * size)
            name = f"room of {size}, {window} under way"
            yield Row(name, "µs per delivery", target, f"connect {size} 1", sample, rounds)
    pairs = cost(f"pairs {k * 2000} 32", k * 2000)
    name = "pair: receive, ack, deliver"
    yield Row(name, "µs per operation", "0.5 of Node; compiled 1.0 of Rust", "connect 200 100", pairs, rounds)
    yield from polling(k, rounds, real)
    name = "connect, with CONNECT and a join"
    yield Row(
        name, "µs per connection", "0.5 of Node; compiled 2.0 of Rust", "idle 0", connecting(500), 4, real
    )
    name, unit = "memory of idle connections", "KiB per connection"
    yield Row(f"{name}, 2,000", unit, "8 KiB", "connect 100 100", memory(2000), 1, real)
    if not quick:
        many, kinds = f"{name}, 10,000", real[1:]
        yield Row(many, unit, "8 KiB", "connect 100 100", memory(10_000), 1, kinds)
    count = 1000 if quick else 2000
    beat, name = heartbeat(count, 3.0), "heartbeat of an idle connection"
    unit, setup = "µs per ping and pong", f"connect {count} {count}"
    yield Row(name, unit, "0.25 of Node", setup, beat, 4, (*real, "floor"), 3.0)
    name = "a client that reads nothing, sent 30 MB"
    yield Row(name, "MiB more memory", "1 MiB", "connect 10 1", stalling(30_000), 1, real)


def polling(k: int, rounds: int, kinds: tuple[str, ...]) -> Iterator[Row]:
    """Yield what to measure on HTTP long-polling: in a room, every delivery answers a poll that waits."""
    pairs, unit = cost(f"pairs {k * 1000} 32", k * 1000), "µs per operation"
    name, setup, aim = "polling pair: receive, ack, deliver", "connect 200 100", "1.0 of Node"
    yield Row(name, unit, aim, setup, pairs, rounds, kinds, client="polling")
    deliveries, unit = cost(f"room {k * 60} 1", k * 60 * 50), "µs per delivery"
    name, setup = "polling room of 50, 1 under way", "connect 50 1"
    yield Row(name, unit, aim, setup, deliveries, rounds, kinds, client="polling")


def measure(row: Row, programs: Path, wanted: list[str]) -> float:
    """Fill in a row, the servers taking turns; return the load client's largest share of a core."""
    kinds = [kind for kind in row.kinds if kind in wanted]
    # Pings go on while another server has its turn, and nobody would answer: there, each server runs alone.
    if row.ping_interval != Row.ping_interval:
        return max(_take_turns(row, programs, [kind]) for kind in kinds)
    return _take_turns(row, programs, kinds)


def _take_turns(row: Row, programs: Path, kinds: list[str]) -> float:
    servers = {kind: Server(kind, programs, row.client, row.ping_interval) for kind in kinds}
    samples: dict[str, list[float]] = {kind: [] for kind in servers}
    try:
        for server in servers.values():
            server.tell(row.setup)
        for number in range(row.rounds + (row.rounds > 1)):
            for kind, server in servers.items():
                taken = row.sample(server)
                if number or row.rounds == 1:  # the first of several is for warmth
                    samples[kind].append(taken)
        row.values |= {kind: statistics.median(taken) for kind, taken in samples.items()}
        return max(server.busiest for server in servers.values())
    finally:
        for server in servers.values():
            server.close()


def markdown(rows: list[Row], busiest: float) -> str:
    """Return the page."""
    lines = [
        "# What the transport costs",
        "",
        "Written by `python -m benchmarks.transport --write`. Processor time of the server process over",
        f"loopback, all in one run, on {platform.python_implementation()} {platform.python_version()}",
        f"and {platform.machine()}: python-socketio as it comes (*stock*), Node's socket.io 4 with `ws` and",
        "on uWebSockets.js (*uWS*), Rust's socketioxide 0.18 on one thread, the engine on its fast path, as",
        "it is, *compiled* by `scripts/compile.py`, and with its option *io_uring* (Linux); and the floor, a",
        "C loop of `read()` and `send()` that parses nothing. The ratios count, which are the uncompiled",
        "engine's where they do not say so; absolute times drift with the machine. The load client used at",
        f"most {busiest:.0%} of a core.",
        "",
        "| | unit | stock | Node | uWS | Rust | engine | compiled | io_uring | floor | / stock | / Node "
        "| / uWS | / Rust | / floor | compiled / Node | compiled / uWS | compiled / Rust "
        "| compiled / floor | aim |",
        "|---|---|" + "---:|" * 17 + "---|",
    ]
    for row in rows:
        cells = [f"{row.values[kind]:.1f}" if kind in row.values else "" for kind in SERVERS]
        cells += [row.ratio("engine", base) for base in ("stock", "node", "uws", "rust", "floor")]
        cells += [row.ratio("compiled", base) for base in ("node", "uws", "rust", "floor")]
        lines.append(f"| {row.name} | {row.unit} | {' | '.join(cells)} | {row.target} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--servers", default=",".join(available()))
    options = parser.parse_args()
    rows: list[Row] = []
    busiest = 0.0
    wanted = options.servers.split(",")
    with programs(wanted) as built:
        for row in plan(quick=options.quick):
            if options.only in row.name:
                busiest = max(busiest, measure(row, built, wanted))
                print(row.name, {kind: round(value, 1) for kind, value in row.values.items()}, flush=True)
                rows.append(row)
    if options.write:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(markdown(rows, busiest))
    else:
        print(markdown(rows, busiest))


if __name__ == "__main__":
    main()
