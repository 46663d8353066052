"""Map the entries of a structured matrix to its free parameters.

A layout answers one question: which parameter, with which sign, stands at entry (i, j)? A general
matrix has one parameter an entry. A triangular one has none on one side of the diagonal. In a
symmetric or skew-symmetric one (i, j) and (j, i) share a parameter.

Parameters of the square structured layouts are numbered along the upper triangle row by row, with
p = min(i, j) and q = max(i, j): p(2n - p - 1)/2 + q, or one diagonal less for skew-symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.rings import IntArray

LETTERS = {
    "g": "general",
    "u": "upper triangular",
    "l": "lower triangular",
    "s": "symmetric",
    "k": "skew-symmetric",
    "w": "skew-symmetric with a free diagonal",
}


@dataclass(frozen=True)
class Layout:
    """The entries of one matrix operand, by one of `LETTERS`; square unless that is ``g``."""

    letter: str
    rows: int
    columns: int

    def __post_init__(self) -> None:
        if self.letter not in LETTERS:
            raise UsageError(f"unknown operand letter {self.letter!r}: use one of g u l s k w")
        if self.letter != "g" and self.rows != self.columns:
            word = LETTERS[self.letter]
            article = "an" if word.startswith("u") else "a"
            raise UsageError(f"{article} {word} operand is square, not {self.rows}x{self.columns}")

    @property
    def parameters(self) -> int:
        """The number of free parameters."""
        n = self.rows
        if self.letter == "g":
            return n * self.columns
        return n * (n - 1) // 2 if self.letter == "k" else n * (n + 1) // 2

    @cached_property
    def table(self) -> IntArray:
        """Parameter and sign of every entry, shape (2, rows, columns); the sign is 0 at a zero."""
        i, j = np.indices((self.rows, self.columns))
        if self.letter == "g":
            return np.stack([i * self.columns + j, np.ones_like(i)])
        low, high = np.minimum(i, j), np.maximum(i, j)
        upper = low * (2 * self.rows - low - 1) // 2 + high
        match self.letter:
            case "u":
                sign = (i <= j) * 1
            case "l":
                sign = (i >= j) * 1
            case "s":
                sign = np.ones_like(i)
            case "k":
                upper, sign = upper - low - 1, np.sign(j - i)
            case _:
                sign = np.where(i <= j, 1, -1)
        return np.stack([upper, sign])

    def entry(self, i: int, j: int) -> tuple[int, int] | None:
        """Return (parameter, sign) at row i, column j, or None where the entry is zero."""
        parameter, sign = self.table[:, i, j].tolist()
        return (parameter, sign) if sign else None

    def position(self, parameter: int) -> tuple[int, int]:
        """Return the entry (i, j) where a parameter stands with sign +1."""
        places = np.argwhere((self.table[0] == parameter) & (self.table[1] == 1)).tolist()
        if not places:
            raise IndexError(parameter)
        i, j = places[0]
        return i, j
