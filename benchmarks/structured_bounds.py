"""Bounds of structured products to side 8 by block composition: `derived_ranks.csv`.

A structured matrix of side n = a + b consists of four blocks: structured ones on the diagonal, and
general ones or none off it. The product of two such matrices is a sum of products of blocks,
each a product of smaller formats. A free side is split likewise. The bound of a format is the
least of its naive rank, of the cited table, of the formulas of `flipsearch.constructors`, of the
recipes in `schemes/structured.csv`, of a format that it is a special case of, and of its splits.
Bounds over Z, Q, F2 and F3 are composed apart.

    python -m benchmarks.structured_bounds > flipsearch/data/derived_ranks.csv
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

from flipsearch.catalogue.bounds import parse_table
from flipsearch.constructors.recipes import read_recipes
from flipsearch.constructors.structured import STRUCTURED
from flipsearch.formats import OPERANDS, MatrixProduct
from flipsearch.rings import Ring

LARGEST = 8
RINGS = (Ring.Z, Ring.Q, Ring.F2, Ring.F3)
TRANSPOSED = {"g": "g", "u": "l", "l": "u", "s": "s", "k": "k", "w": "w"}
GENERAL = {"uu": "ug", "us": "ug sg", "uk": "ug kg uw", "uw": "ug wg", "ul": "ug", "ss": "sg",
           "sk": "sg sw kg", "sw": "sg wg", "kk": "kg ww", "ww": "wg", "kg": "wg", "kt": "kk wt",
           "gt": "gg", "ut": "ul", "st": "ss", "wt": "ww", "ug": "gg", "sg": "gg",
           "wg": "gg"}  # fmt: skip
"""Operands of which each pair is a special case, or of which it is a part of the output."""


def formats() -> list[MatrixProduct]:
    """Return the structured formats with sides to 8, small ones first."""
    found = [
        MatrixProduct(*sides, operands)
        for operands in OPERANDS
        if operands != "gg"
        for sides in _sides(operands)
    ]
    return sorted(found, key=lambda format_: format_.naive_rank)


def _sides(operands: str) -> Iterator[tuple[int, int, int]]:
    for n in range(1, LARGEST + 1):
        if operands == "gt":
            yield from ((n, m, n) for m in range(1, LARGEST + 1))
        elif operands[1] == "g":
            yield from ((n, n, p) for p in range(1, LARGEST + 1))
        else:
            yield n, n, n


def block(letter: str, i: int, j: int) -> str:
    """Return what block (i, j) of a structured matrix of 2 x 2 blocks is, empty if zero."""
    if i == j:
        return letter
    return "" if (letter, i > j) in (("u", True), ("l", False)) else "g"


def splits(format_: MatrixProduct) -> Iterator[list[MatrixProduct]]:
    """Yield the parts of each way to cut the format in two along its tied, or its free, side."""
    n, m, p = format_.sides
    left, right = format_.operands
    gram = right == "t"
    if format_.operands == "gt":
        yield from ([_gram("g", n, a), _gram("g", n, m - a)] for a in range(1, m))
    if right == "g":
        yield from (
            [_times(left, "g", n, n, a), _times(left, "g", n, n, p - a)] for a in range(1, p)
        )
    for a in range(1, n):
        rows = [a, n - a]
        inner = [m] if format_.operands == "gt" else rows
        columns = [p] if right == "g" else rows
        parts = []
        for i in range(2):
            for k in range(len(columns)):
                if format_.is_packed_output and i > k:
                    continue
                for j in range(len(inner)):
                    x = "g" if left == "g" else block(left, i, j)
                    if gram:
                        y = TRANSPOSED["g" if left == "g" else block(left, k, j) or "g"]
                        y = y if left == "g" or block(left, k, j) else ""
                    else:
                        y = "g" if right == "g" else block(right, j, k)
                    if not x or not y:
                        continue
                    if gram and i == k:
                        parts.append(_gram(x, rows[i], inner[j]))
                    else:
                        parts.append(_times(x, y, rows[i], inner[j], columns[k]))
        yield parts


def _gram(letter: str, n: int, m: int) -> MatrixProduct:
    return MatrixProduct(n, m, n, f"{letter}t")


def _times(x: str, y: str, n: int, m: int, p: int) -> MatrixProduct:
    """Return the format of a product of blocks, transposed or with indices reversed if need be."""
    if x == "g" and y != "g":
        x, y, n, p = TRANSPOSED[y], "g", p, n
    if x == "l" and y == "g":
        x = "u"
    return MatrixProduct(n, m, p, x + y)


@cache
def cited() -> dict[tuple[str, Ring], int]:
    """Return the bounds of the shipped tables."""
    found = {}
    for name in ("known_ranks.csv", "structured_ranks.csv"):
        text = (resources.files("flipsearch.data") / name).read_text()
        found |= {(format_, ring): value for format_, ring, value, _ in parse_table(text, name)}
    return found


@cache
def recipes() -> dict[tuple[MatrixProduct, Ring], int]:
    """Return the least rank of the shipped recipes that have an image over a ring."""
    text = (Path(__file__).resolve().parent.parent / "schemes" / "structured.csv").read_text()
    found: dict[tuple[MatrixProduct, Ring], int] = {}
    for recipe in read_recipes(text, "structured.csv"):
        for ring in RINGS:
            p = ring.characteristic
            whole = recipe.ring in (Ring.ZT, Ring.Z)
            rational = recipe.ring is Ring.Q and (recipe.denominator % p if p else ring is Ring.Q)
            if recipe.ring is ring or whole or rational:
                key = (recipe.format, ring)
                found[key] = min(recipe.rank, found.get(key, recipe.rank))
    return found


@cache
def rings_of(operands: str, n: int) -> tuple[Ring, ...]:
    """Return the rings over which the scheme of a formula has an image."""
    scheme = STRUCTURED.build(
        MatrixProduct(n, n, 1 if operands[1] == "g" else n, operands), Ring.Q
    )
    below = scheme.canonical.denominators
    whole = scheme.natural_ring is not Ring.Q
    return tuple(
        ring
        for ring in RINGS
        if (
            whole
            if ring is Ring.Z
            else not ring.characteristic or (below % ring.characteristic).all()
        )
    )


@cache
def bound(format_: MatrixProduct, ring: Ring) -> tuple[int, str]:
    """Return the least bound of a format over a ring, and where it comes from."""
    n, m, p = format_.sides
    known = cited().get((format_.sorted.name, ring))
    if format_.operands == "gg":
        return (n * m * p, "naive") if known is None else (known, "cited")
    found = [] if known is None else [(known, "cited")]
    formula = STRUCTURED.rank(format_, Ring.Q)
    if formula is not None and n > 1 and ring in rings_of(format_.operands, n):
        found.append((formula, "a formula of docs/structured.md"))
    if (format_, ring) in recipes():
        found.append((recipes()[format_, ring], "a recipe of schemes/structured.csv"))
    found.append((format_.naive_rank, "naive"))
    if format_.operands == "gt" and n > 1:
        dual = MatrixProduct(n, n, m, "ug")
        found.append((bound(dual, ring)[0], f"the rank of {dual}"))
    if format_.operands == "ut" and n > 1:
        dual = MatrixProduct(n, n, n, "uu")
        found.append((bound(dual, ring)[0], f"the rank of {dual}"))
    for operands in GENERAL.get(format_.operands, "").split():
        larger = MatrixProduct(n, m, p, operands)
        found.append((bound(larger, ring)[0], f"a case of {larger}"))
    for parts in splits(format_):
        parts = [part for part in parts if part.naive_rank]
        total = sum(bound(part, ring)[0] for part in parts)
        found.append((total, " + ".join(map(str, parts))))
    return min(found, key=lambda item: item[0])


def rows() -> Iterator[list[object]]:
    """Yield the rows of the table: formats with a bound that is not cited."""
    for format_ in formats():
        if not format_.naive_rank:
            continue
        found = {ring: bound(format_, ring) for ring in RINGS}
        new = {ring: item for ring, item in found.items() if item[1] != "cited"}
        if new:
            values = [new[ring][0] if ring in new else "" for ring in RINGS]
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
