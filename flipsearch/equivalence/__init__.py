"""Decide which schemes symmetries turn into each other, and name their classes.

Symmetries are the sandwiches by invertible matrices over the scheme's ring and the orders of the
factors that fit the sides. Over F2 and F3 a class has a canonical form and a name (`canonical`,
`class_key`). Over ZT and Z the group is infinite, and `equivalent` compares two schemes. Over Q,
and for large formats, only invariants are known.

Invariant: `canonical` and `class_key` are equal exactly for equivalent schemes, and every answer
of `equivalent` is proved. Each of them returns None if the group is too large to go through.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice, permutations
from typing import Any

from flipsearch.equivalence.groups import order
from flipsearch.equivalence.integral import least_mod_3, symmetries
from flipsearch.equivalence.least import Least, least, unpacked
from flipsearch.formats import MatrixProduct
from flipsearch.invariants import Invariants, invariants
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme

__all__ = ["Classes", "Orbit", "canonical", "class_key", "equivalent", "orbit"]

_MOST_COMPARED = 50


@dataclass(frozen=True)
class Orbit:
    """A scheme's equivalence class.

    Parameters
    ----------
    key : str or None
        Name of the class, 64 hex digits, equal exactly for equivalent schemes. None over ZT, Z
        and Q, and if the group is too large to go through.
    automorphisms : int or None
        Number of symmetries that map the scheme to itself, the identity included. Over ZT and Z
        symmetries are unimodular integer matrices up to sign.
    size : int or None
        Number of schemes in the class; None over ZT, Z and Q, where it is infinite.
    invariants : Invariants
        Always known.
    note : str
        The reason why a field is None; empty if none is.
    """

    key: str | None
    automorphisms: int | None
    size: int | None
    invariants: Invariants
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the class as JSON values."""
        return {
            "class": self.key,
            "automorphisms": self.automorphisms,
            "orbit_size": self.size,
            **self.invariants.to_dict(),
            **({"note": self.note} if self.note else {}),
        }


def orbit(scheme: Scheme) -> Orbit:
    """Return a scheme's class exactly if that is feasible, else its invariants only."""
    known = invariants(scheme)
    if scheme.ring.characteristic:
        found = least(scheme, scheme.ring.characteristic)
        if found is None:
            return Orbit(None, None, None, known, _too_large(scheme))
        size = 1
        for side in found.sides:
            size *= order(side, found.p)
        size *= sum(
            tuple(found.sides[k] for k in way) == found.sides for way in permutations(range(3))
        )
        count = found.automorphisms
        return Orbit(_name(found, scheme.ring), count, size // count, known)
    if scheme.ring is Ring.Q:
        note = "over Q no class is computed, only invariants"
        return Orbit(None, None, None, known, note)
    found = least_mod_3(scheme)
    if found is None:
        return Orbit(None, None, None, known, _too_large(scheme))
    count = sum(1 for _ in symmetries(found, found))
    note = "the class over the integers is infinite: `equivalent` compares two schemes"
    return Orbit(None, count, None, known, note)


def _too_large(scheme: Scheme) -> str:
    form = scheme.format
    if not isinstance(form, MatrixProduct) or not form.is_general:
        return f"classes are computed for general products only, not for {form}"
    return f"not decided: the symmetries of {form} over {scheme.ring} are too many to go through"


def class_key(scheme: Scheme) -> str | None:
    """Return the name of the scheme's equivalence class, or None if that is not feasible.

    It is feasible for general formats over F2 with sides up to 3 and some up to 4, and over F3 up
    to 2x3x3, within the limits `least.MOST_PAIRS` and `least.MOST_TERMS`.
    """
    p = scheme.ring.characteristic
    found = least(scheme, p) if p else None
    return None if found is None else _name(found, scheme.ring)


def canonical(scheme: Scheme) -> Scheme | None:
    """Return the least scheme of the class over F2 or F3, with ascending sides, or None.

    Two schemes are equivalent exactly if their results are equal.
    """
    p = scheme.ring.characteristic
    found = least(scheme, p) if p else None
    if found is None:
        return None
    u, v, w = unpacked(found.terms, found.sides, p)
    rows = (scheme.ring.balanced(matrix) for matrix in (u, v, w))
    return Scheme(MatrixProduct(*found.sides), scheme.ring, *rows)


def equivalent(first: Scheme, second: Scheme) -> bool | None:
    """Return whether symmetries turn one scheme into the other, or None if that is not decided.

    Parameters
    ----------
    first, second : Scheme
        Over the same field, or both over ZT or Z. Over the latter symmetries are unimodular
        integer matrices.

    Examples
    --------
    >>> from flipsearch.scheme import Scheme, naive_scheme
    >>> one = naive_scheme("2x2x2", "F2")
    >>> other = Scheme("2x2x2", "F2", one.v[:, [0, 2, 1, 3]], one.u[:, [0, 2, 1, 3]], one.w)
    >>> equivalent(one, one), equivalent(one, naive_scheme("2x2x3", "F2"))
    (True, False)
    """
    if _sides(first) != _sides(second) or first.rank != second.rank:
        return False
    if first.ring.characteristic != second.ring.characteristic:
        return False
    if first == second:
        return True
    if invariants(first).unordered != invariants(second).unordered:
        return False
    if first.ring.characteristic:
        names = class_key(first), class_key(second)
        return None if None in names else names[0] == names[1]
    ours, theirs = (least_mod_3(scheme) for scheme in (first, second))
    if ours is None or theirs is None:
        return None
    return next(islice(symmetries(ours, theirs), 1), None) is not None


def _sides(scheme: Scheme) -> Any:
    form = scheme.format
    if isinstance(form, MatrixProduct) and form.is_general:
        return sorted(form.sides)
    return form


def _name(found: Least, ring: Ring) -> str:
    text = f"flipsearch class 2 {ring.value} {found.sides} {found.terms.tolist()}"
    return hashlib.sha256(text.encode()).hexdigest()


class Classes:
    """Count the schemes that are new up to symmetry.

    Over F2 and F3 the name of each class is kept, over ZT and Z one scheme of it.
    """

    def __init__(self) -> None:
        self._names: dict[Any, set[str | None]] = {}
        self._known: dict[Any, list[Scheme]] = {}

    def meet(self, scheme: Scheme) -> str:
        """Compare a scheme with all schemes met before, and remember it.

        It is ``equivalent`` to an earlier one or ``new``, both proved; or ``undecided``: an
        earlier one has the same invariants, and a decision is not feasible.
        """
        characteristic = scheme.ring.characteristic
        key = (str(_sides(scheme)), scheme.rank, characteristic, invariants(scheme).unordered)
        bucket = self._known.setdefault(key, [])
        if not bucket:
            bucket.append(scheme)
            return "new"
        name = class_key(scheme)
        if name is not None:
            names = self._names.setdefault(key, set(map(class_key, bucket)))
            if name in names:
                return "equivalent"
            names.add(name)
            return "undecided" if None in names else "new"
        answers = []
        for other in bucket[:_MOST_COMPARED]:
            answer = equivalent(scheme, other)
            if answer:
                return "equivalent"
            answers.append(answer)
        bucket.append(scheme)
        return "undecided" if None in answers or len(bucket) > _MOST_COMPARED else "new"
