"""Lower bounds on the rank of general formats, each cited: formulas, and the table that ships.

Invariant: a bound is cited and not proved here. One for any field holds over every ring; the least
rank over Z is at least that over each field.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

from flipsearch.catalogue.arguments import names_of
from flipsearch.formats import Format, MatrixProduct, parse_format
from flipsearch.rings import Ring


@dataclass(frozen=True)
class LowerBound:
    """No scheme has fewer products than `rank`; `source` is who proved it.

    `border` is the largest tabulated lower bound on the border rank, or None.
    """

    rank: int
    source: str
    border: int | None = None


@cache
def _table() -> dict[tuple[str, str], LowerBound]:
    text = resources.files("flipsearch.data").joinpath("lower_bounds.csv").read_text()
    return {
        (row["format"], row["ring"]): LowerBound(
            int(row["rank"]), row["source"], int(row["border"]) if row["border"] else None
        )
        for row in csv.DictReader(io.StringIO(text))
    }


def lower_bound(format_: Format | str, ring: Ring) -> LowerBound | None:
    """Return the largest lower bound on the rank of a general format, or None for others."""
    name = names_of(format_)[1]
    if not name[0].isdigit():  # a structured product or a tensor
        return None
    tabulated = parse_format(name)
    fields = ["any", ring.value] if ring.characteristic else ["any", "F2", "F3"]
    if ring is Ring.Q:
        fields = ["any"]
    held = [_table().get((tabulated.name, field)) for field in fields]
    found = [bound for bound in held if bound is not None] + _formulas(tabulated, ring)
    best = max(found, key=lambda bound: bound.rank)
    borders = [bound.border for bound in found if bound.border is not None]
    return LowerBound(best.rank, best.source, max(borders, default=None))


def _formulas(format_: MatrixProduct, ring: Ring) -> list[LowerBound]:
    """Return the bounds that formulas give for sides in order."""
    n, m, p = format_.sides
    found = [LowerBound(m * p, "the entries of one matrix are independent", m * p)]
    if ring in (Ring.F2, Ring.Z, Ring.ZT) and n == m == 2:
        found.append(LowerBound(-(-7 * p // 2), "over F2: Hopcroft and Kerr 1971"))
    if n == m >= 3:  # n x p times p x n
        found.append(LowerBound(2 * n * p + 2 * n - p - 2, "Bläser 2003, J. Complexity 19"))
    return found
