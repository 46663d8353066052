"""How the entries of a structured matrix map to its free parameters.

A layout answers one question: which parameter, with which sign, stands at entry (i, j)? General
matrices have one parameter an entry; triangular ones none on one side of the diagonal; symmetric
and skew-symmetric ones share a parameter between (i, j) and (j, i).

Parameters of the square structured layouts are numbered along the upper triangle row by row, with
p = min(i, j) and q = max(i, j): p(2n - p - 1)/2 + q, or one diagonal less for skew-symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass

from flipsearch.errors import UsageError

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
    """The entries of one matrix operand.

    Parameters
    ----------
    letter : str
        One of `LETTERS`.
    rows, columns : int
        The size of the matrix; equal unless the letter is ``g``.
    """

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

    def entry(self, i: int, j: int) -> tuple[int, int] | None:
        """Return (parameter, sign) at row i, column j, or None where the entry is zero."""
        if self.letter == "g":
            return i * self.columns + j, 1
        low, high, n = min(i, j), max(i, j), self.rows
        upper = low * (2 * n - low - 1) // 2 + high
        match self.letter:
            case "u":
                return (upper, 1) if i <= j else None
            case "l":
                return (upper, 1) if i >= j else None
            case "s":
                return upper, 1
            case "k":
                return None if i == j else (upper - low - 1, 1 if i < j else -1)
            case _:
                return upper, 1 if i <= j else -1

    def position(self, parameter: int) -> tuple[int, int]:
        """Return the entry (i, j) where a parameter stands with sign +1."""
        for i in range(self.rows):
            for j in range(self.columns):
                if self.entry(i, j) == (parameter, 1):
                    return i, j
        raise IndexError(parameter)
