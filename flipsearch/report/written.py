"""A scheme written out for people: its products, and each output as a sum of products.

Invariant: read back as formulas, the lines are the scheme, term for term; names of entries are
those of `Format.variable`, so ``c21`` is C[2, 1] although W holds C transposed.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from flipsearch.files.terms import written
from flipsearch.scheme import Scheme


def products(scheme: Scheme) -> Iterator[tuple[str, str]]:
    """Yield (``m1``, ``(a11 + a22) (b11 + b22)``) of each term, in order."""
    names = [
        [scheme.format.variable(slot, index) for index in range(dimension)]
        for slot, dimension in enumerate(scheme.format.dimensions[:2])
    ]
    for number, rows in enumerate(zip(scheme.u, scheme.v, strict=True), start=1):
        sums = [
            written({name[k]: int(row[k]) for k in np.flatnonzero(row)})
            for name, row in zip(names, rows, strict=True)
        ]
        yield f"m{number}", " ".join(f"({text})" if " " in text else text for text in sums)


def outputs(scheme: Scheme) -> Iterator[tuple[str, str]]:
    """Yield (``c11``, ``m1 + m4 - m5 + m7``) of each entry of the output, in order of names."""
    below = scheme.denominators.tolist()
    lines = []
    for index in range(scheme.format.dimensions[2]):
        column = scheme.w[:, index]
        terms = {f"m{r + 1}": Fraction(int(column[r]), below[r]) for r in np.flatnonzero(column)}
        lines.append((scheme.format.variable(2, index), written(terms)))
    return iter(sorted(lines, key=lambda line: (len(line[0]), line[0])))
