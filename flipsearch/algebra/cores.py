"""Count the cores that this process may use: those of its affinity mask."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Return the number of cores that this process may use, at least 1."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system has it
        return os.cpu_count() or 1
