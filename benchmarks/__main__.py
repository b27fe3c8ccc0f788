"""`python -m benchmarks [--quick] [TOPIC...]`: all topics, or those named.

A full run writes its page to docs/benchmarks; a quick one, which is for the eye, prints it.
"""

import argparse
from importlib import import_module

from benchmarks.report import DOCS, Page

TOPICS = ("write", "sqlite", "end_to_end", "reads")
"""Modules of this package, each with `run(quick)`."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("topics", nargs="*", choices=[[], *TOPICS], metavar="TOPIC", help=", ".join(TOPICS))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    options = parser.parse_args()
    for topic in options.topics or TOPICS:
        page: Page = import_module(f"benchmarks.{topic}").run(quick=options.quick)
        if options.quick:
            print(page.text())
        else:
            DOCS.mkdir(parents=True, exist_ok=True)
            (DOCS / f"{topic}.md").write_text(page.text())


if __name__ == "__main__":
    main()
