# mypy: allow-untyped-defs
"""Add vectors over F3 and over ZT = {-1, 0, 1}, 64 entries a machine word.

A vector over F2 is one word an entry bit. Over F3 and ZT it has two words, in one of two forms:

- (nonzero, sign): which entries are not zero, and which of these are -1. Walks use it, since
  negation is one exclusive or and equality up to sign is cheap.
- (plus, minus): which entries are 1 and which are -1. Elimination uses it, since negation is a
  swap and addition takes seven operations.

Invariant: a sign bit is only set where the entry is not zero; plus and minus share no bit.
"""

from __future__ import annotations

from flipsearch.algebra.jit import njit


@njit(inline="always")
def add_modulo_3(nx, sx, ny, sy):
    """Return (nonzero, sign) of the sum over F3 of two vectors in that form."""
    both, differ = nx & ny, sx ^ sy
    nonzero = (nx | ny) & ~(both & differ)
    return nonzero, (differ ^ (both & ~sx)) & nonzero


@njit(inline="always")
def add_ternary(nx, sx, ny, sy):
    """Return (nonzero, sign) of the sum over Z, for vectors whose sum lies in ZT."""
    nonzero = nx ^ ny
    return nonzero, (sx ^ sy) & nonzero


@njit(inline="always")
def leaves_ternary(nx, sx, ny, sy):
    """Return the entries where x + y leaves ZT, and those where x - y does."""
    both, differ = nx & ny, sx ^ sy
    return both & ~differ, both & differ


@njit(inline="always")
def add_split_modulo_3(xp, xm, yp, ym):
    """Return (plus, minus) of the sum over F3 of two vectors in that form."""
    both = (xp | ym) ^ (xm | yp)
    return (xm | ym) ^ both, (xp | yp) ^ both
