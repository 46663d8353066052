"""What commands print: aligned tables for people, one JSON object a line for programs."""

from __future__ import annotations

import json
import sys
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
