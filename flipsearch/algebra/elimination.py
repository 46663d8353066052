"""Eliminate linear systems mod 2 and mod 3 once, and solve them for many right sides.

Rows come in batches, packed in bit planes, each row with an identifier. A batch is reduced by the
known pivot rows and then factored in blocks of up to 64 pivot rows. The multiples subtracted from
a pivot row are kept. A later right side therefore costs two triangular products of packed words
and no elimination.

Invariant: each pivot row has a one in its own pivot column, and zeros in the other pivot columns
of its block and of all earlier blocks. Its pivot column is its first nonzero column. The set of
pivot columns is therefore the set of leading columns of the row space. It depends only on the
order of the columns, not on the order or choice of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flipsearch.algebra import IntArray, bits
from flipsearch.algebra import rows as kernels

WordArray = npt.NDArray[np.uint64]
Residues = npt.NDArray[np.int8]

STRIP = 512
_CANDIDATES = 96


def strips_of(columns: int) -> int:
    """Return the number of 512-column strips of a row."""
    return max(1, -(-columns // STRIP))


def aligned_words(*shape: int) -> WordArray:
    """Return zeroed words on a 64-byte boundary; eight of them fill a cache line."""
    size = int(np.prod(shape))
    buffer = np.zeros(size + 8, dtype=np.uint64)
    start = (-buffer.ctypes.data // 8) % 8
    return buffer[start : start + size].reshape(shape)


def packed(residues: npt.NDArray[np.generic], p: int) -> WordArray:
    """Pack rows of residues modulo 2 or 3 into strips: (m, columns) to (planes, S, m, 8)."""
    rows, columns = residues.shape
    strips = strips_of(columns)
    out = aligned_words(p - 1, strips, rows, 8)
    for plane in range(p - 1):
        words = bits.packed(residues == plane + 1, 8 * strips)
        out[plane] = words.reshape(rows, strips, 8).swapaxes(0, 1)
    return out


@dataclass(frozen=True)
class _Block:
    """A block of up to 64 pivot rows that were found together."""

    rows: WordArray  # (planes, S, k, 8)
    pivots: IntArray  # (k,) columns
    identifiers: IntArray  # (k,)
    multipliers: WordArray  # (planes, k, earlier blocks): the multiples subtracted from the rows
    combination: WordArray  # (planes, k, 1): the transformation within the block
    first_strip: int


@dataclass
class Elimination:
    """A growing system of equations mod p, 2 or 3, in packed echelon form."""

    p: int
    columns: int
    rank: int = 0
    _blocks: list[_Block] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tables = aligned_words(kernels.TABLE_WORDS)

    @property
    def pivots(self) -> IntArray:
        """The pivot columns in the order in which they were found; shape (rank,)."""
        parts = [block.pivots for block in self._blocks]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    @property
    def identifiers(self) -> IntArray:
        """The identifiers of the pivot rows, in the same order; shape (rank,)."""
        parts = [block.identifiers for block in self._blocks]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def add(
        self, matrix: WordArray, identifiers: IntArray, right: Residues, known: Residues
    ) -> int | None:
        """Add equations; return the identifier of one that contradicts others, or None.

        Its combination of rows is zero, and that of their right sides is not.

        Parameters
        ----------
        matrix : uint64 array, shape (planes, S, m, 8)
            Packed rows (see `packed`); overwritten.
        identifiers : int64 array, shape (m,)
            Names of the rows, by which later right sides are ordered.
        right : int8 array, shape (m,)
            A right side, residues 0..p-1; overwritten. It only serves to detect a contradiction,
            which stops the elimination.
        known : int8 array, shape (rank,)
            The same right side at the present pivot rows, in the order of `identifiers`.
        """
        height = len(identifiers)
        planes = self.p - 1
        active = np.arange(height, dtype=np.int64)
        capacity = len(self._blocks) + -(-height // kernels.BLOCK) + 1
        multipliers = np.zeros((planes, height, capacity), dtype=np.uint64)
        sides = self._forward(known)
        for index, block in enumerate(self._blocks):
            multipliers[:, :, index] = self._subtract(
                matrix, active, right, block, sides[:, index]
            )
        lead = np.zeros(height, dtype=np.int64)
        kernels.leading_columns(matrix, active, lead, self.columns)
        while True:
            ends = lead[active] >= self.columns
            wrong = active[ends & (right[active] != 0)]
            if wrong.size:
                return int(identifiers[wrong[0]])
            active = active[~ends]
            if not active.size:
                return None
            used, pivot_sides, bad = self._factor(
                matrix, active, lead, right, identifiers, multipliers
            )
            if bad is not None:
                return bad
            active = np.setdiff1d(active, used, assume_unique=True)
            count = len(self._blocks)
            if count > multipliers.shape[2]:
                multipliers = np.concatenate([multipliers, np.zeros_like(multipliers)], axis=2)
            here = self._subtract(
                matrix, active, right, self._blocks[-1], packed_words(pivot_sides, self.p)[:, 0]
            )
            multipliers[:, active, count - 1] = here
            touched = active[here.any(axis=0)]
            kernels.leading_columns(matrix, touched, lead, self.columns)

    def _factor(
        self,
        matrix: WordArray,
        active: IntArray,
        lead: IntArray,
        right: Residues,
        identifiers: IntArray,
        multipliers: WordArray,
    ) -> tuple[IntArray, Residues, int | None]:
        """Make a block of the active rows with the leftmost leads.

        Return the rows that were used, the right sides of the block and any contradiction.
        """
        take = min(_CANDIDATES, len(active))
        if take < len(active):
            nearest = np.argpartition(lead[active], take - 1)[:take]
            candidates = active[np.sort(nearest)]
        else:
            candidates = active
        candidates = candidates[np.argsort(lead[candidates], kind="stable")]
        planes, strips = matrix.shape[:2]
        rows = np.ascontiguousarray(matrix[:, :, candidates].swapaxes(1, 2)).reshape(
            planes, take, strips * 8
        )
        sides = right[candidates]
        pivots = np.zeros(kernels.BLOCK, dtype=np.int64)
        chosen = np.zeros(kernels.BLOCK, dtype=np.int64)
        combination = np.zeros((planes, kernels.BLOCK, 1), dtype=np.uint64)
        k, scanned, bad = kernels.factor_block(rows, sides, pivots, chosen, combination)
        if bad >= 0:
            return candidates[:scanned], sides, int(identifiers[candidates[bad]])
        block_rows = aligned_words(planes, strips, k, 8)
        block_rows[:] = rows[:, :k].reshape(planes, k, strips, 8).swapaxes(1, 2)
        which = candidates[chosen[:k]]
        self._blocks.append(
            _Block(
                block_rows,
                pivots[:k].copy(),
                identifiers[which],
                multipliers[:, which, : len(self._blocks)].copy(),
                combination[:, :k].copy(),
                int(pivots[:k].min()) // STRIP,
            )
        )
        self.rank += k
        return candidates[:scanned], sides[:k], None

    def _subtract(
        self, matrix: WordArray, active: IntArray, right: Residues, block: _Block, sides: WordArray
    ) -> WordArray:
        """Clear a block's pivot columns in the active rows; return the multipliers (planes, n)."""
        multipliers = np.zeros((self.p - 1, len(active)), dtype=np.uint64)
        if not len(active) or not len(block.pivots):
            return multipliers
        kernels.gather_multipliers(matrix, active, block.pivots, multipliers)
        kernels.subtract_block(
            matrix, active, multipliers, block.rows, block.first_strip, self._tables
        )
        here = right[active]
        kernels.combine(multipliers[:, :, None], sides[:, None], here)
        right[active] = here
        return multipliers

    def _forward(self, right: Residues) -> WordArray:
        """Apply the stored row operations to a right side at the pivot rows, shape (rank,).

        Return a word of residues for each block; shape (planes, blocks).
        """
        out = np.zeros((self.p - 1, len(self._blocks)), dtype=np.uint64)
        start = 0
        for index, block in enumerate(self._blocks):
            k = len(block.pivots)
            side = right[start : start + k].astype(np.int8)
            start += k
            kernels.combine(block.multipliers, out[:, :index], side)
            negated = np.zeros(k, dtype=np.int8)
            kernels.combine(block.combination, packed_words(side, self.p), negated)
            out[:, index] = packed_words((-negated) % self.p, self.p)[:, 0]
        return out

    def solve(self, right: Residues, free: Residues) -> Residues:
        """Solve for one right side, with given values of the free unknowns; shape (columns,).

        The result is the unique solution of the pivot rows with these free values. Dependent rows
        hold too if the system is consistent for this right side; the caller checks every row.

        Parameters
        ----------
        right : int8 array, shape (rank,)
            The right side at the pivot rows, in the order of `identifiers`; residues 0..p-1.
        free : int8 array, shape (columns,)
            Values of the unknowns without a pivot; entries at pivots are ignored.
        """
        sides = self._forward(right)
        values = free.astype(np.int8)
        values[self.pivots] = 0
        vector = packed(values[None, :], self.p)[:, :, 0]
        for index in range(len(self._blocks) - 1, -1, -1):
            block = self._blocks[index]
            k = len(block.pivots)
            found = unpacked_words(sides[:, index : index + 1], k)
            kernels.combine_strips(block.rows, vector, found)
            values[block.pivots] = found
            columns = block.pivots.astype(np.uint64)
            for plane in range(self.p - 1):
                here = columns[found == plane + 1]
                np.bitwise_or.at(
                    vector[plane].reshape(-1), here // 64, np.left_shift(np.uint64(1), here % 64)
                )
        return values


def packed_words(residues: Residues, p: int) -> WordArray:
    """Pack a vector of residues 0..p-1 into words; shape (planes, ceil(n / 64))."""
    return bits.packed(residues == np.arange(1, p)[:, None], -(-len(residues) // 64))


def unpacked_words(words: WordArray, count: int) -> Residues:
    """Return the first `count` residues of a packed vector (planes, n)."""
    return np.arange(1, len(words) + 1, dtype=np.int8) @ bits.unpacked(words, count)
