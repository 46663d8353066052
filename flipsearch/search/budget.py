"""Parse durations such as 90s, 5m, 2h, or a number of seconds."""

from __future__ import annotations

import re

from flipsearch.errors import UsageError

LONGEST_SECONDS = 86400 * 3650
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?")
_UNITS = {"ms": 0.001, None: 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def parse_budget(budget: str | float) -> float:
    """Return the seconds of a budget such as ``90s``, ``5m``, ``2h`` or 90.

    Raises `UsageError` if it is no duration, or not positive.

    Examples
    --------
    >>> parse_budget("5m"), parse_budget(90)
    (300.0, 90.0)
    """
    if isinstance(budget, str):
        match = _BUDGET.fullmatch(budget.strip().lower())
        seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    else:
        seconds = float(budget)
    if not 0 < seconds <= LONGEST_SECONDS:
        raise UsageError(
            f"budget {str(budget)[:40]!r} is no time: write for instance 90s, 5m, 2h or 30d, "
            f"{LONGEST_SECONDS // 86400}d at most"
        )
    return seconds
