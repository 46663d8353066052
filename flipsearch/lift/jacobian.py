# mypy: allow-untyped-defs
"""Build the linear system of a Hensel step, J d = right side mod p, for all or some unknowns.

J is the Jacobian of F(x) = sum_r e_r (x) p_r (x) q_r at a scheme mod p. It has a row for each
coordinate (e, p, q) of the target and a column for each coefficient. It is the same at every step.

`WholeSystem` takes all coefficients as unknowns. The columns of E are I (x) K, where K is the
matrix of pair products p_r (x) q_r. Let the dP dQ - rank K rows of L span the solutions of
L K = 0. Then each slab e gives the equations of P and Q

    row (e, n) = g_n * (E[r, e] for the column's term r),    g_n independent of e.

Only R (dP + dQ) unknowns are eliminated, and rows are made when they are needed.
`SelectedSystem` takes any set of coefficients as unknowns. If it takes the coefficients that are
not zero mod p, a solution keeps zeros at zero.

Invariant: one nonzero coefficient of P and one of Q stay fixed in each term. They stand for the
freedom to scale the term. Their columns lie in the span of the others, so the same right sides
have solutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from flipsearch.algebra.elimination import Residues, WordArray, aligned_words, packed, strips_of
from flipsearch.algebra.jit import njit
from flipsearch.algebra.rows import mask_rows
from flipsearch.lift.trilinear import Factors, FloatArray, Frame, pair_products, product_modulo
from flipsearch.rings import IntArray

BoolArray = npt.NDArray[np.bool_]
_CHUNK = 1 << 24


class System(Protocol):
    """A linear system that `flipsearch.lift.hensel.Steps` can solve."""

    p: int
    columns: int
    rows: int

    @property
    def stored(self) -> IntArray:
        """The start's coefficients at the unknowns, in column order; shape (columns,)."""

    def packed_rows(self, identifiers: IntArray) -> WordArray:
        """Return rows of the system, packed; shape (p - 1, S, m, 8)."""

    def right(self, defect: IntArray) -> Residues:
        """Return the right side of every row for a defect mod p; shape (rows,)."""

    def step(self, unknowns: Residues, defect: IntArray) -> Factors:
        """Return d as three matrices (R, dE), (R, dP), (R, dQ) from the solved unknowns."""


def scaling_pins(matrix: IntArray) -> BoolArray:
    """Mark the first nonzero coefficient of each row, which stays fixed."""
    pins = np.zeros(matrix.shape, dtype=np.bool_)
    rows = np.flatnonzero(matrix.any(axis=1))
    pins[rows, (matrix[rows] != 0).argmax(axis=1)] = True
    return pins


@dataclass(frozen=True)
class Reduction:
    """The independent rows of K mod p, and the other rows in terms of them.

    Parameters
    ----------
    basis, others : int64 arrays
        Coordinates (p, q) of the independent rows of K, and of the others.
    dependence : int64 array, shape (len(others), rank)
        Row n of K is ``dependence[n] @ K[basis]``.
    inverse : int64 array, shape (R, rank)
        Solves K z = c as z = inverse @ c[basis].
    """

    basis: IntArray
    others: IntArray
    dependence: IntArray
    inverse: IntArray

    @property
    def rank(self) -> int:
        """The rank of K mod p; the scheme is reducible if it is below R."""
        return len(self.basis)


def reduce_pairs(P: IntArray, Q: IntArray, p: int) -> Reduction:
    """Reduce the pair products of two factors, shapes (R, dP), (R, dQ), modulo p = 2 or 3."""
    pairs = pair_products(P % p, Q % p) % p
    rank = 0
    terms, width = pairs.shape
    work = np.concatenate([pairs, np.eye(terms, dtype=np.int64)], axis=1).astype(np.int8)
    basis = []
    for _ in range(terms):
        nonzero = work[rank:, :width].any(axis=1)
        if not nonzero.any():
            break
        row = rank + int(nonzero.argmax())
        column = int((work[row, :width] != 0).argmax())
        work[[rank, row]] = work[[row, rank]]
        if work[rank, column] == 2:
            work[rank] = work[rank] * 2 % p
        digits = work[:, column].copy()
        digits[rank] = 0
        touched = np.flatnonzero(digits)
        work[touched] = (work[touched] - digits[touched, None] * work[rank]) % p
        basis.append(column)
        rank += 1
    others = np.setdiff1d(np.arange(width), basis)
    return Reduction(
        np.array(basis, dtype=np.int64),
        others,
        work[:rank, others].T.astype(np.int64),
        work[:rank, width:].T.astype(np.int64),
    )


class WholeSystem:
    """The system of all coefficients, with E eliminated through the block structure.

    It has dE (dP dQ - rank K) equations, row e * others + n, and a column for each coefficient of
    P and Q except the fixed ones. The factors are the scheme mod p = 2 or 3 as (E, P, Q). Their
    priority, three arrays of the same shapes, orders the unknowns as for `SelectedSystem`; none is
    infinite.
    """

    def __init__(
        self, frame: Frame, factors: Factors, p: int, priority: Sequence[FloatArray]
    ) -> None:
        self.p = p
        self._frame = frame
        self._E, self._P, self._Q = (matrix % p for matrix in factors)
        self.reduction = reduce_pairs(self._P, self._Q, p)
        terms = len(self._E)
        _, dP, dQ = frame.dimensions
        values = np.concatenate([matrix.T.reshape(-1) for matrix in factors[1:]])
        pins = [scaling_pins(m).T.reshape(-1) for m in (factors[1] % p, factors[2] % p)]
        # natural column i * R + r is coefficient i of (P, then Q) of term r
        candidates = np.flatnonzero(~np.concatenate(pins))
        first = np.concatenate([matrix.T.reshape(-1) for matrix in priority[1:]])
        self._natural = candidates[np.argsort(first[candidates], kind="stable")]
        self.stored = values[self._natural]
        self.columns = len(self._natural)
        self._size = terms * (dP + dQ)
        self.rows = frame.dimensions[0] * len(self.reduction.others)
        self._mask = packed(self._E.T[:, self._natural % max(1, terms)], p)
        self._slab = self._packed_slab()

    def _packed_slab(self) -> WordArray:
        """Return the rows g_n, packed; shape (planes, S, others, 8)."""
        reduction, p = self.reduction, self.p
        terms = len(self._E)
        _, dP, dQ = self._frame.dimensions
        count = len(reduction.others)
        out = aligned_words(p - 1, strips_of(self.columns), count, 8)
        P, Q = (matrix.T.astype(np.float32) for matrix in (self._P, self._Q))
        step = max(1, _CHUNK // max(1, self._size))
        for start in range(0, count, step):
            here = reduction.others[start : start + step]
            left = np.zeros((len(here), dP * dQ), dtype=np.float32)
            left[:, reduction.basis] = -reduction.dependence[start : start + step]
            left[np.arange(len(here)), here] = 1
            cube = left.reshape(len(here), dP, dQ)
            of_p = (cube.reshape(-1, dQ) @ Q).reshape(len(here), dP * terms)
            of_q = (cube.swapaxes(1, 2).reshape(-1, dP) @ P).reshape(len(here), dQ * terms)
            rows = np.concatenate([of_p, of_q], axis=1).astype(np.int16)[:, self._natural] % p
            out[:, :, start : start + step] = packed(rows, p)
        return out

    def packed_rows(self, identifiers: IntArray) -> WordArray:
        """See `System.packed_rows`."""
        count = max(1, len(self.reduction.others))
        out = aligned_words(self.p - 1, strips_of(self.columns), len(identifiers), 8)
        mask_rows(self._slab, identifiers % count, self._mask, identifiers // count, out)
        return out

    def right(self, defect: IntArray) -> Residues:
        """See `System.right`."""
        reduction = self.reduction
        known = product_modulo(defect[:, reduction.basis], reduction.dependence.T, self.p)
        return ((defect[:, reduction.others] - known) % self.p).astype(np.int8).reshape(-1)

    def step(self, unknowns: Residues, defect: IntArray) -> Factors:
        """See `System.step`; P and Q are the unknowns, E follows slab by slab through K."""
        p, terms = self.p, len(self._E)
        _, dP, dQ = self._frame.dimensions
        flat = np.zeros(self._size, dtype=np.int64)
        flat[self._natural] = unknowns
        P = flat[: terms * dP].reshape(dP, terms).T.copy()
        Q = flat[terms * dP :].reshape(dQ, terms).T.copy()
        change = (pair_products(P, self._Q) + pair_products(self._P, Q)) % p
        basis = self.reduction.basis
        rest = (defect[:, basis] - product_modulo(self._E.T, change[:, basis], p)) % p
        E = product_modulo(self.reduction.inverse, rest.T, p)
        return E, P, Q


class SelectedSystem:
    """The system of some of the coefficients; the others stay as they are.

    The factors are the scheme mod p = 2 or 3 as (E, P, Q). Their priority, three arrays of the
    same shapes, orders the unknowns: the first become pivots and move, the last stay free.
    Coefficients of infinite priority are no unknowns.
    """

    def __init__(
        self, frame: Frame, factors: Factors, p: int, priority: Sequence[FloatArray]
    ) -> None:
        self.p = p
        self._frame = frame
        E, P, Q = (matrix % p for matrix in factors)
        self._factors = E, P, Q
        pins = (np.zeros(E.shape, np.bool_), scaling_pins(P), scaling_pins(Q))
        places = [
            np.stack([np.full(len(at), slot), *at.T], axis=1)
            for slot in range(3)
            for at in [np.argwhere((priority[slot] < np.inf) & ~pins[slot])]
        ]
        found = np.concatenate(places)
        slot, term, index = found.T
        first = np.zeros(len(found))
        for s in range(3):
            first[slot == s] = priority[s][term[slot == s], index[slot == s]]
        self._places = found[np.lexsort((slot, term, first))]
        slot, term, index = self._places.T
        self.columns = len(found)
        self.rows = int(np.prod(frame.dimensions))
        self.stored = np.zeros(self.columns, dtype=np.int64)
        for s, matrix in enumerate(factors):
            self.stored[slot == s] = matrix[term[slot == s], index[slot == s]]
        # the unknowns of one coordinate stand together: lists[s][starts[s][i]:starts[s][i + 1]]
        self._lists = []
        for s, size in enumerate(frame.dimensions):
            mine = np.flatnonzero(slot == s)
            mine = mine[np.argsort(index[mine], kind="stable")]
            starts = np.searchsorted(index[mine], np.arange(size + 1))
            self._lists.append((starts, mine, term[mine]))

    def packed_rows(self, identifiers: IntArray) -> WordArray:
        """See `System.packed_rows`; row (e, p, q) is (e dP + p) dQ + q."""
        out = aligned_words(self.p - 1, strips_of(self.columns), len(identifiers), 8)
        _, dP, dQ = self._frame.dimensions
        place = np.stack([identifiers // (dP * dQ), identifiers // dQ % dP, identifiers % dQ])
        for s in range(3):
            first, second = (s + 1) % 3, (s + 2) % 3
            pair = self._factors[first], place[first], self._factors[second], place[second]
            _set_products(*self._lists[s], place[s], *pair, self.p, out)
        return out

    def right(self, defect: IntArray) -> Residues:
        """See `System.right`."""
        return defect.astype(np.int8).reshape(-1)

    def step(self, unknowns: Residues, defect: IntArray) -> Factors:
        """See `System.step`."""
        change = [np.zeros(matrix.shape, dtype=np.int64) for matrix in self._factors]
        for s in range(3):
            here = self._places[:, 0] == s
            change[s][self._places[here, 1], self._places[here, 2]] = unknowns[here]
        return change[0], change[1], change[2]


def support_first(
    factors: Factors, p: int, generator: np.random.Generator | None, zeros: float
) -> list[FloatArray]:
    """Return priorities that put nonzero coefficients before zeros.

    The generator draws the order among the nonzeros and among the zeros; without it terms keep
    theirs. `zeros` is the priority of the coefficients that are zero mod p: 1, or infinity to
    leave them out.
    """
    priority = []
    for matrix in factors:
        drawn = np.zeros(matrix.shape) if generator is None else generator.random(matrix.shape)
        priority.append(drawn + np.where(matrix % p != 0, 0.0, zeros))
    return priority


@njit
def _set_products(starts, columns, terms, place, first, first_place, second, second_place, p, out):
    """Set the packed entries of one slot's unknowns to the products of the other two slots."""
    for i in range(place.size):
        coordinate = place[i]
        for at in range(starts[coordinate], starts[coordinate + 1]):
            term = terms[at]
            value = first[term, first_place[i]] * second[term, second_place[i]] % p
            if value:
                column = columns[at]
                bit = np.uint64(1) << np.uint64(column & 63)
                out[value - 1, column >> 9, i, (column >> 6) & 7] |= bit
