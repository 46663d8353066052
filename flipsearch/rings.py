"""Define the rings of schemes: F2, F3, the ternary coefficients ZT, Z and Q.

A ring here is a set of coefficients, together with the characteristic in which the Brent equations
have to hold. ZT = {-1, 0, 1} is not closed under addition: a ZT scheme is a scheme over Z whose
coefficients are all ternary, and it is exact over Z.

Invariant: coefficients are stored as balanced representatives, {0, 1} over F2 and {-1, 0, 1}
over F3 and ZT. A stored integer therefore has one meaning in all modules.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from flipsearch.algebra import IntArray
from flipsearch.errors import UsageError

__all__ = ["IntArray", "Ring", "parse_ring"]


class Ring(StrEnum):
    """A coefficient ring, named as in the papers.

    Examples
    --------
    >>> Ring.F3.characteristic, Ring("ZT").is_field_of_search
    (3, True)
    """

    F2 = "F2"
    F3 = "F3"
    ZT = "ZT"
    Z = "Z"
    Q = "Q"

    @property
    def characteristic(self) -> int:
        """The characteristic in which the Brent equations must hold: 2, 3 or 0."""
        return {"F2": 2, "F3": 3}.get(self.value, 0)

    @property
    def is_field_of_search(self) -> bool:
        """Whether walks run over this ring (F2, F3 and ZT)."""
        return self in (Ring.F2, Ring.F3, Ring.ZT)

    def balanced(self, coefficients: IntArray) -> IntArray:
        """Return the stored representatives of integers: {0, 1} over F2, {-1, 0, 1} over F3.

        Over ZT, Z and Q the integers are stored representatives already, and stay.
        """
        if self is Ring.F2:
            return coefficients & 1
        if self is Ring.F3:
            residue: IntArray = coefficients % 3
            residue[residue == 2] = -1
            return residue
        return coefficients

    def contains(self, coefficients: IntArray) -> bool:
        """Return whether all the integers are stored representatives of this ring."""
        if self is Ring.F2:
            return bool(((coefficients == 0) | (coefficients == 1)).all())
        if self in (Ring.F3, Ring.ZT):
            return bool((np.abs(coefficients) <= 1).all())
        return True


def parse_ring(text: str | Ring) -> Ring:
    """Return the ring of a name in upper or lower case; a ring is returned as it is.

    Raises `UsageError` if the name is none of F2, F3, ZT, Z, Q.
    """
    if isinstance(text, Ring):
        return text
    aliases = {"Z2": "F2", "GF2": "F2", "Z3": "F3", "GF3": "F3"}
    name = text.strip().upper()
    try:
        return Ring(aliases.get(name, name))
    except ValueError:
        names = ", ".join(ring.value for ring in Ring)
        raise UsageError(f"unknown ring {text!r}: choose one of {names}") from None
