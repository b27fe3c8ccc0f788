"""Runs the follower of search until it is done, in a process forked for each number that comes in by a line.

It dies at the statement of that number; how it ended goes out by a line.
"""

import os
import sys
import time
from typing import Any

from sqlalchemy import Engine, event

from gochat.storage.followers import Follower
from gochat.storage.search_index import SearchIndex

DIED = 9
LEASE_MS = 100


def follow(url: str, last: int) -> None:
    left = last
    time.sleep(LEASE_MS / 1000)  # of the one that died before

    @event.listens_for(Engine, "before_cursor_execute")
    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os._exit(DIED)

    follower = Follower(url, SearchIndex(), lease_ms=LEASE_MS)
    while follower.step() or not follower.is_here:
        pass
    follower.stop()


def main() -> None:
    """Fork for each line of standard input."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            follow(sys.argv[1], int(line))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
