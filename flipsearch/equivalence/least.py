"""Find the least image of a scheme over F2 or F3 under its symmetries, and how it is reached.

The symmetries of the n x m x p tensor are the sandwiches U -> P U Q^-1, V -> Q V R^-1,
W -> R W P^-1 and the orders of the factors (cyclic shifts and transposition) that fit the sides.
Over a small field with small sides the group can be gone through in two steps. P and Q alone
decide the first factors. They bring the first factor of a term of the rarest kind to the normal
form diag(1, .., 1, 0, ..); all terms of that kind are tried. The pairs (P, Q) that make the sorted
list of first factors least are kept and combined with every R. The canonical form is the least
sorted list of packed terms. Every choice is invariant, so the minimum names the class. Over F3
the code of a term does not depend on the spread of signs over its factors.

Invariant: `least` returns equal terms exactly for equivalent schemes, or None if the group is too
large; it never guesses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.equivalence.groups import (
    codes,
    general_linear,
    inverses,
    inverted,
    matrices_of_rank,
    order,
    stabiliser,
    to_normal,
    up_to_scalar,
)
from flipsearch.formats import MatrixProduct
from flipsearch.invariants import as_matrices
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme

Way = tuple[IntArray, IntArray, IntArray]
Pair = tuple[int, IntArray, IntArray]
Element = tuple[int, IntArray, IntArray, IntArray]
Packed = npt.NDArray[np.uint64]
MOST_PAIRS = 300_000
"""Largest number of pairs (P, Q) to try on the first factors of a scheme."""
MOST_TERMS = 20_000_000
"""Largest number of terms to compute for the remaining pairs and all R."""
LARGEST_GROUP = 25_000
_LARGEST_ENTRIES = {2: 64, 3: 40}
_CHUNK = 1 << 21


@dataclass(frozen=True)
class Least:
    """The least image of a scheme.

    Parameters
    ----------
    p : int
        The characteristic of the field, 2 or 3.
    sides : three int
        The sides n <= m <= p of the image.
    terms : uint64 array, shape (R,)
        The image, packed and sorted.
    ways : list of three integer arrays
        The orders of the factors that fit the sides, as matrices over the scheme's own ring.
    reached : list of (way, P, Q, R)
        The group elements that give the image, each up to scalars once.
    """

    p: int
    sides: tuple[int, int, int]
    terms: Packed
    ways: list[Way]
    reached: list[Element]

    @property
    def automorphisms(self) -> int:
        """The number of symmetries that map the scheme to itself, the identity included."""
        return len(self.reached)


def least(scheme: Scheme, p: int) -> Least | None:
    """Return the least image of a scheme's terms mod p, or None if that is not feasible.

    The scheme is over F_p, p 2 or 3, or of characteristic 0 without denominators and with no
    factor that is 0 mod p.
    """
    form = scheme.format
    if not isinstance(form, MatrixProduct) or not form.is_general:
        return None
    n, m, q = sorted(form.sides)
    sides = n, m, q
    if not scheme.rank or n * m + m * q + q * n > _LARGEST_ENTRIES[p]:
        return None
    if order(q, p) > LARGEST_GROUP:
        return None
    exact = tuple(as_matrices(scheme, slot) for slot in range(3))
    ways = [
        turned
        for turned in _turned(exact)
        if (turned[0].shape[1:], turned[1].shape[1:]) == ((n, m), (m, q))
    ]
    reduced: list[Way] = [(u % p, v % p, w % p) for u, v, w in ways]
    ranks = [[[to_normal(x, p)[2] for x in matrices] for matrices in way] for way in reduced]
    types = [tuple(sorted(map(int, triple))) for triple in zip(*ranks[0], strict=True)]
    if any(triple[0] == 0 for triple in types):
        return None
    chosen = _cheapest([way[0] for way in ranks], types, sides, p)
    if chosen is None:
        return None
    kind, rank = chosen
    starts = [
        (place, r)
        for place in range(len(ways))
        for r in range(scheme.rank)
        if types[r] == kind and ranks[place][0][r] == rank
    ]
    survivors = _survivors(reduced, starts, sides, rank, p)
    if len(survivors) * order(q, p) * scheme.rank > MOST_TERMS:
        return None
    best, reached = _visit(reduced, survivors, q, p)
    return Least(p, sides, best, ways, reached)


def unpacked(terms: Packed, sides: tuple[int, int, int], p: int) -> list[IntArray]:
    """Unpack terms into U, V, W with entries 0..p-1."""
    n, m, q = sides
    digits, rest = [], terms.copy()
    for _ in range(n * m + m * q + q * n):
        digits.append((rest % np.uint64(p)).astype(np.int64))
        rest = rest // np.uint64(p)
    rows = np.stack(digits[::-1], axis=1)
    return np.split(rows, [n * m, n * m + m * q], axis=1)


def images(way: Way, mover: Sequence[IntArray], p: int) -> tuple[Packed, IntArray]:
    """Pack the terms of a way's image under (P, Q, R), in the order of the way.

    Also return signs, shape (2, R): the factors 1 or -1 that turn the image's u and v into the
    packed ones.
    """
    P, Q, R = mover
    inverse = [inverted(x[None], p)[0] for x in mover]
    u, v, w = (x % p for x in way)
    a, b, d = P @ u @ inverse[1] % p, Q @ v @ inverse[2] % p, R @ w @ inverse[0] % p
    first, second = up_to_scalar(a, p), up_to_scalar(b, p)
    return _keys(first, second, b.shape[-2] * b.shape[-1], d, p), 1 - 2 * np.stack(
        [first[1], second[1]]
    )


def _turned(matrices: tuple[IntArray, ...]) -> list[Way]:
    """Return the six orders of the factors: cyclic shifts, and shifts of the transposition."""
    u, v, w = matrices
    x, y, z = (matrix.transpose(0, 2, 1) for matrix in (w, v, u))
    return [(u, v, w), (v, w, u), (w, u, v), (x, y, z), (y, z, x), (z, x, y)]


def _cheapest(
    firsts: list[list[int]], types: list[tuple[int, ...]], sides: tuple[int, int, int], p: int
) -> tuple[tuple[int, ...], int] | None:
    """Return the kind of term and the rank of its first factor with the fewest pairs, or None."""
    n, m, _ = sides
    visits: Counter[tuple[tuple[int, ...], int]] = Counter()
    for ranks in firsts:
        for kind, rank in zip(types, ranks, strict=True):
            pairs = order(n, p) * order(m, p) // matrices_of_rank(n, m, rank, p)
            visits[kind, rank] += pairs
    cost, choice = min((cost, choice) for choice, cost in visits.items())
    return choice if cost <= MOST_PAIRS else None


def _survivors(
    ways: list[Way], starts: list[tuple[int, int]], sides: tuple[int, int, int], rank: int, p: int
) -> list[Pair]:
    """Return the (way, P, Q) that make the sorted first factors least, each up to scalars once.

    `ways` are the orders of the factors, mod p. `starts` are the (way, row) of the terms whose
    first factor, of the given rank, is brought to normal form.
    """
    n, m, _ = sides
    moves = [to_normal(ways[place][0][row], p) for place, row in starts]
    first, last = (np.stack([move[side] for move in moves]) for side in range(2))
    last_inverse = inverted(last, p)
    u = np.stack([ways[place][0] for place, _ in starts])
    P, _, Q, Q_inverse = stabiliser(n, m, rank, p)
    which, pair = (x.ravel() for x in np.indices((len(starts), len(P))))
    best: list[int] | None = None
    found: dict[tuple[Any, ...], Pair] = {}
    step = max(1, _CHUNK // (u.shape[1] * n * m))
    for at in range(0, len(which), step):
        c, k = which[at : at + step], pair[at : at + step]
        left = P[k] @ first[c] % p
        firsts = left[:, None] @ u[c] @ (last[c] @ Q_inverse[k] % p)[:, None] % p
        row, places = _least_row(np.sort(up_to_scalar(firsts, p)[0].astype(np.uint64), axis=1))
        if best is None or row < best:
            best, found = row, {}
        if row > best:
            continue
        movers = left[places], Q[k[places]] @ last_inverse[c[places]] % p
        names = [up_to_scalar(matrices, p)[0].tolist() for matrices in movers]
        for place, x, y, *mover in zip(c[places].tolist(), *names, *movers, strict=True):
            found.setdefault((starts[place][0], x, y), (starts[place][0], *mover))
    return list(found.values())


def _visit(
    ways: list[Way], survivors: list[Pair], side: int, p: int
) -> tuple[Packed, list[Element]]:
    """Return the least image over all R, and the group elements that give it."""
    R, R_inverse = general_linear(side, p), inverses(side, p)
    best: list[int] | None = None
    reached: list[Element] = []
    rank, m, _ = ways[0][1].shape
    step = max(1, _CHUNK // (rank * m * side))
    together = max(1, step // len(R))
    for start in range(0, len(survivors), together):
        group = survivors[start : start + together]
        u, v, w = (np.stack([ways[place][slot] for place, _, _ in group]) for slot in range(3))
        P, Q = (
            np.stack(matrices) for matrices in zip(*((x, y) for _, x, y in group), strict=True)
        )
        a = P[:, None] @ u @ inverted(Q, p)[:, None] % p
        left = (Q[:, None] @ v % p)[:, None]
        right = (w @ inverted(P, p)[:, None] % p)[:, None]
        code, sign = (x[:, None] for x in up_to_scalar(a, p))
        for at in range(0, len(R), step):
            b = left @ R_inverse[at : at + step, None] % p
            d = R[at : at + step, None] @ right % p
            keys = _keys((code, sign), up_to_scalar(b, p), m * side, d, p)
            row, places = _least_row(np.sort(keys.reshape(-1, rank), axis=1))
            if best is None or row < best:
                best, reached = row, []
            if row == best:
                pairs = zip(*divmod(places, b.shape[1]), strict=True)
                reached += [(*group[x], R[at + y]) for x, y in pairs]
    return np.array(best, dtype=np.uint64), reached


def _keys(
    first: tuple[IntArray, IntArray],
    second: tuple[IntArray, IntArray],
    middle_digits: int,
    d: IntArray,
    p: int,
) -> Packed:
    """Pack terms from the codes and signs of u and v and from the third factors d.

    v has `middle_digits` entries. w takes the signs that the codes of u and v drop.
    """
    size = p ** (d.shape[-2] * d.shape[-1])
    plain, negated = codes(d, p)
    third = np.where(first[1] ^ second[1], negated, plain)
    middle = size * p**middle_digits
    high, low = first[0].astype(np.uint64), second[0].astype(np.uint64)
    return high * np.uint64(middle) + low * np.uint64(size) + third.astype(np.uint64)


def _least_row(keys: Packed) -> tuple[list[int], IntArray]:
    """Return the lexicographically least row and the places where it occurs."""
    places = np.arange(len(keys))
    for column in range(keys.shape[1]):
        values = keys[places, column]
        places = places[values == values.min()]
        if len(places) == 1:
            break
    row: list[int] = keys[places[0]].tolist()
    return row, places
