"""How many cores this process may use: of the machine, what an affinity mask leaves."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Return the number of cores this process may use, at least 1."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system has it
        return os.cpu_count() or 1
