"""Detect wrong products by Freivalds' check of each, and by parity checks between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flipsearch.faults.runtime.code import Code
from flipsearch.faults.runtime.work import blocks_of

VECTORS = 3  # random vectors of a check of floats


def random_reals(generator: Any, length: int, kind: Any) -> Any:
    """Return the vectors of a check of floats as columns, with entries of random sign in [1/2, 1].

    Let e be a row of errors with one entry of c tolerances. For each vector x the product e x is
    within the tolerance with probability at most 2/c: given its other entries, one entry of x must
    lie in an interval of length 2/c. Errors cancel only with this probability.
    """
    sizes = generator.uniform(0.5, 1, (length, VECTORS))
    return (sizes * generator.choice([-1, 1], (length, VECTORS))).astype(kind)


class Freivalds:
    """Check P_r = S_r T_r with random vectors x, by P_r x = sum u_a v_b A_a (B_b x).

    All A_a (B_b x) are computed once. Each product then costs one pass over it.

    Integers are checked without a tolerance. Bounded integers run exactly through float64 BLAS,
    others modulo 2^64. A wrong product passes with probability below 2^-30. If the product may
    wrap, an error that is a multiple of a high power of two passes with a somewhat higher
    probability.

    For floats the tolerance of a row is the worst case of rounding in the worker and here:
    2 (K + p + terms) eps times the norms of the operands, with inner dimension K and p columns.
    Rounding alone never fails the check. An error of one entry beyond four tolerances always fails
    it. A row of errors with an entry of c tolerances passes with probability at most
    (4/c)^`VECTORS`; see `random_reals`.

    Norms take as long as the rest of the check. Products are therefore first compared with lower
    bounds from |A_a y| / |y| and |B_b x| / |x|. The norms are computed only if a product fails
    this.
    """

    def __init__(self, code: Code, a: Any, b: Any, seed: int | None = None) -> None:
        generator = np.random.default_rng(seed)
        n, m, p = code.sides
        self._lefts, self._rights = blocks_of(a, n, m), blocks_of(b, m, p)
        self._shapes = (self._lefts[0].shape, self._rights[0].shape)
        inner, columns = self._shapes[1]
        self._code = code
        self.is_exact = a.dtype.kind == "i"
        self._bound: int | None = None
        self._x: Any
        if self.is_exact:
            sums = [max(sum(map(abs, row)) for row in side) for side in (code.left, code.right)]
            largest = [
                max(abs(int(side.max(initial=0))), abs(int(side.min(initial=0))), 1)
                for side in (a, b)
            ]
            bound = inner * math.prod(sums) * math.prod(largest)
            self._bound = bound if bound < 2**62 else None
            bits = 53 - (bound * columns).bit_length()
            if bits >= 2:
                bits = min(bits, 30)
                vectors = -(-30 // bits)
                self._x = generator.integers(0, 2**bits, (columns, vectors)).astype(np.float64)
            else:
                free = 64 - (2 * bound).bit_length() if self._bound else 1
                vectors = min(30, -(-30 // max(free, 1)))
                self._x = generator.integers(
                    -(2**63), 2**63 - 1, (columns, vectors), endpoint=True
                )
        else:
            self._x = random_reals(generator, columns, a.dtype)
        kind = self._x.dtype
        vectors = self._x.shape[1]
        with np.errstate(over="ignore"):
            images = [
                block.astype(kind, copy=False) @ self._x[: block.shape[1]]
                for block in self._rights
            ]
            stacked = np.zeros((inner, len(images) * vectors), dtype=kind)
            for j, image in enumerate(images):
                stacked[: len(image), j * vectors : (j + 1) * vectors] = image
            self._through = [
                _thin(block.astype(kind, copy=False), stacked[: block.shape[1]])
                .reshape(len(block), len(images), vectors)
                .transpose(1, 0, 2)
                for block in self._lefts
            ]
            self._norms: tuple[list[Any], list[Any]] | None = None
            if not self.is_exact:
                _require_finite(stacked, *self._through)
                self._least_norms = self._norms_at_least(stacked)

    def _norms_at_least(self, stacked: Any) -> tuple[list[Any], list[Any]]:
        """Return half of lower bounds of the norms below; the factor covers rounding."""
        lengths = np.linalg.norm(stacked.astype(np.complex128), axis=0).reshape(-1, VECTORS)
        rows = []
        for through in self._through:
            seen = np.abs(through.astype(np.complex128)) / lengths[:, None]
            rows.append(np.nan_to_num(seen, posinf=0).max(axis=(0, 2), initial=0) / 2)
        own = np.linalg.norm(self._x, axis=0)
        return rows, list((lengths / own).max(axis=1) / 2)

    def _exact_norms(self) -> tuple[list[Any], list[Any]]:
        """Return the norms of the rows of the blocks of A, and of the whole blocks of B."""
        if self._norms is None:
            self._norms = (
                [_row_norms(block) for block in self._lefts],
                [_norm(block) for block in self._rights],
            )
        return self._norms

    def is_right(self, r: int, product: Any) -> bool:
        """Return whether product r passes the check."""
        if product.shape != (self._shapes[0][0], self._shapes[1][1]):
            return False
        if self._bound is not None and product.size:
            low, high = int(product.min()), int(product.max())
            if low < -self._bound or high > self._bound:
                return False
        found = self.difference(r, product)
        if self.is_exact:
            return not found.any()
        return bool((found <= self._tolerance(r, self._least_norms)).all()) or bool(
            (found <= self._tolerance(r, self._exact_norms())).all()
        )

    def difference(self, r: int, product: Any) -> Any:
        """Return the largest |P_r x - sum u_a v_b A_a (B_b x)| of each row over the vectors x."""
        kind = self._x.dtype
        right = np.array(self._code.right[r], dtype=kind)
        with np.errstate(over="ignore", invalid="ignore"):
            difference = _thin(product.astype(kind, copy=False), self._x)
            for x, through in zip(self._code.left[r], self._through, strict=True):
                if x:
                    difference[: through.shape[1]] -= kind.type(x) * np.tensordot(
                        right, through, 1
                    )
            return np.abs(difference).max(axis=1, initial=0)

    def _tolerance(self, r: int, norms: tuple[list[Any], list[Any]]) -> Any:
        """Return the largest difference that rounding can cause in each row."""
        left, right = self._code.left[r], self._code.right[r]
        precision = np.finfo(self._x.real.dtype)
        rows = np.zeros(self._shapes[0][0])
        for x, row_norms in zip(left, norms[0], strict=True):
            rows[: len(row_norms)] += abs(x) * row_norms
        other = sum(abs(x) * norm for x, norm in zip(right, norms[1], strict=True))
        inner, columns = self._shapes[1]
        terms = sum(map(bool, left)) + sum(map(bool, right))
        factor = 2 * (inner + columns + terms) * float(precision.eps)
        return factor * math.sqrt(columns) * other * rows + precision.tiny


def _thin(block: Any, vectors: Any) -> Any:
    """Return block @ vectors for a few vectors, computed in groups of rows that fit the cache."""
    if vectors.shape[1] > 8 or block.size < 1 << 16:
        return block @ vectors
    product = np.empty((len(block), vectors.shape[1]), dtype=block.dtype)
    columns = [np.ascontiguousarray(column) for column in vectors.T]
    step = max(1, (1 << 19) // (block.shape[1] * block.itemsize))
    for start in range(0, len(block), step):
        rows = block[start : start + step]
        for c, column in enumerate(columns):
            product[start : start + step, c] = rows @ column
    return product


def _require_finite(*numbers: Any) -> None:
    if not all(np.isfinite(x).all() for x in numbers):
        raise ValueError(
            "NaN, infinity or numbers near the largest there are: check and correct cannot tell "
            "right from wrong products"
        )


def _row_norms(block: Any) -> Any:
    """Return the Euclidean norms of the rows, even if their squares overflow or vanish."""
    with np.errstate(over="ignore"):
        squares = _squares(block)
    if not 1e-200 < squares.max(initial=0) < math.inf:
        largest = float(np.abs(block).max(initial=0))
        if 0 < largest < math.inf:
            return np.sqrt(_squares(block / largest)) * largest
    return np.sqrt(squares)


def _norm(block: Any) -> float:
    rows = _row_norms(block)
    largest = float(rows.max(initial=0))
    if not 0 < largest < math.inf:
        return largest
    return largest * math.sqrt(((rows / largest) ** 2).sum())


def _squares(block: Any) -> Any:
    """Return the sums of squares of the rows, without a copy of the block."""
    if block.dtype.kind == "c":
        parts = (block.real, block.imag)
        return sum(np.einsum("ij,ij->i", part, part, dtype=np.float64) for part in parts)
    return np.einsum("ij,ij->i", block, block, dtype=np.float64)


def error_bounds(code: Code, a: Any, b: Any) -> list[float]:
    """Return a bound of each product's rounding error in the Frobenius norm; 0 for integers.

    The bound is 2 (K + terms) eps times the norms of the operands. It holds for the conventional
    product of operands that `terms` additions form.
    """
    if a.dtype.kind == "i":
        return [0.0] * code.workers
    n, m, p = code.sides
    lefts, rights = (
        [_norm(block) for block in blocks] for blocks in (blocks_of(a, n, m), blocks_of(b, m, p))
    )
    inner = -(-a.shape[1] // m)
    eps = float(np.finfo(a.real.dtype).eps)
    bounds = []
    for u, v in zip(code.left, code.right, strict=True):
        terms = sum(map(bool, u)) + sum(map(bool, v))
        x = sum(abs(c) * norm for c, norm in zip(u, lefts, strict=True))
        y = sum(abs(c) * norm for c, norm in zip(v, rights, strict=True))
        bounds.append(2 * (inner + terms) * eps * x * y)
    _require_finite(bounds)
    return bounds


def locate(
    code: Code,
    products: Mapping[int, Any],
    most: int,
    errors: Sequence[float],
    seed: int | None = None,
) -> tuple[int, ...] | None:
    """Find the smallest set of at most `most` wrong products that explains the parity checks.

    Each product is first multiplied by random vectors; see `random_reals` for floats. A set
    explains the products if all relations without it and without missing products hold within the
    rounding `errors`. None stands for no such set.
    """
    generator = np.random.default_rng(seed)
    missing = frozenset(range(code.workers)) - frozenset(products)
    first = next(iter(products.values()))
    columns = first.shape[1]
    if first.dtype.kind == "i":
        x = generator.integers(-(2**63), 2**63 - 1, (columns, 2), endpoint=True)
    else:
        x = random_reals(generator, columns, first.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        images = {r: _thin(product, x) for r, product in products.items()}
        own = {r: float(np.linalg.norm(image, axis=0).max()) for r, image in images.items()}
        for size in range(most + 1):
            for accused in itertools.combinations(sorted(products), size):
                relations = code.relations_without(missing | frozenset(accused))
                if all(_holds(relation, images, own, errors, columns) for relation in relations):
                    return accused
    return None


def _holds(
    relation: tuple[int, ...],
    images: Mapping[int, Any],
    own: Mapping[int, float],
    errors: Sequence[float],
    columns: int,
) -> bool:
    used = [r for r, x in enumerate(relation) if x]
    kind = images[used[0]].dtype
    total = sum((images[r] * kind.type(relation[r]) for r in used), np.zeros((), kind))
    if kind.kind == "i":
        return not np.any(total)
    eps = float(np.finfo(kind).eps)
    limit = sum(
        abs(relation[r]) * (math.sqrt(columns) * errors[r] + 2 * columns * eps * own[r])
        for r in used
    )
    return math.isfinite(limit) and bool((np.linalg.norm(total, axis=0) <= limit).all())
