"""The log: bounded, with ids as phones have them."""

import json
import re
import subprocess
import sys
from pathlib import Path

from gochat.contract.ids import id_out
from gochat.logs import Bound

ROOT = Path(__file__).resolve().parents[2]
EVENT = re.compile(r"\blog\.(?:info|warning|error|exception)\(\s*\"([a-z_]+)\"")


def lines(code: str) -> list[dict[str, object]]:
    """What a process of its own logs that runs this: the log is one for a whole process."""
    begin = "import logging, structlog; from gochat.logs import configure; configure('info', 'json')"
    command = [sys.executable, "-c", f"{begin}\n{code}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_storm_is_bounded_and_counted() -> None:
    now = 1.0
    bound = Bound(per_second=2, clock=lambda: now)
    assert [bound.left_out("connected") for _ in range(5)] == [0, 0, None, None, None]
    assert bound.left_out("logged_in") == 0
    now = 2.0
    assert bound.left_out("connected") == 3
    assert bound.left_out("connected") == 0


def test_what_is_counted_does_not_grow_for_ever() -> None:
    bound = Bound(clock=lambda: 1.0)
    for n in range(5_000):
        bound.left_out(f"event {n}")
    assert len(bound._seen) <= 1_000


MANY = """
for n in range(50):
    structlog.get_logger("a").error("broken")
    logging.getLogger("b").error("broken too")
    structlog.get_logger("a").info("usual")
    logging.getLogger("b").info("session %s closed", n)
"""


def test_errors_all_pass() -> None:
    told = [str(line["event"]) for line in lines(MANY)]
    assert told.count("broken") == told.count("broken too") == 50
    # The second may turn meanwhile.
    assert 20 <= told.count("usual") < 50
    assert 20 <= sum(it.startswith("session") for it in told) < 50


def test_what_was_left_out_is_counted_in_the_next_line_of_libraries_too() -> None:
    later = f"{MANY}import time; time.sleep(1.1)\n"
    later += "structlog.get_logger('a').info('usual'); logging.getLogger('b').info('session %s closed', 50)"
    *_, usual, session = lines(later)
    assert (usual["event"], session["event"]) == ("usual", "session 50 closed")
    assert 0 < int(str(usual["suppressed"])) <= 30
    assert 0 < int(str(session["suppressed"])) <= 30


def test_ids_are_those_that_phones_have() -> None:
    told = "'slow', user=255, conversation=None, conversations=[1, 2], session=3"
    (line,) = lines(f"structlog.get_logger('a').info({told})")
    assert line["user"] == id_out(255)
    assert line["conversations"] == [id_out(1), id_out(2)]
    assert line["session"] == id_out(3)
    assert line["conversation"] is None


def test_whoever_looks_up_a_line_finds_it() -> None:
    code = "".join(file.read_text() for file in (ROOT / "gochat").rglob("*.py"))
    guide = (ROOT / "docs" / "operations.md").read_text().partition("## Reading the log")[2]
    told, known = set(EVENT.findall(code)), set(re.findall(r"`([a-z_]+)`", guide))
    assert len(told) > 50
    assert told - known == set()
