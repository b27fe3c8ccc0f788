"""`python -m benchmarks [--quick] [TOPIC...]`: all topics, or those named.

A full run writes its page to docs/benchmarks; a quick one, which is for the eye, prints it.
"""

import argparse
import subprocess
import sys
from importlib import import_module

from benchmarks.report import DOCS, Page

TOPICS = (
    "write",
    "sqlite",
    "end_to_end",
    "memory",
    "reads",
    "position",
    "search",
    "reactions",
    "processes",
    "overload",
    "start",
)
"""Modules and packages of this package, each with `run(quick)`."""
PROGRAMS = {"transport": ("--quick", "--write")}
"""Packages of this package that are programs of their own, with what makes them quick, and full."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    every = (*TOPICS, *PROGRAMS)
    parser.add_argument("topics", nargs="*", choices=[[], *every], metavar="TOPIC", help=", ".join(every))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    options = parser.parse_args()
    for topic in options.topics or every:
        if topic in PROGRAMS:
            option = PROGRAMS[topic][0 if options.quick else 1]
            subprocess.run([sys.executable, "-m", f"benchmarks.{topic}", option], check=True)
        else:
            publish(topic, import_module(f"benchmarks.{topic}").run(quick=options.quick), options.quick)


def publish(topic: str, page: Page, quick: bool) -> None:
    """Print a quick run's page; write that of a full one."""
    if quick:
        print(page.text())
    else:
        DOCS.mkdir(parents=True, exist_ok=True)
        (DOCS / f"{topic}.md").write_text(page.text())


if __name__ == "__main__":
    main()
