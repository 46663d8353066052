# mypy: allow-untyped-defs
"""Additions that one greedy pass of sharing leaves of ternary forms: the energy of annealings.

The most frequent pair of terms is replaced by a new variable, ties broken at random, until no pair
occurs twice. That is `shorten_once` by its plainest strategy, fit to be called a million times:
only the number of choices is kept, and the counts of pairs are bytes in one triangle, row after
row. A new variable appends a row, and the search for the most frequent pair compares 64 bytes at a
time. Counts never rise while pairs are replaced; the largest is looked for again only when none is
left.

Row y of the triangle begins at y (y - 1): how often x + y occurs (up to sign) for x < y, then how
often x - y does. A pair in more than 255 forms counts as in 255.

Invariant: the triangle is all zeros between calls: blocks may reach beyond its end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from flipsearch.algebra.draws import next_draw
from flipsearch.algebra.jit import njit
from flipsearch.algebra.words import kth_set_bit, popcount

BLOCK = 64
"""Bytes compared at a time."""


def _equal(_context: Any, array: Any, start: Any, value: Any) -> Any:
    """Return a word whose bit k says whether byte start + k of a uint8 array is the value."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        proxy = cgutils.create_struct_proxy(signature.args[0])  # type: ignore[no-untyped-call]
        data = proxy(context, builder, arguments[0]).data
        vector = ir.VectorType(ir.IntType(8), BLOCK)
        pointer = builder.bitcast(builder.gep(data, [arguments[1]]), vector.as_pointer())
        loaded = builder.load(pointer, align=1)
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), [0] * BLOCK)
        first = builder.insert_element(
            ir.Constant(vector, ir.Undefined), arguments[2], ir.Constant(ir.IntType(32), 0)
        )
        splat = builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), everywhere)
        return builder.bitcast(builder.icmp_unsigned("==", loaded, splat), ir.IntType(64))

    return types.uint64(array, types.uint64, types.uint8), generate


_equal_bytes: Any = intrinsic(_equal)
_MOST = np.uint64(255)
_U = np.uint64
_ZERO, _ONE = np.uint64(0), np.uint64(1)


def memory_for(rows: int, inputs: int) -> Any:
    """Return work space for the energies of ternary matrices of that shape.

    The bits of each variable's rows with +1, those with -1; the triangle of counts; the rows that
    a replacement changes.
    """
    most = inputs + min(rows * inputs // 2, 4 * (rows + inputs)) + 2
    words = max(1, -(-rows // 64))
    return (
        np.zeros(most * words, np.uint64),
        np.zeros(most * words, np.uint64),
        np.zeros(most * (most - 1) + BLOCK, np.uint8),
        np.zeros(words, np.uint64),
    )


@njit
def _count(plus, minus, words, x, y, triangle):
    """Count how often x + y and x - y occur, x < y."""
    same, different = _ZERO, _ZERO
    for word in range(words):
        p, n = plus[x * words + word], minus[x * words + word]
        q, m = plus[y * words + word], minus[y * words + word]
        same += popcount(p & q) + popcount(n & m)
        different += popcount(p & m) + popcount(n & q)
    place = y * (y - _ONE) + x
    triangle[place] = min(same, _MOST)
    triangle[place + y] = min(different, _MOST)


@njit
def _meets(plus, minus, words, variable, changed):
    """Whether a variable occurs in any of the changed rows: else its counts stay."""
    met = _ZERO
    for word in range(words):
        met |= (plus[variable * words + word] | minus[variable * words + word]) & changed[word]
    return met != _ZERO


@njit
def _largest(triangle, length):
    largest = np.uint8(0)
    for place in range(length):
        largest = max(largest, triangle[place])
    return largest


@njit
def _place_of(triangle, length, wanted, state):
    """Return a random place of the triangle that holds a value, or its length if none does."""
    ties, chosen, block = _ZERO, _ZERO, length
    for start in range(_ZERO, length, _U(BLOCK)):
        here = _equal_bytes(triangle, start, wanted)
        if here:
            count = popcount(here)
            ties += count
            if (next_draw(state) >> _U(32)) * ties >> _U(32) < count:
                chosen, block = here, start
    if block == length:
        return length
    skip = (next_draw(state) >> _U(32)) * popcount(chosen) >> _U(32)
    return block + kth_set_bit(chosen, skip)


@njit
def _pair_at(place):
    """Return x < y of the pair counted at a place of the triangle, and 1 for x - y."""
    row = _U(0.5 + np.sqrt(0.25 + float(place)))
    while row * (row - _ONE) > place:
        row -= _ONE
    while row * (row + _ONE) <= place:
        row += _ONE
    rest = place - row * (row - _ONE)
    if rest >= row:
        return rest - row, row, _ONE
    return rest, row, _ZERO


@njit
def _pack(factor, plus, minus, words):
    """Set the bits of the inputs; return the additions of the rows as they are."""
    rows, inputs = factor.shape
    plus[: inputs * words] = _ZERO
    minus[: inputs * words] = _ZERO
    additions = 0
    for r in range(rows):
        bit, word = _ONE << _U(r % 64), _U(r // 64)
        terms = 0
        for x in range(inputs):
            value = factor[r, x]
            if value > 0:
                plus[_U(x) * words + word] |= bit
            elif value < 0:
                minus[_U(x) * words + word] |= bit
            terms += value != 0
        additions += max(0, terms - 1)
    return additions


@njit
def _replace(plus, minus, words, x, y, different, fresh, changed):
    """Replace a pair by a new variable wherever it occurs; return in how many rows."""
    occurrences = _ZERO
    for word in range(words):
        i, j = x * words + word, y * words + word
        q, m = plus[j], minus[j]
        if different:
            q, m = m, q
        up, down = plus[i] & q, minus[i] & m
        rest = ~(up | down)
        plus[fresh * words + word], minus[fresh * words + word] = up, down
        changed[word] = up | down
        occurrences += popcount(up | down)
        plus[i] &= rest
        minus[i] &= rest
        plus[j] &= rest
        minus[j] &= rest
    return occurrences


@njit
def energy_of(factor, memory, state):
    """Return the additions that one greedy pass leaves of the rows of a ternary matrix.

    Parameters
    ----------
    factor : int8 array, shape (rows, inputs)
        Of -1, 0, 1.
    memory
        See `memory_for`.
    state : uint64 array, shape (1,)
        Of the random numbers.
    """
    plus, minus, triangle, changed = memory
    words, variables = _U(len(changed)), _U(factor.shape[1])
    most = _U(len(plus)) // words
    additions = _pack(factor, plus, minus, words)
    for y in range(_ONE, variables):
        for x in range(y):
            _count(plus, minus, words, x, y, triangle)
    length = variables * (variables - _ONE)
    largest = _largest(triangle, length)
    while largest >= 2 and variables < most:
        place = _place_of(triangle, length, largest, state)
        if place == length:
            largest = _largest(triangle, length)
            continue
        x, y, different = _pair_at(place)
        occurrences = _replace(plus, minus, words, x, y, different, variables, changed)
        additions -= np.int64(occurrences) - 1
        triangle[place] = 0
        for z in range(variables):
            if z not in (x, y) and _meets(plus, minus, words, z, changed):
                _count(plus, minus, words, min(x, z), max(x, z), triangle)
                _count(plus, minus, words, min(y, z), max(y, z), triangle)
                _count(plus, minus, words, z, variables, triangle)
        variables += _ONE
        length = variables * (variables - _ONE)
    triangle[:length] = 0
    return additions
