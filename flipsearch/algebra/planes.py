# mypy: allow-untyped-defs
"""Add vectors over F3 and over ZT = {-1, 0, 1} with 64 entries in a machine word.

A vector over F2 is one word with a bit for each entry. Over F3 and ZT it has two words, in one of
two forms:

- (nonzero, sign) marks the nonzero entries, and the entries -1. Walks use it, because negation is
  one exclusive or and equality up to sign is cheap.
- (plus, minus) marks the entries 1 and the entries -1. Elimination uses it, because negation is a
  swap and addition takes seven operations.

Invariant: a sign bit is only set at a nonzero entry; plus and minus share no bit.
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
    """Return the entries at which x + y leaves ZT, and the entries at which x - y does."""
    both, differ = nx & ny, sx ^ sy
    return both & ~differ, both & differ


@njit(inline="always")
def add_split_modulo_3(xp, xm, yp, ym):
    """Return (plus, minus) of the sum over F3 of two vectors in that form."""
    both = (xp | ym) ^ (xm | yp)
    return (xm | ym) ^ both, (xp | yp) ^ both
