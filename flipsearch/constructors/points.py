"""Products of polynomials as lists of points: forms in A and in B whose products suffice.

A point is a form u in the coefficients of A and a form v in those of B. A list of points suffices
for a product if its coefficients are combinations of the products u(A) v(B). Lists come from

- Karatsuba's identity for each pair of coefficients (Karatsuba and Ofman 1962);
- two lists, for polynomials in x^b whose coefficients are polynomials of b terms;
- remainders: the product modulo coprime polynomials determines it modulo their product, and
  modulo (x - r)^e or for the e highest coefficients (the point at infinity) only e of them count;
- interpolation over Q, with points p/q of small p and q;
- formulas for 5 and 6 terms of 13 and 17 points, of Montgomery's ranks ("Five, six, and
  seven-term Karatsuba-like formulae", 2005), found by this engine.

Dynamic programming chooses the moduli. Over Z their pairwise resultants are 1 or -1.

Invariant: every list suffices over its ring. The least list of a size is made once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from itertools import combinations, count, islice, product
from typing import NamedTuple

import numpy as np

from flipsearch.rings import IntArray, Ring

Polynomial = tuple[int, ...]
"""Coefficients from the constant one up; the last is 1."""
INFINITY: Polynomial = ()
"""Stands for the modulus whose remainders are the highest coefficients."""

MOST_INTERPOLATED = 20
"""Largest sum of terms that is interpolated: beyond, coefficients exceed 64 bits."""

_INTEGRAL: tuple[Polynomial, ...] = (
    (0, 1),
    (-1, 1),
    (1, -1, 1),
    (1, -1, 0, 1),
    (1, 0, -1, 1),
    (1, -1, 1, -1, 1),
)
_FORMULAS = {
    5: "+.... .+... ..+.. ...+. ....+ ++... +.+.. ..+.+ ...++ +.-+. .++.- ++.++ +++++",
    6: ".....+ ....+- ....+. ...+-. ...+-+ .+--++ .+-.+- .+.-.+ .+.... +-.+-. +-+..- +.-.+. "
    "+.-+.- +..... +..+-- ++--++ ++....",
}


class Points(NamedTuple):
    """Forms in A and forms in B, int64 arrays of shapes (R, n) and (R, m)."""

    u: IntArray
    v: IntArray

    @property
    def rank(self) -> int:
        """The number of points."""
        return len(self.u)

    def through(self, maps: tuple[IntArray, IntArray], p: int) -> Points:
        """Return the points whose forms first map A and B by matrices; zero forms are dropped."""
        u, v = self.u @ maps[0], self.v @ maps[1]
        u, v = reduced(u, p), reduced(v, p)
        kept = u.any(axis=1) & v.any(axis=1)
        return Points(u[kept], v[kept])


def reduced(values: IntArray, p: int) -> IntArray:
    """Return the residues of least size modulo p, 2 or 3; the values themselves if p is 0."""
    return (values + p // 3) % p - p // 3 if p else values


@cache
def full(ring: Ring, n: int, m: int) -> Points:
    """Return the fewest points known for the product of polynomials of n and m terms."""
    if ring is Ring.Q and n + m <= MOST_INTERPOLATED:
        return _interpolated(n, m)
    lists = [_paired(n, m, n + m), *_formulas(n, m, ring.characteristic)]
    lists += [_nested(ring, n, m, b) for b in range(2, max(n, m))]
    if max(n, m) > 1 and ring is not Ring.Q:
        lists.append(_remainders(ring, n, m))
    return min(lists, key=lambda points: points.rank)


@cache
def truncated(ring: Ring, terms: int, n: int, m: int) -> Points:
    """Return the fewest points known for the lowest terms of a product, max(n, m) or more."""
    return min(full(ring, n, m), _paired(n, m, terms), key=lambda points: points.rank)


@cache
def modulo(ring: Ring, base: Polynomial, power: int, n: int, m: int) -> Points:
    """Return the fewest points known for the product modulo a power of a polynomial."""
    p, degree = ring.characteristic, power * max(1, len(base) - 1)
    sizes = [(min(terms, degree), terms) for terms in (n, m)]
    if len(base) > 2:
        modulus: Polynomial = (1,)
        for _ in range(power):
            modulus = _times(modulus, base, p)
        maps = [_residues(modulus, terms, p)[:, :size].T for size, terms in sizes]
        inner = full(ring, sizes[0][0], sizes[1][0])
    else:
        if base == INFINITY:
            maps = [np.eye(terms, dtype=np.int64)[::-1][:size] for size, terms in sizes]
        else:
            maps = [_shift(-base[0], size, terms) for size, terms in sizes]
        inner = truncated(ring, degree, sizes[0][0], sizes[1][0])
    return inner.through((maps[0], maps[1]), p)


def cyclic(ring: Ring, n: int) -> Points:
    """Return the fewest points known for the product modulo x^n - 1, over a field by factors."""
    lists = [full(ring, n, n)]
    if ring is not Ring.Z:
        parts = [modulo(ring, base, power, n, n) for base, power in _factors(ring, n)]
        lists.append(_joined(parts))
    return min(lists, key=lambda points: points.rank)


def _paired(n: int, m: int, terms: int) -> Points:
    """Return e_i, and e_i + e_j for each i + j below the number of terms."""
    size = max(n, m)
    unit = np.eye(size, dtype=np.int64)
    rows = [*unit, *(unit[i] + unit[j] for i, j in combinations(range(size), 2) if i + j < terms)]
    both = np.array(rows)
    return Points(both, both).through((unit[:, :n], unit[:, :m]), 0)


def _formulas(n: int, m: int, p: int) -> Iterator[Points]:
    """Yield the points of the formulas that cover n and m terms."""
    for size, text in _FORMULAS.items():
        if 3 < max(n, m) <= size:
            rows = np.array([[".+-".index(sign) for sign in row] for row in text.split()])
            rows, unit = np.where(rows == 2, -1, rows), np.eye(size, dtype=np.int64)
            yield Points(rows, rows).through((unit[:, :n], unit[:, :m]), p)


def _nested(ring: Ring, n: int, m: int, b: int) -> Points:
    """Return points for polynomials in x^b with polynomials of b terms for coefficients."""
    outer = full(ring, -(-n // b), -(-m // b))
    inner = full(ring, min(n, b), min(m, b))
    u, v = (
        np.einsum("ri,sj->rsij", rows, columns).reshape(len(rows) * len(columns), -1)
        for rows, columns in zip(outer, inner, strict=True)
    )
    unit = np.eye(max(u.shape[1], v.shape[1]), dtype=np.int64)
    maps = unit[: u.shape[1], :n], unit[: v.shape[1], :m]
    return Points(u, v).through(maps, ring.characteristic)


def _remainders(ring: Ring, n: int, m: int) -> Points:
    """Return the points of the moduli of least cost whose degrees add up to n + m - 1."""
    wanted = n + m - 1
    best: list[tuple[int, tuple[tuple[Polynomial, int], ...]] | None]
    best = [(0, ()), *[None] * wanted]
    for base in _moduli(ring, wanted):
        degree, before = max(1, len(base) - 1), list(best)
        for power in range(1, (max(n, m) - 1) // degree + 1):
            cost = modulo(ring, base, power, n, m).rank
            for done, found in enumerate(before):
                if found is not None:
                    more = found[0] + cost, (*found[1], (base, power))
                    place = min(wanted, done + power * degree)
                    known = best[place]
                    if known is None or more[0] < known[0]:
                        best[place] = more
    chosen = best[wanted]
    assert chosen is not None  # powers of x and of infinity always add up
    return _joined([modulo(ring, base, power, n, m) for base, power in chosen[1]])


def _joined(parts: list[Points]) -> Points:
    return Points(np.concatenate([p.u for p in parts]), np.concatenate([p.v for p in parts]))


def _interpolated(n: int, m: int) -> Points:
    """Return n + m - 1 points p/q, infinity among them, small p and q first."""
    pairs = [(0, 1), (1, 0)]
    for size in count(1):
        pairs += [
            (sign * a, b)
            for a, b in product(range(1, size + 1), repeat=2)
            if max(a, b) == size and math.gcd(a, b) == 1
            for sign in (1, -1)
        ]
        if len(pairs) >= n + m - 1:
            break
    chosen = pairs[: n + m - 1]
    u, v = (
        np.array([[a**i * b ** (terms - 1 - i) for i in range(terms)] for a, b in chosen])
        for terms in (n, m)
    )
    return Points(u, v)


def _moduli(ring: Ring, degree: int) -> tuple[Polynomial, ...]:
    """Return coprime polynomials, infinity first, whose degrees add up to at least `degree`.

    Over Z they are all that are known here, with resultants 1 and -1.
    """
    if ring is Ring.Z:
        return (INFINITY, *_INTEGRAL)
    found: list[Polynomial] = []
    for base in _monic(ring.characteristic):
        if sum(map(len, found)) - len(found) >= degree:
            break
        if not any(
            _divides(each, base, ring.characteristic)
            for each in found
            if 2 * len(each) <= len(base) + 1
        ):
            found.append(base)
    return (INFINITY, *found)


def _monic(p: int) -> Iterator[Polynomial]:
    """Yield the monic polynomials over F_p of degree 1, 2, ..."""
    for degree in count(1):
        yield from ((*low[::-1], 1) for low in product(range(p), repeat=degree))


def _factors(ring: Ring, n: int) -> list[tuple[Polynomial, int]]:
    """Return the irreducible factors of x^n - 1 with their powers."""
    p = ring.characteristic
    if not p:
        return [(_cyclotomic(d), 1) for d in range(1, n + 1) if n % d == 0]
    rest: Polynomial = (-1 % p, *[0] * (n - 1), 1)
    found = []
    for base in _monic(p):
        if 2 * len(base) > len(rest) + 1:
            break
        power = 0
        while _divides(base, rest, p):
            rest, power = _quotient(rest, base, p)[0], power + 1
        if power:
            found.append((base, power))
    return found if len(rest) == 1 else [*found, (rest, 1)]


def _cyclotomic(n: int) -> Polynomial:
    rest: Polynomial = (-1, *[0] * (n - 1), 1)
    for d in range(1, n):
        if n % d == 0:
            rest = _quotient(rest, _cyclotomic(d), 0)[0]
    return rest


def _times(f: Polynomial, g: Polynomial, p: int) -> Polynomial:
    values = np.convolve(np.array(f, dtype=np.int64), np.array(g, dtype=np.int64))
    return tuple(int(x) for x in (values % p if p else values))


def _quotient(f: Polynomial, g: Polynomial, p: int) -> tuple[Polynomial, Polynomial]:
    """Return quotient and remainder of a division by a monic polynomial."""
    rest, found = list(f), []
    for top in range(len(f) - len(g), -1, -1):
        factor = rest[top + len(g) - 1]
        found.append(factor)
        for i, x in enumerate(g):
            value = rest[top + i] - factor * x
            rest[top + i] = value % p if p else value
    return tuple(found[::-1]), tuple(rest[: len(g) - 1])


def _divides(g: Polynomial, f: Polynomial, p: int) -> bool:
    return len(g) <= len(f) and not any(_quotient(f, g, p)[1])


def _residues(modulus: Polynomial, terms: int, p: int) -> IntArray:
    """Return x^0, x^1, ... modulo a monic polynomial, shape (terms, degree)."""
    degree = len(modulus) - 1
    low = np.array(modulus[:degree], dtype=np.int64)
    rows = [np.eye(degree, dtype=np.int64)[0]]
    for last in islice(rows, terms - 1):  # rows grows meanwhile
        moved = np.roll(last, 1)
        moved[0] = 0
        moved -= last[-1] * low
        rows.append(moved % p if p else moved)
    return np.array(rows)


def _shift(root: int, size: int, terms: int) -> IntArray:
    """Return the map from coefficients to those in powers of x - root, shape (size, terms)."""
    return np.array(
        [
            [math.comb(j, i) * root ** (j - i) if j >= i else 0 for j in range(terms)]
            for i in range(size)
        ],
        dtype=np.int64,
    )
