"""Bounds of structured products to side 8 from known ranks: `derived_ranks.csv`.

The bound of a format is the least of its naive rank, of the cited table, of the formulas of
`flipsearch.constructors`, and of blocks of smaller formats (`flipsearch.constructors.blocks`). The
blocks take ranks that others publish, which no scheme here need reach. Bounds over Z, Q, F2 and F3
are composed apart.

    python -m benchmarks.structured_bounds > flipsearch/data/derived_ranks.csv
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from functools import cache
from importlib import resources

from benchmarks.structured_table import RINGS, formats
from flipsearch.catalogue.bounds import parse_table
from flipsearch.catalogue.shipped import RECIPES, shipped_folder
from flipsearch.constructors.blocks import CONSTRUCT, Blocks
from flipsearch.constructors.recipes import NAIVE, read_recipes
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import Ring

CITED, FORMULA = "cited", "a formula of docs/structured.md"


@cache
def known(ring: Ring) -> dict[MatrixProduct, tuple[int, str]]:
    """Return the ranks over a ring that are cited or have a formula, with the reason."""
    found: dict[MatrixProduct, tuple[int, str]] = {}
    for name in ("known_ranks.csv", "structured_ranks.csv"):
        text = (resources.files("flipsearch.data") / name).read_text()
        for format_, over, value, _ in parse_table(text, name):
            if over is ring:
                found[parse_format(format_)] = value, CITED
    folder = shipped_folder()
    assert folder is not None
    for recipe in read_recipes((folder / RECIPES[1]).read_text(), RECIPES[1]):
        p = ring.characteristic
        order = list(Ring)
        serves = recipe.denominator % p if p else order.index(recipe.ring) <= order.index(ring)
        held = found.get(recipe.format, (1 << 40, ""))
        if recipe.how.startswith(CONSTRUCT) and serves and recipe.rank < held[0]:
            found[recipe.format] = recipe.rank, FORMULA
    return found


@cache
def blocks(ring: Ring) -> Blocks:
    """Return the closure of the known ranks under blocks."""
    return Blocks(ring, known(ring), formulas=False)


def bound(format_: MatrixProduct, ring: Ring) -> tuple[int, str]:
    """Return the least bound of a format over a ring, and where it comes from."""
    choice = blocks(ring).choice(format_)
    if choice.name in (CITED, FORMULA, NAIVE) and choice.format == format_:
        return choice.rank, choice.name
    if choice.name:
        return choice.rank, f"the rank of {choice.format}"
    parts = blocks(ring).blocks(choice.format)
    return choice.rank, " + ".join(str(part.format) for part in parts)


def rows() -> Iterator[list[object]]:
    """Yield the rows of the table: formats with a bound that is not cited."""
    for format_ in formats():
        found = {ring: bound(format_, ring) for ring in RINGS}
        new = {ring: item for ring, item in found.items() if item[1] != CITED}
        if new:
            values = [new[ring][0] if ring in new else "" for ring in (*RINGS[1::-1], *RINGS[2:])]
            common = found[Ring.Q][1] if Ring.Q in new else next(iter(new.values()))[1]
            sources = [f"derived here: {common}"]
            sources += [
                f"{ring}: derived here: {how}" for ring, (_, how) in new.items() if how != common
            ]
            yield [format_, "", *values, "; ".join(sources)]


def main() -> None:
    """Print the table."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["format", "ZT", "Z", "Q", "F2", "F3", "source"])
    writer.writerows(rows())


if __name__ == "__main__":
    main()
