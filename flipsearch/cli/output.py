"""What commands print: tables and progress for people, one JSON object a line for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def print_json(record: Mapping[str, Any]) -> None:
    """Print one object on one line of standard output."""
    print(json.dumps(record, default=str), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their column names, aligned: numbers right, text left."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max([len(c), *(len(row[k]) for row in cells)]) for k, c in enumerate(columns)]
    numeric = [
        bool(cells)
        and all(row[k].replace(".", "", 1).lstrip("+-").isdigit() or not row[k] for row in cells)
        for k in range(len(columns))
    ]
    for row in [list(columns), *cells]:
        line = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        print("  ".join(line).rstrip())


def complain(message: str) -> None:
    """Print one line for people on standard error."""
    print(f"flipsearch: {message}", file=sys.stderr, flush=True)


class StatusLine:
    """Progress on standard error: a line rewritten on a terminal, one each 30 s elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = time.monotonic()

    def show(self, text: str) -> None:
        """Show a line, unless the last one is too recent."""
        now = time.monotonic()
        if now - self._last < (0.2 if self._live else 30):
            return
        self._last = now
        line, end = (f"\r{text}\x1b[K", "") if self._live else (text, "\n")
        print(line, end=end, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Remove the line from a terminal."""
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
