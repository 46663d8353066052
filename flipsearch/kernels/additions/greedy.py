# mypy: allow-untyped-defs
"""Find common subexpressions of ternary linear forms by randomised greedy choice, compiled.

Each variable is two sets of rows, as bits: where its coefficient is +1 and where -1. A pair (x, y,
sign) occurs in popcount(P_x & P_y) + popcount(N_x & N_y) rows as x + y (up to sign) and in
popcount(P_x & N_y) + popcount(N_x & P_y) rows as x - y. Replacing it by a fresh variable in c rows
saves c - 1 additions. The strategy chooses the next pair: the most frequent one; one drawn by
weight; or, among the most frequent, the one that leaves the most sharing (potential) behind.

Invariant: after every replacement the rows still sum to the same forms; `tests` compare with a
plain implementation pair by pair.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.draws import next_draw
from flipsearch.algebra.jit import njit
from flipsearch.algebra.words import popcount

CANDIDATES = 8
"""Pairs whose potential is tried out at each step."""


@njit
def _occurrences(plus, minus, x, y):
    """Return in how many rows x + y and x - y occur, up to sign."""
    same, different = np.int64(0), np.int64(0)
    for word in range(plus.shape[1]):
        p, n, q, m = plus[x, word], minus[x, word], plus[y, word], minus[y, word]
        same += np.int64(popcount(p & q) + popcount(n & m))
        different += np.int64(popcount(p & m) + popcount(n & q))
    return same, different


@njit
def _replace(plus, minus, x, y, sign, fresh):
    """Replace x + y (sign 0) or x - y (sign 1) by the variable `fresh` wherever it occurs."""
    for word in range(plus.shape[1]):
        q, m = plus[y, word], minus[y, word]
        if sign:
            q, m = m, q
        up, down = plus[x, word] & q, minus[x, word] & m
        both = up | down
        plus[fresh, word], minus[fresh, word] = up, down
        for variable in (x, y):
            plus[variable, word] &= ~both
            minus[variable, word] &= ~both


@njit
def _recount(plus, minus, counts, x, variables):
    for y in range(variables):
        if y != x:
            low, high = min(x, y), max(x, y)
            same, different = _occurrences(plus, minus, low, high)
            counts[low, high, 0], counts[low, high, 1] = same, different


@njit
def _potential(plus, minus, counts, x, y, sign, variables, spare):
    """Return the change of sum max(0, count - 1) over all pairs that replacing (x, y) brings."""
    words = plus.shape[1]
    for word in range(words):
        spare[0, word], spare[1, word] = plus[x, word], minus[x, word]
        spare[2, word], spare[3, word] = plus[y, word], minus[y, word]
    _replace(plus, minus, x, y, sign, variables)
    change = 0
    for z in range(variables + 1):
        for other in (x, y, variables):
            if z in (other, x) or (z == y and other == variables):
                continue
            low, high = min(z, other), max(z, other)
            same, different = _occurrences(plus, minus, low, high)
            change += max(0, same - 1) + max(0, different - 1)
            if high < variables:
                change -= max(0, counts[low, high, 0] - 1) + max(0, counts[low, high, 1] - 1)
    for word in range(words):
        plus[x, word], minus[x, word] = spare[0, word], spare[1, word]
        plus[y, word], minus[y, word] = spare[2, word], spare[3, word]
    return change


@njit
def shorten_once(plus, minus, counts, inputs, strategy, weight, state, prefix, length, choices):
    """Run one greedy pass; return (additions, number of shared sums).

    Parameters
    ----------
    plus, minus : uint64 arrays, shape (most variables, words)
        Rows where each variable has +1 and -1; the inputs first, the rest is overwritten.
    counts : int32 array, shape (most variables, most variables, 2)
        Work space.
    inputs : int
        Number of input variables.
    strategy, weight : int, float
        0 most frequent pair, 1 drawn by (count - 1)^weight, 2 count + weight * potential.
    state : uint64 array, shape (1,)
        Of the random numbers.
    prefix, choices : int64 arrays, shape (most variables, 3)
        `length` choices (x, y, sign) to make first, and those made, which are set.
    """
    most = plus.shape[0] - 1
    variables = inputs
    made = 0
    spare = np.zeros((4, plus.shape[1]), np.uint64)
    candidates = np.zeros((CANDIDATES, 3), np.int64)
    for x in range(inputs):
        for y in range(x + 1, inputs):
            same, different = _occurrences(plus, minus, x, y)
            counts[x, y, 0], counts[x, y, 1] = same, different
    while variables < most:
        first, second, sign = -1, -1, 0
        if made < length:
            first, second, sign = prefix[made, 0], prefix[made, 1], prefix[made, 2]
        else:
            largest = 1
            ties = 0
            total = 0.0
            for x in range(variables):
                for y in range(x + 1, variables):
                    for s in range(2):
                        count = counts[x, y, s]
                        if count < 2:
                            continue
                        if strategy == 1:
                            share = float(count - 1) ** weight
                            total += share
                            if float(next_draw(state) >> np.uint64(11)) * 2.0**-53 * total < share:
                                first, second, sign = x, y, s
                                largest = count
                        else:
                            if count > largest:
                                largest, ties = count, 0
                            if count == largest:
                                ties += 1
                                if strategy == 2 and ties <= CANDIDATES:
                                    place = np.int64(ties - 1)
                                else:
                                    place = np.int64(next_draw(state) % np.uint64(ties))
                                if strategy == 2:
                                    if place < CANDIDATES:
                                        candidates[place] = (x, y, s)
                                elif place == 0:
                                    first, second, sign = x, y, s
            if largest < 2:
                break
            if strategy == 2:
                best = -1e300
                for tried in range(min(ties, CANDIDATES)):
                    x, y, s = candidates[tried]
                    noise = float(next_draw(state) >> np.uint64(11)) * 2.0**-53
                    value = noise + weight * _potential(
                        plus, minus, counts, x, y, s, variables, spare
                    )
                    if value > best:
                        best = value
                        first, second, sign = x, y, s
        _replace(plus, minus, first, second, sign, variables)
        choices[made] = (first, second, sign)
        made += 1
        variables += 1
        _recount(plus, minus, counts, first, variables)
        _recount(plus, minus, counts, second, variables)
        _recount(plus, minus, counts, variables - 1, variables)
    nonzeros, rows = np.int64(0), np.int64(0)
    for x in range(variables):
        for word in range(plus.shape[1]):
            nonzeros += np.int64(popcount(plus[x, word]) + popcount(minus[x, word]))
    for word in range(plus.shape[1]):
        present = np.uint64(0)
        for x in range(variables):
            present |= plus[x, word] | minus[x, word]
        rows += np.int64(popcount(present))
    return nonzeros - rows + made, made


@njit
def shorten_repeatedly(plus, minus, best, best_length, best_additions, passes, state):
    """Run greedy passes with random strategies; improve `best` in place.

    A third of the passes keep a random part (at most three quarters) of the best choices so far.
    `plus` and `minus`, uint64 of shape (inputs, words), hold the forms. `best`, int64 of shape
    (most shared sums, 3), holds the best choices so far. `best_length` and `best_additions` are
    their number and the additions they leave; a first call passes 0 and a large number. Both are
    returned.
    """
    inputs, words = plus.shape
    most = inputs + best.shape[0] + 1
    work_plus = np.zeros((most, words), np.uint64)
    work_minus = np.zeros((most, words), np.uint64)
    counts = np.zeros((most, most, 2), np.int32)
    choices = np.zeros((best.shape[0] + 1, 3), np.int64)
    for _ in range(passes):
        work_plus[:inputs] = plus
        work_minus[:inputs] = minus
        strategy = np.int64(next_draw(state) % np.uint64(3))
        weight = float(next_draw(state) >> np.uint64(11)) * 2.0**-53
        if strategy == 1:
            weight = 1.0 + 7.0 * weight
        kept = np.int64(0)
        if best_length > 0 and next_draw(state) % np.uint64(3) == 0:
            kept = np.int64(next_draw(state) % np.uint64(3 * best_length // 4 + 1))
        additions, made = shorten_once(
            work_plus, work_minus, counts, inputs, strategy, weight, state, best, kept, choices
        )
        if additions < best_additions:
            best_additions, best_length = additions, made
            best[:made] = choices[:made]
    return best_length, best_additions
