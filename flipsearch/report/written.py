"""A scheme written out for people: its products, and each output as a sum of products.

Invariant: read back as formulas, the lines are the scheme, term for term; names of entries are
those of `Format.variable`, so ``c21`` is C[2, 1] although W holds C transposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np

from flipsearch.scheme import Scheme


def combination(coefficients: Mapping[str, int | Fraction]) -> str:
    """Return ``a11 - 2 a12 + 1/3 a21`` for names and coefficients; ``0`` for none."""
    parts: list[str] = []
    for name, coefficient in coefficients.items():
        size = "" if abs(coefficient) == 1 else f"{abs(coefficient)} "
        sign = "-" if coefficient < 0 else "+" if parts else ""
        parts.append(f"{sign}{' ' if parts else ''}{size}{name}")
    return " ".join(parts) or "0"


def products(scheme: Scheme) -> Iterator[tuple[str, str]]:
    """Yield (``m1``, ``(a11 + a22) (b11 + b22)``) of each term, in order."""
    names = [
        [scheme.format.variable(slot, index) for index in range(dimension)]
        for slot, dimension in enumerate(scheme.format.dimensions[:2])
    ]
    for number, rows in enumerate(zip(scheme.u, scheme.v, strict=True), start=1):
        sums = [
            combination({name[k]: int(row[k]) for k in np.flatnonzero(row)})
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
        lines.append((scheme.format.variable(2, index), combination(terms)))
    return iter(sorted(lines, key=lambda line: (len(line[0]), line[0])))
