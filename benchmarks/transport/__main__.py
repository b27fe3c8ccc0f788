"""What the transport costs: stock python-socketio, Node, the engine and the floor, side by side in one run.

    python -m benchmarks.transport [--quick] [--write]

Measures the processor time of the server process; the load client (load.c, compiled here with cc) reports its own,
and must stay below the server's. Ratios are what counts: absolute times drift with the machine. `--write` puts the
result into docs/benchmarks/transport.md. Needs cc, and node with `npm ci` done in this folder.
"""

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/benchmarks/transport.md"
SERVERS = ("stock", "node", "engine", "floor")
KIB = 1024


class Server:
    """A server process and a load client connected to it."""

    def __init__(self, kind: str, programs: Path, ping_interval: float = 25.0) -> None:
        command = {
            "node": ["node", str(HERE / "server.js"), str(int(ping_interval * 1000))],
            "floor": [str(programs / "floor")],
        }.get(kind, [sys.executable, "-m", "benchmarks.transport.server", kind, str(ping_interval)])
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        port = self.process.stdout.readline().strip()
        self._load = subprocess.Popen(
            [str(programs / "load"), port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._clock = (~self.process.pid << 3) | 2  # the process's CPU clock: see clock_getcpuclockid(3)
        self.client_us = 0.0

    def tell(self, command: str) -> int:
        """Have the load client do something; return how many connections are ready."""
        assert self._load.stdin is not None
        assert self._load.stdout is not None
        self._load.stdin.write(f"{command}\n")
        self._load.stdin.flush()
        answer = self._load.stdout.readline().split()
        if not answer:
            raise RuntimeError(f"the load client failed at {command!r}")
        self.client_us = float(answer[2])
        return int(answer[1])

    def cost(self, command: str) -> float:
        """Return the server's processor time for a command, in microseconds."""
        before = time.clock_gettime(self._clock)
        self.tell(command)
        return (time.clock_gettime(self._clock) - before) * 1e6

    def memory(self) -> int:
        """Return the server's resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * KIB

    def close(self) -> None:
        for process in (self._load, self.process):
            process.kill()
            process.communicate()


@dataclass
class Row:
    """One line of the table: what was measured for each server."""

    name: str
    unit: str
    target: str
    values: dict[str, float] = field(default_factory=dict)


Measure = Callable[[Server], float]


def repeated(setup: str, command: str, per: int, rounds: int) -> Measure:
    """Measure a command's cost per operation: the median of some rounds, after one for warmth."""

    def measure(server: Server) -> float:
        server.tell(setup)
        costs = [server.cost(command) / per for _ in range(rounds + 1)]
        return statistics.median(costs[1:])

    return measure


def connecting(count: int) -> Measure:
    def measure(server: Server) -> float:
        costs = []
        for _ in range(4):
            costs.append(server.cost(f"connect {count} {count}") / count)
            server.tell("close")
            server.tell("idle 500")
        return statistics.median(costs[1:])

    return measure


def memory(count: int) -> Measure:
    def measure(server: Server) -> float:
        server.tell("connect 100 100")
        server.tell("close")
        server.tell("idle 500")
        before = server.memory()
        server.tell(f"connect {count} {count}")
        server.tell("idle 1000")
        return (server.memory() - before) / count / KIB

    return measure


def heartbeat(count: int, interval: float) -> Measure:
    def measure(server: Server) -> float:
        server.tell(f"connect {count} {count}")
        server.tell(f"idle {int(interval * 1000)}")
        return server.cost(f"idle {int(interval * 2000)}") / count / 2

    return measure


def stalling(events: int) -> Measure:
    def measure(server: Server) -> float:
        server.tell("connect 10 1")
        server.tell("room 100 1")
        before = server.memory()
        server.tell(f"stall {events}")
        return (server.memory() - before) / KIB / KIB

    return measure


@contextmanager
def programs() -> Iterator[Path]:
    """Compile the load client and the floor."""
    with tempfile.TemporaryDirectory() as directory:
        for name in ("load", "floor"):
            source, program = str(HERE / f"{name}.c"), str(Path(directory) / name)
            subprocess.run(["cc", "-O2", "-o", program, source], check=True)
        yield Path(directory)


def plan(*, quick: bool) -> list[tuple[Row, Measure, dict[str, float], tuple[str, ...]]]:
    """Return what to measure: the row, how, the servers' options, and which servers take part."""
    rounds, k = (3, 1) if quick else (5, 4)
    speak = SERVERS
    real = ("stock", "node", "engine")
    slow = {"ping_interval": 3.0}
    rows: list[tuple[Row, Measure, dict[str, float], tuple[str, ...]]] = []
    for size, target in ((500, "0.6 of Node, 1.6 of the floor"), (50, "0.6 of Node")):
        for window in (1, 8):
            events = k * 20_000 // size
            row = Row(f"room of {size}, {window} under way", "µs per delivery", target)
            measure = repeated(f"connect {size} 1", f"room {events} {window}", events * size, rounds)
            rows.append((row, measure, {}, speak))
    row = Row("pair: receive, ack, deliver", "µs per operation", "0.6 of Node")
    rows.append((row, repeated("connect 200 100", f"pairs {k * 2000} 32", k * 2000, rounds), {}, speak))
    row = Row("connect, with CONNECT and a join", "µs per connection", "0.5 of Node")
    rows.append((row, connecting(500), {}, real))
    row = Row("memory, 2,000 idle connections", "KiB per connection", "8 KiB")
    rows.append((row, memory(2000), {}, real))
    if not quick:
        row = Row("memory, 10,000 idle connections", "KiB per connection", "8 KiB")
        rows.append((row, memory(10_000), {}, ("node", "engine")))
    row = Row("heartbeat of an idle connection", "µs per ping and pong", "0.3 of Node")
    rows.append((row, heartbeat(1000 if quick else 2000, 3.0), slow, real))
    row = Row("a client that reads nothing, sent 30 MB", "MiB more memory", "1 MiB")
    rows.append((row, stalling(30_000), {}, real))
    return rows


def markdown(rows: list[Row]) -> str:
    """Return the page."""
    lines = [
        "# What the transport costs",
        "",
        "Written by `python -m benchmarks.transport --write`; the ratios count, absolute times drift with the machine.",
        f"Processor time of the server process on {platform.python_implementation()} {platform.python_version()},",
        f"{platform.machine()}, over loopback, all in one run: python-socketio as it comes (*stock*), Node's socket.io",
        "4 with `ws`, the engine on its fast path, and the floor: a C loop of `read()` and `send()` that parses nothing.",
        "",
        "| | unit | stock | Node | engine | floor | engine / Node | engine / floor | aim |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        cells = [f"{row.values[kind]:.1f}" if kind in row.values else "" for kind in SERVERS]
        for base in ("node", "floor"):
            value = row.values.get(base, 0)
            cells.append(f"{row.values['engine'] / value:.2f}" if value > 0.5 else "")
        lines.append(f"| {row.name} | {row.unit} | {' | '.join(cells)} | {row.target} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--servers", default=",".join(SERVERS))
    options = parser.parse_args()
    rows: list[Row] = []
    with programs() as built:
        for row, measure, settings, kinds in plan(quick=options.quick):
            if options.only not in row.name:
                continue
            for kind in kinds:
                if kind not in options.servers.split(","):
                    continue
                server = Server(kind, built, **settings)
                try:
                    row.values[kind] = measure(server)
                finally:
                    server.close()
                print(f"{row.name}: {kind} {row.values[kind]:.1f} {row.unit}", flush=True)
            rows.append(row)
    if options.write:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(markdown(rows))
    else:
        print(markdown(rows))


if __name__ == "__main__":
    main()
