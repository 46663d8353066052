"""Prove the claims of a file: its format, ring and orientation.

A reader of a file format only extracts a `Claim`: three factor matrices, and the file's statements
about them. `settle` decides. It tries these statements first, then the other orientation of W
(files hold the output matrix transposed or not), then the finite fields. It returns the first
reading that satisfies all Brent equations. Of a file without a format all formats that fit are
tried. If several hold, the name of the file decides.

Invariant: `settle` returns only schemes that `flipsearch.verify` has proved. A screen evaluates
both sides first, at points modulo a small prime. It can only reject wrong claims. It therefore
costs no scheme, and it bounds the time spent on hostile input.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flipsearch.errors import FormatError, InvalidSchemeError
from flipsearch.files.limits import check_rank, check_time
from flipsearch.files.numbers import Table
from flipsearch.formats import Format, MatrixProduct
from flipsearch.normal import LARGEST_COEFFICIENT
from flipsearch.programs import Program
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import prove_and_seal

_SCREEN = {0: (8191, 2), 2: (2, 16), 3: (3, 12)}
_SMALL = 1 << 10
_BY_ACCIDENT = 36
"""Brent equations that numbers without a word have to satisfy to be taken for a scheme."""
_SIZES = re.compile(r"(?<![\dx])\d{1,2}x\d{1,2}x\d{1,2}(?![\dx])")
_EXPLAINABLE = 2 * 10**9
_MOST_PRODUCTS = 5 * 10**12
_MOST_LONG_PRODUCTS = 2 * 10**7
_GROWING = (Ring.ZT, Ring.Z, Ring.Q)
TRANSPOSED = "C transposed"
PLAIN = "C"


@dataclass(frozen=True)
class Claim:
    """Three factors as a file gives them.

    `u`, `v` and `w` are integer arrays of shapes (R, dU), (R, dV) and (R, dW), the numerators in
    the file's own orientation of W. `denominators` are R positive integers, those of the terms.
    `ring` is tried first; it is None unless the file names one. `order` is the orientation of W
    usual for this kind of file, tried first too. `meta` is the provenance that the file carries,
    and `programs` (left, right, output) are the programs that it holds. `said` tells whether the
    file says that it holds a scheme of this format. Otherwise the format has to be the only one
    that fits, and too large to fit by accident.
    """

    format: Format
    u: IntArray
    v: IntArray
    w: IntArray
    denominators: tuple[int, ...] | None = None
    ring: Ring | None = None
    order: str = TRANSPOSED
    meta: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[Program, Program, Program] | None = None
    said: bool = True


@dataclass(frozen=True)
class Settled:
    """A proved scheme, the orientation of W that held, and further values of the file."""

    scheme: Scheme
    order: str
    meta: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[Program, Program, Program] | None = None


def terms_of(format_: Format, tables: Iterable[Table], **said: Any) -> Claim:
    """Return the claim of three factors, R x d each, with further statements of the file."""
    tables = list(tables)
    ranks = {table.shape[0] for table in tables}
    if len(ranks) != 1:
        raise FormatError("U, V and W have different numbers of products")
    check_rank(format_, *ranks)
    for name, table, dimension in zip("UVW", tables, format_.dimensions, strict=True):
        if table.shape[1] != dimension:
            raise FormatError(
                f"a row of {name} has {table.shape[1]} entries instead of {dimension}"
            )
    (u, *us), (v, *vs), (w, *ws) = (table.integers() for table in tables)
    below = tuple(math.prod(row) for row in zip(*us, *vs, *ws, strict=True))
    for matrix in (u, v, w):
        if matrix.size and max(int(matrix.max()), -int(matrix.min())) >= LARGEST_COEFFICIENT:
            raise FormatError("a coefficient is 2^62 or more in absolute value")
    return Claim(format_, u, v, w, below if any(d != 1 for d in below) else None, **said)


def settle(
    claims: Iterable[Claim],
    ring: Ring | None = None,
    format_: Format | None = None,
    source: str = "",
) -> Settled:
    """Return the one reading of the claims that is a scheme, proved.

    `claims` are alternative readings of one file, best first. Without a ring the scheme's is
    found: characteristic 0, then F2, then F3; Z includes ZT, and Q both. A format in `source`, the
    name of the file, decides between readings that all hold.

    If no reading satisfies the Brent equations, an `InvalidSchemeError` is raised. A `FormatError`
    says that the entries cannot be those of a scheme at all, not be verified in reasonable time,
    or that several formats fit.
    """
    first: Claim | None = None
    found: dict[str, Settled] = {}
    shapes: list[tuple[int, ...]] = []  # of the first reading that held: others differ by accident
    named = _SIZES.findall(source)
    for claim in claims:
        name = str(claim.format)
        asked = format_ is None or claim.format == format_
        if first is None or (asked and format_ not in (None, first.format)):
            first = claim
        here = [matrix.shape for matrix in (claim.u, claim.v, claim.w)]
        if not asked or name in found or (shapes and here != shapes):
            continue
        settled = _settled(claim, ring)
        if settled is None:
            continue
        if claim.said or format_ is not None or name in named:
            return settled
        found[name], shapes = settled, here
    if first is None:
        raise FormatError("its length fits no format")
    if format_ not in (None, first.format):
        raise FormatError(
            f"it is for {first.format}, not for {format_}"
            if first.said
            else f"its numbers are not as many as a scheme for {format_} has"
        )
    if not found:
        raise InvalidSchemeError(_why(first, ring))
    (settled, *others) = found.values()
    name = str(settled.scheme.format)
    if math.prod(settled.scheme.format.dimensions) < _BY_ACCIDENT:
        raise FormatError(
            f"so few numbers may be a scheme for {name} by accident: if they are one, add "
            f"--format {name}"
        )
    if others:
        raise FormatError(
            f"it does not say what it is for, and {' and '.join(found)} fit: name one, --format "
            f"{name}"
        )
    return settled


def _settled(claim: Claim, ring: Ring | None) -> Settled | None:
    """Return the first reading of a claim that is a scheme, proved."""
    for order, w in _orders(claim):
        for target in _rings(claim, ring):
            check_time()
            try:
                scheme = _reading(claim, w, target)
            except InvalidSchemeError:
                continue
            if scheme is not None:
                return Settled(scheme, order, claim.meta, claim.programs)
    return None


def _orders(claim: Claim) -> Iterator[tuple[str, IntArray]]:
    """Yield the claim's orientation of W, then the other one, as (name, transposed W)."""
    form = claim.format
    if not isinstance(form, MatrixProduct) or form.is_packed_output or 1 in (form.n, form.p):
        yield claim.order, claim.w
        return
    rows, columns = form.n, form.p
    plain = claim.w.reshape(-1, rows, columns).transpose(0, 2, 1).reshape(claim.w.shape)
    both = [(TRANSPOSED, claim.w), (PLAIN, plain)]
    yield from both if claim.order == TRANSPOSED else reversed(both)


def _rings(claim: Claim, ring: Ring | None) -> list[Ring]:
    """Return the rings to try, Q standing for characteristic 0.

    A finite field that nobody named is tried for residues only: large coefficients or fractions
    that happen to fit modulo 3 are an invalid scheme, not one over F3.
    """
    if ring is not None:
        return [ring]
    largest = max(int(np.abs(m).max(initial=1)) for m in (claim.u, claim.v, claim.w))
    fields = [] if claim.denominators else [Ring.F2, Ring.F3][largest - 1 :]
    tried = [claim.ring] if claim.ring is not None else []
    return tried + [other for other in (Ring.Q, *fields) if other not in tried]


def _reading(claim: Claim, w: IntArray, ring: Ring) -> Scheme | None:
    """Return the proved scheme of a reading, or None if its entries are none; raise as `prove`."""
    if not _plausible(claim, w, ring.characteristic):
        return None
    factors = (claim.u, claim.v, w)
    try:
        if claim.denominators is None:
            base = Ring.Z if ring in (Ring.Q, Ring.ZT) else ring
            scheme = Scheme(claim.format, base, *map(base.balanced, factors))
        else:
            below = np.array(claim.denominators, dtype=np.int64)
            scheme = Scheme(claim.format, Ring.Q, *factors, denominators=below)
            scheme = scheme.over(ring) if ring.characteristic else scheme.canonical
        if not ring.characteristic:
            natural = scheme.natural_ring
            if _GROWING.index(natural) > _GROWING.index(ring):
                return None
            scheme = _within(scheme, natural, ring, claim)
    except (FormatError, OverflowError):
        return None
    prove(scheme)
    return scheme


def prove(scheme: Scheme) -> None:
    """Verify a scheme that a file holds, in bounded time.

    A Brent equation that fails raises an `InvalidSchemeError`. If only hours of long arithmetic
    could tell, a `FormatError` is raised.
    """
    if not _is_affordable(scheme):
        raise FormatError("its coefficients are too many or too large to be verified in time")
    prove_and_seal(scheme)


def _is_affordable(scheme: Scheme) -> bool:
    """Return whether the Brent equations take minutes at most, in floats or long integers."""
    if np.count_nonzero(scheme.u) * math.prod(scheme.format.dimensions[1:]) > _MOST_PRODUCTS:
        return False
    counts = [np.count_nonzero(matrix, axis=1).astype(np.float64) for matrix in scheme.factors]
    work = float((counts[0] * counts[1] * counts[2]).sum())
    if work <= _MOST_LONG_PRODUCTS / 1000:
        return True
    scale = math.lcm(1, *scheme.denominators.tolist())
    largest = [np.abs(matrix).max(axis=1).tolist() for matrix in scheme.factors]
    terms = zip(*largest, scheme.denominators.tolist(), strict=True)
    bound = sum(a * b * c * (scale // d) for a, b, c, d in terms)
    bits = max(bound, scale << 8).bit_length()
    return bits < 52 or work * (1 + bits / 1000) <= _MOST_LONG_PRODUCTS


def _within(scheme: Scheme, natural: Ring, ring: Ring, claim: Claim) -> Scheme:
    """Return the scheme over the ring that the file names, otherwise over its natural one."""
    if natural is Ring.ZT and not all(Ring.ZT.contains(m) for m in scheme.factors):
        scheme = scheme.canonical
    asked = ring if claim.ring is ring else natural
    if scheme.ring is Ring.Q and asked is not Ring.Q:
        scheme = scheme.canonical
    return scheme.over(asked)


def _plausible(claim: Claim, w: IntArray, characteristic: int) -> bool:
    """Return whether both sides agree at random points; False proves that the claim is wrong."""
    prime, points = _SCREEN[characteristic]
    below = claim.denominators
    if below is not None and any(d % prime == 0 for d in below):
        return characteristic == 0
    generator = np.random.default_rng(20250)
    values = [
        generator.integers(0, prime, size=(matrix.shape[1], points)).astype(np.float64)
        for matrix in (claim.u, claim.v, w)
    ]
    product = np.ones((len(w), points))
    for matrix, x in zip((claim.u, claim.v, w), values, strict=True):
        if matrix.size and (matrix.max() > _SMALL or matrix.min() < -_SMALL):
            matrix = np.remainder(matrix, prime)  # sums below stay exact: 2^13 2^13 2^8
        product = np.remainder(product * np.remainder(matrix.astype(np.float64) @ x, prime), prime)
    if below is not None:
        inverse = np.array([pow(d, -1, prime) for d in below], dtype=np.float64)
        product = np.remainder(product * inverse[:, None], prime)
    target = claim.format.target
    expected = np.ones((len(target), points))
    for column, x in enumerate(values):
        expected = np.remainder(expected * x[target[:, column]], prime)
    expected = expected * np.remainder(target[:, 3], prime)[:, None]
    difference = np.remainder(product.sum(axis=0) - expected.sum(axis=0), prime)
    return not difference.any()


def _why(claim: Claim, ring: Ring | None) -> str:
    """Return the reason of a failure: the first Brent equation, if that is cheap to find."""
    whole = Ring.Z if claim.denominators is None else Ring.Q
    over = " or ".join(str(whole if r is Ring.Q and not ring else r) for r in _rings(claim, ring))
    form = claim.format
    text = f"not a scheme for {form} over {over}, W transposed or not"
    u, v, w = form.dimensions
    order, matrix = next(_orders(claim))
    if u * v * w * len(claim.u) > _EXPLAINABLE:
        return text
    try:
        scheme = Scheme(
            form,
            Ring.Q if claim.denominators else Ring.Z,
            claim.u,
            claim.v,
            matrix,
            denominators=np.array(claim.denominators or [1] * len(claim.u), dtype=np.int64),
        )
        prove(scheme)
    except InvalidSchemeError as error:
        return f"{text} ({order}: {str(error).split(': ', 1)[-1]})"
    except (FormatError, OverflowError):
        return text
    return text
