"""Find common subexpressions of integer linear forms in plain Python: any coefficients.

The compiled passes are tested against these functions, which also shorten schemes with
coefficients beyond -1, 0, 1. A pair is x + (q/p) y with a reduced ratio q/p.
"""

from __future__ import annotations

import math
from collections import Counter
from random import Random

from flipsearch.programs import Program, Step, chained
from flipsearch.rings import IntArray

Pair = tuple[int, int, int, int]  # x, y, p, q: the form p x + q y, p positive, reduced


def pair_of(x: int, p: int, y: int, q: int) -> Pair:
    """Return the pair p x + q y up to a common factor, x the smaller variable."""
    if x > y:
        x, p, y, q = y, q, x, p
    common = math.gcd(p, q) * (1 if p > 0 else -1)
    return x, y, p // common, q // common


def pairs_of(rows: list[dict[int, int]]) -> Counter[Pair]:
    """Return in how many rows each pair occurs."""
    counts: Counter[Pair] = Counter()
    for row in rows:
        items = sorted(row.items())
        for k, (x, p) in enumerate(items):
            counts.update(pair_of(x, p, y, q) for y, q in items[k + 1 :])
    return counts


def replace(rows: list[dict[int, int]], pair: Pair, fresh: int) -> None:
    """Replace the pair by the variable `fresh` in every row where it occurs."""
    x, y, p, _ = pair
    for row in rows:
        if x in row and y in row and pair_of(x, row[x], y, row[y]) == pair:
            row[fresh] = row.pop(x) // p
            del row[y]


def shorten_plain(matrix: IntArray, random: Random) -> Program:
    """Return a program for the rows of an integer matrix, by one greedy pass with random ties."""
    rows = [{x: int(p) for x, p in enumerate(row) if p} for row in matrix]
    inputs = matrix.shape[1]
    shared: list[Step] = []
    while True:
        counts = pairs_of(rows)
        most = max(counts.values(), default=0)
        if most < 2:
            break
        pair = random.choice(sorted(key for key, count in counts.items() if count == most))
        replace(rows, pair, inputs + len(shared))
        x, y, p, q = pair
        shared.append((p, x, q, y))
    return chained(inputs, shared, [[(p, x) for x, p in sorted(row.items())] for row in rows])
