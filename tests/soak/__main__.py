"""The command line: `python -m tests.soak`, or `make soak`."""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.soak.cluster import DATABASES
from tests.soak.faults import FAULTS
from tests.soak.planted import FLAWS
from tests.soak.run import Plan, Report, run


def main() -> None:
    """Exit status 1 if a promise was broken; with `--plant`, if a flaw was not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seed", type=int, nargs="+", default=[random.randrange(1 << 32)])
    parser.add_argument("--messages", type=int, default=2_000, help="of each seed")
    parser.add_argument("--faults", default="20", help="of each seed: how many, or kinds by commas")
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--pace", type=float, default=8.0, help="actions a second of each user")
    parser.add_argument("--database", choices=DATABASES, default="mariadb")
    parser.add_argument("--plant", metavar="FLAW", help=f"`all`, or some of: {', '.join(FLAWS)}")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no server outlives it
    if arguments.plant:
        flaws = list(FLAWS) if arguments.plant == "all" else arguments.plant.split(",")
        found = [_is_found(flaw, arguments.seed[0]) for flaw in flaws]
        sys.exit(not all(found))
    reports = []
    for seed in arguments.seed:
        kinds = choose(arguments.faults, seed)
        plan = Plan(
            seed,
            arguments.messages,
            kinds,
            arguments.users,
            servers=arguments.servers,
            pace=arguments.pace,
            database=arguments.database,
        )
        reports.append(carry_out(plan))
    _sum_up(reports)
    sys.exit(any(report.violations for report in reports))


def choose(faults: str, seed: int) -> Sequence[str]:
    """Kinds by name as they are; of a number each kind about as often, in random order."""
    if not faults.isdigit():
        return [kind for kind in faults.split(",") if kind]
    rng = random.Random(seed)
    kinds: list[str] = []
    while len(kinds) < int(faults):
        kinds += rng.sample(list(FAULTS), len(FAULTS))
    return kinds[: int(faults)]


def carry_out(plan: Plan) -> Report:
    """Run a plan and print what came of it."""
    again = f"--seed {plan.seed} --messages {plan.messages} --faults {','.join(plan.faults)}"
    print(f"\npython -m tests.soak --database {plan.database} {again}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        return asyncio.run(run(plan, Path(directory), lambda text: print(text, flush=True)))


def _is_found(name: str, seed: int) -> bool:
    """Whether a run with the flaw, under the faults that bring it out, breaks a promise that it is to break.

    A run that does not come to its end tells nothing of the checker.
    """
    flaw = FLAWS[name]
    try:
        report = carry_out(Plan(seed, flaw.messages, flaw.faults, servers=2, flaw=name))
    except Exception:
        traceback.print_exc()
        print(f"{name}: NOT FOUND, its run failed", flush=True)
        return False
    broken = {kind: len(texts) for kind, texts in report.violations.items()}
    found = not broken.keys().isdisjoint(flaw.breaks)
    print(f"{name}: {'found' if found else 'NOT FOUND'}: {broken}, {report.seconds:.0f} s", flush=True)
    return found


def _sum_up(reports: Sequence[Report]) -> None:
    print()
    for report in reports:
        print(
            f"seed {report.plan.seed}: {report.journal.acked} messages, {report.injected.total()} faults of"
            f" {len(report.injected)} kinds, {report.journal.repeats} repeated acks,"
            f" {report.journal.deltas} deltas heard, healed within {median(report.healings or [0]):.1f} s"
            f" (median), {max(report.healings, default=0):.1f} s (longest),"
            f" {report.tracebacks} tracebacks, {report.seconds:.0f} s"
        )
        print(f"  violations: { {kind: len(texts) for kind, texts in report.violations.items()} or 0 }")


if __name__ == "__main__":
    main()
