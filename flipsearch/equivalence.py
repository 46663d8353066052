"""Equivalence: one name for all schemes that symmetries turn into each other, where feasible.

The symmetries of the n x m x p tensor are the sandwiches U -> P U Q^-1, V -> Q V R^-1,
W -> R W P^-1 and the orders of the factors (cyclic shifts and transposition) that fit the sides.
Over F2 with small sides the group can be gone through: the canonical form is the least sorted list
of packed terms over it. Not all of it is visited: some term's first factor is brought to the
normal form diag(1, .., 1, 0, ..), the kind of term being chosen by how few there are; that choice
is itself invariant, so the minimum over the elements that achieve it names the class.

Invariant: `canonical` returns equal arrays exactly for equivalent schemes, or None where the
group is too large; it never guesses.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.formats import MatrixProduct
from flipsearch.invariants import Invariants, as_matrices, invariants, matrix_rank
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme

Way = tuple[IntArray, IntArray, IntArray]
Packed = npt.NDArray[np.uint64]
LARGEST_SIDE = 4
LARGEST_VISIT = 4_000_000
_CHUNK = 1 << 21


@dataclass(frozen=True)
class Orbit:
    """A scheme's equivalence class.

    Parameters
    ----------
    key : str or None
        Name of the class, 64 hex digits, equal exactly for equivalent schemes; None where the
        group is too large to go through.
    automorphisms : int or None
        Symmetries that map the scheme to itself, the identity included.
    size : int or None
        Schemes in the class.
    invariants : Invariants
        Known in any case.
    """

    key: str | None
    automorphisms: int | None
    size: int | None
    invariants: Invariants

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "class": self.key,
            "automorphisms": self.automorphisms,
            "orbit_size": self.size,
            **self.invariants.to_dict(),
        }


def orbit(scheme: Scheme) -> Orbit:
    """Return what is known of a scheme's class: exactly where feasible, invariants in any case."""
    found = _least(scheme)
    if found is None:
        return Orbit(None, None, None, invariants(scheme))
    sides, terms, automorphisms = found
    order = 1
    for side in sides:
        order *= len(_general_linear(side))
    order *= sum(tuple(sides[k] for k in way) == sides for way in permutations(range(3)))
    return Orbit(_name(sides, terms), automorphisms, order // automorphisms, invariants(scheme))


def class_key(scheme: Scheme) -> str | None:
    """Return the name of the scheme's equivalence class, or None where it is not feasible.

    Feasible over F2 for general formats with sides up to 3 and with a few up to 4, as long as
    `LARGEST_VISIT` group elements do.
    """
    found = _least(scheme)
    return None if found is None else _name(*found[:2])


def canonical(scheme: Scheme) -> Scheme | None:
    """Return the least scheme of the class, its sides in ascending order, or None.

    Equal results mean equivalent schemes, different results inequivalent ones.
    """
    found = _least(scheme)
    if found is None:
        return None
    (n, m, p), terms, _ = found
    form = MatrixProduct(n, m, p)
    rows, shift = [], 0
    for dimension in reversed(form.dimensions):
        bits = np.arange(dimension - 1, -1, -1, dtype=np.uint64) + np.uint64(shift)
        rows.append(((terms[:, None] >> bits) & np.uint64(1)).astype(np.int64))
        shift += dimension
    w, v, u = rows
    return Scheme(form, Ring.F2, u, v, w)


def _name(sides: tuple[int, ...], terms: Packed) -> str:
    text = f"flipsearch class 1 F2 {sides} {terms.tolist()}"
    return hashlib.sha256(text.encode()).hexdigest()


def _least(scheme: Scheme) -> tuple[tuple[int, int, int], Packed, int] | None:
    """Return the sorted sides, the least sorted terms, and the number of automorphisms."""
    form = scheme.format
    if scheme.ring is not Ring.F2 or not isinstance(form, MatrixProduct):
        return None
    if not form.is_general or form.corner or max(form.sides) > LARGEST_SIDE or not scheme.rank:
        return None
    n, m, p = sorted(form.sides)
    matrices = tuple(as_matrices(scheme, slot) for slot in range(3))
    ways = [
        turned
        for turned in _turned(matrices)
        if (turned[0].shape[1:], turned[1].shape[1:]) == ((n, m), (m, p))
    ]
    ranks = [np.array([matrix_rank(x, 2) for x in matrix]) for matrix in matrices]
    types = [tuple(sorted(map(int, triple))) for triple in zip(*ranks, strict=True)]
    if any(triple[0] == 0 for triple in types):
        return None
    chosen = _cheapest(ways, types, (n, m, p))
    if chosen is None:
        return None
    kind, rank = chosen
    starts = [
        (way, r)
        for way in ways
        for r in range(scheme.rank)
        if types[r] == kind and matrix_rank(way[0][r], 2) == rank
    ]
    best, count = _visit(starts, (n, m, p), rank)
    return (n, m, p), best, count // _marked(best, (n, m, p), kind, rank)


def _turned(matrices: tuple[IntArray, ...]) -> list[Way]:
    """Return the six orders of the factors: cyclic shifts, and their transposes reversed."""
    u, v, w = matrices
    x, y, z = (matrix.transpose(0, 2, 1) for matrix in (w, v, u))
    return [(u, v, w), (v, w, u), (w, u, v), (x, y, z), (y, z, x), (z, x, y)]


def _cheapest(
    ways: list[Way],
    types: list[tuple[int, ...]],
    sides: tuple[int, int, int],
) -> tuple[tuple[int, ...], int] | None:
    """Return the kind of term and the rank of its first factor that cost least, or None."""
    n, m, p = sides
    visits: Counter[tuple[tuple[int, ...], int]] = Counter()
    for way in ways:
        for kind, matrix in zip(types, way[0], strict=True):
            rank = matrix_rank(matrix, 2)
            pairs = _order(n) * _order(m) // _matrices_of_rank(n, m, rank)
            visits[kind, rank] += pairs * _order(p)
    cost, choice = min((cost, choice) for choice, cost in visits.items())
    return choice if cost <= LARGEST_VISIT else None


def _order(side: int) -> int:
    """Return the number of invertible matrices over F2."""
    product = 1
    for k in range(side):
        product *= 2**side - 2**k
    return product


def _matrices_of_rank(n: int, m: int, rank: int) -> int:
    top = bottom = 1
    for k in range(rank):
        top *= (2**n - 2**k) * (2**m - 2**k)
        bottom *= 2**rank - 2**k
    return top // bottom


@lru_cache(maxsize=LARGEST_SIDE)
def _general_linear(side: int) -> IntArray:
    """Return all invertible matrices over F2, shape (N, side, side)."""
    rows = (np.arange(2**side)[:, None] >> np.arange(side)) & 1
    found: list[list[int]] = [[]]
    for _ in range(side):
        longer = []
        for taken in found:
            span = {0}
            for row in taken:
                span |= {x ^ row for x in span}
            longer += [[*taken, row] for row in range(2**side) if row not in span]
        found = longer
    return rows[np.array(found)].astype(np.int64)


@lru_cache(maxsize=LARGEST_SIDE)
def _inverses(side: int) -> IntArray:
    """Return the inverses of `_general_linear`, in its order."""
    group = _general_linear(side)
    augmented = np.concatenate(
        [group, np.broadcast_to(np.eye(side, dtype=np.int64), group.shape)], axis=2
    )
    every = np.arange(len(group))
    for column in range(side):
        pivot = column + augmented[:, column:, column].argmax(axis=1)
        swapped = augmented[every, pivot].copy()
        augmented[every, pivot] = augmented[:, column]
        augmented[:, column] = swapped
        others = augmented[:, :, column].copy()
        others[:, column] = 0
        augmented ^= others[:, :, None] * swapped[:, None, :]
    return augmented[:, :, side:]


@lru_cache(maxsize=64)
def _stabiliser(n: int, m: int, rank: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return P, P^-1, Q, Q^-1 of all pairs with P E Q^-1 = E, E the normal form of a rank."""
    normal = _normal(n, m, rank)
    left = (_general_linear(n) @ normal) % 2
    right = (normal @ _general_linear(m)) % 2
    codes_left, codes_right = (
        x.reshape(len(x), -1) @ (1 << np.arange(n * m)) for x in (left, right)
    )
    order = np.argsort(codes_right, kind="stable")
    starts = np.searchsorted(codes_right[order], codes_left, side="left")
    ends = np.searchsorted(codes_right[order], codes_left, side="right")
    i = np.repeat(np.arange(len(left)), ends - starts)
    offsets = np.arange(len(i)) - np.repeat(
        np.cumsum(ends - starts) - (ends - starts), ends - starts
    )
    j = order[np.repeat(starts, ends - starts) + offsets]
    return _general_linear(n)[i], _inverses(n)[i], _general_linear(m)[j], _inverses(m)[j]


def _normal(n: int, m: int, rank: int) -> IntArray:
    normal = np.zeros((n, m), dtype=np.int64)
    normal[np.arange(rank), np.arange(rank)] = 1
    return normal


def _to_normal(matrix: IntArray) -> tuple[IntArray, IntArray]:
    """Return invertible P and Q^-1 with P matrix Q^-1 = diag(1, .., 1, 0, ..) over F2."""
    n, m = matrix.shape
    work, P, inverse = matrix.copy(), np.eye(n, dtype=np.int64), np.eye(m, dtype=np.int64)
    rank = 0
    while (left := np.argwhere(work[rank:, rank:])).size:
        i, j = left[0] + rank
        for target in (work, P):
            target[[rank, i]] = target[[i, rank]]
        for target in (work, inverse):
            target[:, [rank, j]] = target[:, [j, rank]]
        for r in range(n):
            if r != rank and work[r, rank]:
                work[r] ^= work[rank]
                P[r] ^= P[rank]
        for c in range(m):
            if c != rank and work[rank, c]:
                work[:, c] ^= work[:, rank]
                inverse[:, c] ^= inverse[:, rank]
        rank += 1
    return P, inverse


def _visit(
    starts: list[tuple[Way, int]], sides: tuple[int, int, int], rank: int
) -> tuple[Packed, int]:
    """Return the least image with a chosen first factor normal, and how often it occurs.

    Parameters
    ----------
    starts : list of (way, row)
        Orders of the factors, and the term whose first factor is made normal in each.
    sides : three int
        n <= m <= p.
    rank : int
        Of those first factors.
    """
    n, m, p = sides
    moves = [_to_normal(way[0][row]) for way, row in starts]
    first, last = (np.stack(matrices) for matrices in zip(*moves, strict=True))
    first_inverse, last_inverse = (
        np.stack([_inverse(x) for x in matrices]) for matrices in (first, last)
    )
    u, v, w = (np.stack([way[slot] for way, _ in starts]) for slot in range(3))
    P, P_inverse, Q, Q_inverse = _stabiliser(n, m, rank)
    R, R_inverse = _general_linear(p), _inverses(p)
    which, pair = (x.ravel() for x in np.indices((len(starts), len(P))))
    best: Packed | None = None
    count = 0
    step = max(1, _CHUNK // (len(R) * u.shape[1] * m * p))
    for at in range(0, len(which), step):
        c, k = which[at : at + step], pair[at : at + step]
        a = (P[k] @ first[c])[:, None] @ u[c] @ (last[c] @ Q_inverse[k])[:, None]
        left = ((Q[k] @ last_inverse[c])[:, None] @ v[c]) % 2
        b = left[:, None] @ R_inverse[None, :, None]
        right = (w[c] @ (first_inverse[c] @ P_inverse[k])[:, None]) % 2
        d = R[None, :, None] @ right[:, None]
        keys = _packed(a % 2)[:, None] << np.uint64(m * p + n * p)
        keys = keys | (_packed(b % 2) << np.uint64(n * p)) | _packed(d % 2)
        least, times = _least_row(np.sort(keys.reshape(-1, u.shape[1]), axis=1))
        verdict = -1 if best is None else _compare(least, best)
        if verdict < 0:
            best, count = least, times
        elif verdict == 0:
            count += times
    assert best is not None
    return best, count


def _inverse(matrix: IntArray) -> IntArray:
    side = len(matrix)
    group = _general_linear(side)
    place = np.flatnonzero((group == matrix).all(axis=(1, 2)))[0]
    inverse: IntArray = _inverses(side)[place]
    return inverse


def _packed(matrices: IntArray) -> Packed:
    """Pack matrices over F2 into integers, the first entry highest."""
    flat = matrices.reshape(*matrices.shape[:-2], -1)
    weights = (1 << np.arange(flat.shape[-1] - 1, -1, -1)).astype(np.int64)
    return (flat @ weights).astype(np.uint64)


def _least_row(keys: Packed) -> tuple[Packed, int]:
    """Return the lexicographically least row and how often it occurs."""
    for column in range(keys.shape[1]):
        keys = keys[keys[:, column] == keys[:, column].min()]
        if len(keys) == 1:
            break
    return keys[0], len(keys)


def _compare(left: Packed, right: Packed) -> int:
    differs = np.flatnonzero(left != right)
    if not differs.size:
        return 0
    return -1 if left[differs[0]] < right[differs[0]] else 1


def _marked(terms: Packed, sides: tuple[int, int, int], kind: tuple[int, ...], rank: int) -> int:
    """Return how many terms of a kind have the normal form as first factor.

    Every symmetry onto the least form was met once for each of them.
    """
    n, m, p = sides
    normal = int(_packed(_normal(n, m, rank)))
    count = 0
    for term in terms.tolist():
        if term >> (m * p + n * p) != normal:
            continue
        shapes = ((n, m), (m, p), (p, n))
        shifts = (m * p + n * p, n * p, 0)
        ranks = []
        for (rows, columns), shift in zip(shapes, shifts, strict=True):
            bits = (term >> shift) & ((1 << rows * columns) - 1)
            flat = [(bits >> k) & 1 for k in range(rows * columns - 1, -1, -1)]
            ranks.append(matrix_rank(np.array(flat).reshape(rows, columns), 2))
        count += tuple(sorted(ranks)) == kind
    return count
