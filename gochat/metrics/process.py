"""What a process is as the system sees it: memory, descriptors, processor time, and how late its loop is."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import resource
import sys
import time
from pathlib import Path

from gochat import __version__
from gochat.core.measures import Measures, Spread

LOOK_S = 1.0
"""How often the loop's lateness is measured."""


def watch_process(measures: Measures, compiled: bool) -> None:
    """Have what the system knows of this process read whenever somebody asks."""
    build = (__version__, platform.python_version(), str(compiled).lower())
    measures.watch(
        "gochat_build_info", "Which build this is.", lambda: {build: 1.0}, "version", "python", "compiled"
    )
    started = time.time()
    measures.watch("gochat_start_time_seconds", "When the process began, as Unix time.", lambda: started)
    measures.watch("gochat_memory_bytes", "Resident memory.", _memory)
    measures.watch("gochat_open_descriptors", "Open file descriptors.", _descriptors)
    measures.watch(
        "gochat_max_descriptors",
        "How many there may be.",
        lambda: float(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    )
    measures.watch("gochat_cpu_seconds", "Processor time used.", time.process_time, counted=True)
    measures.watch(
        "gochat_garbage_objects", "Objects that the collector watches.", lambda: float(sum(gc.get_count()))
    )


def _memory() -> float:
    try:
        return float(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:  # not Linux: the most that it ever was; macOS counts bytes
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(most if sys.platform == "darwin" else most * 1024)


def _descriptors() -> float:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return float(len(os.listdir(folder)))
        except OSError:
            continue
    return 0.0


async def watch_loop(lag: Spread) -> None:
    """Note how late a timer runs, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_S
        await asyncio.sleep(LOOK_S)
        lag.note(max(0.0, loop.time() - due))
