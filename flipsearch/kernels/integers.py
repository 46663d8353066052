# mypy: allow-untyped-defs
"""Multiply integer matrices of any size exactly, of small types or of Python's integers.

Small integers go through floats that hold every sum. Python's integers are cut into digits of 16
bits. Their residues modulo some primes below 2^22 are one exact float product of the digits with a
table of powers. Each prime is a product of matrices (`modular`). The result is again one float
product, of residues with the digits of the primes' complements (Doliskani, Giorgi, Lebreton,
Schost, "Simultaneous conversions with the residue number system using linear algebra", 2018).

Invariant: results are the exact integers. The product of the primes is more than four times the
largest absolute value that an entry of the result can have.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.kernels.builtin import strassen_algorithm
from flipsearch.kernels.modular import product_modulo
from flipsearch.kernels.runtime.algorithm import CLASSICAL
from flipsearch.kernels.runtime.driver import multiply
from flipsearch.kernels.runtime.execute import check_threads
from flipsearch.kernels.runtime.operands import check_exact_output, integer_matrices, kept_in

LARGEST_PRIME = 2**22
"""Bound of the primes: sums of 2^13 products of residues and of digits and residues are exact."""

DIGIT = 16
"""Bits of a digit of Python's integers."""


def matmul_exact(a: Any, b: Any, out: Any = None, threads: int | None = None) -> Any:
    """Return the product of two integer matrices, never wrapped or rounded.

    Parameters
    ----------
    a, b : integer or bool matrices, shapes (M, K) and (K, N)
        Of any types, or arrays of objects that are Python's integers, of any size.
    out : array, optional
        Where to write, of any integer type that holds the result's.
    threads : int, optional
        Threads to use; by default as many as numpy's BLAS would.

    Returns
    -------
    array, shape (M, N)
        int32 for operands of at most 8 bits, int64 for wider ones, objects for objects. An entry
        that may be too large for that type raises an OverflowError.

    Raises
    ------
    TypeError, ValueError
        An operand is no matrix of integers, or `out` cannot hold the product; shapes do not fit,
        `out` is read-only, or `threads` is not positive.
    """
    check_threads(threads)
    a, b = integer_matrices(a, b, "iubO")
    bound = a.shape[1] * _largest(a) * _largest(b)
    objects = a.dtype == object or b.dtype == object
    narrow = max(a.itemsize, b.itemsize) == 1
    kind: Any = np.dtype(object if objects else np.int32 if narrow else np.int64)
    check_exact_output(out, a, b, kind)
    if not bound:
        return kept_in(out, np.zeros((a.shape[0], b.shape[1]), kind))
    if not objects and bound > np.iinfo(kind).max:
        wider = "object" if kind.itemsize == 8 else "int64"
        raise OverflowError(
            f"an entry of the product may exceed {kind}: give matrices of type {wider}"
        )
    if bound < 2**63 - 1:
        product = _in_words(a, b, bound, threads)
        whole = product.astype(np.int64 if objects else kind, copy=False)
        return kept_in(out, whole.astype(kind, copy=False))
    return kept_in(out, _by_residues(a, b, bound, threads))


def _largest(matrix: Any) -> int:
    """Return the largest absolute value of an entry, as a Python integer."""
    if matrix.dtype == object and not all(isinstance(x, int | np.integer) for x in matrix.flat):
        raise TypeError("operands are matrices of integers: these objects are others")
    if matrix.size == 0:
        return 0
    return max(int(matrix.max()), -int(matrix.min()))


def _in_words(a: Any, b: Any, bound: int, threads: int | None) -> Any:
    """Return a product of which no entry exceeds int64, in float32 where that is exact."""
    is_small = bound < 2**24
    left, right = (x.astype(np.float32 if is_small else np.int64) for x in (a, b))
    algorithm = CLASSICAL if is_small else strassen_algorithm()
    return multiply(algorithm, left, right, None, threads)


def _by_residues(a: Any, b: Any, bound: int, threads: int | None) -> Any:
    """Return the product of matrices of Python's integers modulo enough primes."""
    primes = _primes_beyond(4 * bound + 1)
    residues = [_residues(x, primes) for x in (a, b)]
    shape = (a.shape[0], b.shape[1])
    found = np.empty((len(primes), shape[0] * shape[1]))
    for row, prime, left, right in zip(found, primes, *residues, strict=True):
        product = product_modulo(left.reshape(a.shape), right.reshape(b.shape), prime, threads)
        row[:] = product.ravel()
    return _from_residues(found, primes).reshape(shape)


def _primes_beyond(bound: int) -> tuple[int, ...]:
    """Return the largest primes below `LARGEST_PRIME` whose product reaches the bound."""
    product, primes = 1, list[int]()
    for prime in _primes():
        if product >= bound:
            return tuple(primes)
        primes.append(prime)
        product *= prime
    raise UsageError("the integers are too long: entries of the product exceed 2^3000000")


@lru_cache(maxsize=1)
def _primes() -> list[int]:
    """Return the primes from 2^21 to 2^22, the largest first."""
    sieve = np.ones(LARGEST_PRIME, dtype=bool)
    for step in range(2, math.isqrt(LARGEST_PRIME) + 1):
        if sieve[step]:
            sieve[step * step :: step] = False
    return (np.flatnonzero(sieve[LARGEST_PRIME // 2 :])[::-1] + LARGEST_PRIME // 2).tolist()


def _reduce(values: Any, primes: tuple[int, ...]) -> Any:
    """Return rows of exact floats reduced in place, row i modulo prime i, to prime / 2 + 1."""
    below = np.array(primes, float)[:, None]
    values -= below * np.rint(values / below)
    return values


def _residues(matrix: Any, primes: tuple[int, ...]) -> Any:
    """Return the balanced residues of the entries, a row a prime."""
    entries = [int(x) for x in matrix.flat]
    length = max(x.bit_length() for x in entries) // DIGIT + 1
    text = b"".join(x.to_bytes(2 * length, "little", signed=True) for x in entries)
    digits = np.frombuffer(text, "<u2").reshape(-1, length).T.astype(float)
    digits[-1] -= 2.0**DIGIT * (digits[-1] >= 2 ** (DIGIT - 1))  # the sign
    powers = [[pow(2, DIGIT * i, p) for i in range(length)] for p in primes]
    table = _reduce(np.array(powers, float), primes)
    total = np.zeros((len(primes), len(entries)))
    for start in range(0, length, 2**13):
        part = slice(start, start + 2**13)
        total = _reduce(total + table[:, part] @ digits[part], primes)
    return total


def _from_residues(residues: Any, primes: tuple[int, ...]) -> Any:
    """Return the integers of least absolute value with such residues, as objects.

    With M the product of the primes an integer is sum c_p M/p - q M, where c_p is its residue
    times the inverse of M/p modulo p, and q the nearest integer to sum c_p / p.
    """
    whole = math.prod(primes)
    inverses = np.array([pow(whole // p, -1, p) for p in primes], float)[:, None]
    shares = _reduce(residues * inverses, primes)
    quotients = np.rint((shares / np.array(primes, float)[:, None]).sum(axis=0))
    length = whole.bit_length() // DIGIT + 2
    rows = [(whole // p).to_bytes(2 * length, "little") for p in primes]
    table = np.frombuffer(b"".join([*rows, whole.to_bytes(2 * length, "little")]), "<u2")
    table = table.reshape(-1, length).astype(float)
    factors = np.vstack([shares, -quotients])
    digits = np.zeros((length, factors.shape[1]), np.int64)
    for start in range(0, len(factors), 2**13):
        part = slice(start, start + 2**13)
        digits += (table[part].T @ factors[part]).astype(np.int64)
    for place in range(length - 1):
        digits[place + 1] += digits[place] >> DIGIT
    text = np.ascontiguousarray((digits & (2**DIGIT - 1)).astype("<u2").T).tobytes()
    step = 2 * length
    out = np.empty(digits.shape[1], object)
    out[:] = [
        int.from_bytes(text[x : x + step], "little", signed=True)
        for x in range(0, len(text), step)
    ]
    return out
