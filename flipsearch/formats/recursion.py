"""Which products of a structured scheme are recursive calls, and what recursion then costs.

Apply an n x n x n scheme to blocks. A product of two general combinations of blocks is a general
product; a product whose left factor combines diagonal blocks of a triangular matrix only is again
triangular times general, and so on. With T_gg(N) = R_gg T_gg(N/n), where R_gg = n^log2(7), and T_f
proportional to T_gg, the ratio gamma = T_f / T_gg of a scheme of rank R with a calls to its own
kind and further calls to kinds of known ratios g_i solves

    gamma = (R - a - k + sum g_i) / (n^log2(7) - a),       k = the number of those further calls.

Two rules find calls of Gram formats (A times A transposed, only the upper half computed):

- the *Gram rule*: u and v of the product are equal; it is a block times its own transpose;
- the *output rule*: the product enters diagonal output blocks only; only its upper half is
  needed. The two operands are then independent, and inside such a call the Gram rule has
  nothing to hold on to; its ratio is that of ``ug`` (or ``uu``), which has the same tensor.

`Recursion.gamma` is the best of the Gram rule, the output rule and both together. Caveats. For
operands s, k, w a block partition has A_ji = +-A_ij^T while the formats identify a_ji = +-a_ij, so
no valid block recursion is known: their gamma is None, always. For n = 3, 5, ... the exponent
log2(7) is an assumption about general products of that block count.

Invariant: nothing here is said about a scheme that was not classified from its factors; corners
that a format leaves out are filled in by naive products before counting.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from flipsearch.formats.format import MatrixProduct
from flipsearch.formats.layout import Layout
from flipsearch.rings import IntArray

Gamma = Fraction | float
Triple = tuple[int, int, int]
Factors = tuple[IntArray, IntArray, IntArray]
Rule = Literal["gram", "output"]

RECURSIVE = ("ug", "gt", "ul", "uu", "ut")


def general_factor(n: int) -> Gamma:
    """Return n^log2(7), exactly for powers of two: general products that n x n blocks cost."""
    if n & (n - 1) == 0:
        return Fraction(7 ** (n.bit_length() - 1))
    return float(n) ** math.log2(7)


def recursion_factor(
    n: int, rank: int, calls: Triple, first: Gamma = 1, second: Gamma = 1
) -> Gamma:
    """Return gamma of a scheme with (a, b, c) calls to itself and to two companions.

    The scheme has n blocks a side and so many products, corners included. `first` and `second` are
    the ratios of the companions. Gamma is exact if these are and n is a power of two.
    """
    a, b, c = calls
    return (rank - a - b - c + b * first + c * second) / (general_factor(n) - a)


# Best known ratios, each from (n, rank, calls) of a published scheme: arXiv 2511.10786, files
_UG = recursion_factor(4, 34, (12, 0, 0))
_UU = recursion_factor(2, 4, (2, 1, 1), _UG, _UG)
BEST_GAMMA: dict[str, Gamma] = {
    "gg": Fraction(1),
    "ug": _UG,
    "gt": _UG,
    "uu": _UU,
    "ut": _UU,
    "ul": recursion_factor(5, 47, (2, 9, 8), _UG, _UG),
}


@dataclass(frozen=True)
class ProductKind:
    """The kind of one product of a scheme on blocks.

    Parameters
    ----------
    left, right : bool
        Whether u, v use diagonal parameters of a structured operand only.
    gram : bool
        Whether u and v are multiples of one another in a Gram format.
    half : bool
        Whether the product enters diagonal outputs of a packed format only.
    """

    left: bool
    right: bool
    gram: bool
    half: bool


@dataclass(frozen=True)
class Recursion:
    """The recursive calls of a scheme.

    Parameters
    ----------
    rank : int
        Products, those of left out corners included.
    kinds : tuple of ProductKind
        One a product, corner products last.
    calls, output_calls : (a, b, c)
        Calls to itself, to the first and to the second companion: by the Gram rule, and by the
        output rule, which agree unless the format is a Gram format.
    destinations : dict of str to int
        How many products recurse to which operands where `gamma` is smallest; ``gg`` is general
        and ``self`` the format itself.
    gamma : Fraction, float or None
        The smallest recursion factor that the rules give, None where block recursion is not valid.
    """

    rank: int
    kinds: tuple[ProductKind, ...]
    calls: Triple
    output_calls: Triple
    destinations: dict[str, int]
    gamma: Gamma | None

    @property
    def recursive_calls(self) -> int:
        """Products that are not general, in the accounting that gives `gamma`."""
        return self.rank - self.destinations.get("gg", 0)


def recursion(format_: MatrixProduct, factors: Factors, characteristic: int = 0) -> Recursion:
    """Classify the products of a scheme and compute its recursion factor.

    The factors are (U, V, W), integer arrays with a row a term, as in `flipsearch.scheme.Scheme`.
    In the characteristic 0, 2 or 3, u and v are compared for being multiples of one another.
    ``gamma`` is None for every format but ug, gt, ul, uu, ut with n blocks a side each.
    """
    full, factors = _completed(format_, factors)
    kinds = tuple(_kinds(full, factors, characteristic))
    by_gram, by_output = (call_triple(full.operands, kinds, rule) for rule in ("gram", "output"))
    destinations: Counter[str]
    if full.operands in RECURSIVE and full.n == full.m == full.p and full.n > 1:
        gamma, destinations = _best_rule(full, kinds)
    else:
        gamma, destinations = None, Counter(_destination(full.operands, kind) for kind in kinds)
    return Recursion(len(kinds), kinds, by_gram, by_output, dict(destinations), gamma)


def call_triple(operands: str, kinds: Iterable[ProductKind], rule: Rule = "gram") -> Triple:
    """Return (calls to itself, to the first, to the second companion), counted as in the papers.

    Companions: ``ab`` calls ``ag`` where only u is diagonal and ``bg`` where only v is; ``xt``
    calls ``xg`` and ``gt``. The rule tells how calls of Gram formats are recognised.
    """
    a = b = c = 0
    left, right = operands[0], operands[1]
    for kind in kinds:
        if right == "t":
            symmetric = kind.gram if rule == "gram" else kind.half
            if left == "k":
                continue
            if left == "g":
                a += symmetric
            elif symmetric:
                a += kind.left and kind.right
                c += not (kind.left and kind.right)
            else:
                b += kind.left or kind.right
        elif right == "g":
            a += kind.left
        else:
            a += kind.left and kind.right
            b += kind.left and not kind.right
            c += kind.right and not kind.left
    return a, b, c


def _completed(format_: MatrixProduct, factors: Factors) -> tuple[MatrixProduct, Factors]:
    """Return the format without corner suffix and the factors with naive corner products."""
    if not format_.corner:
        return format_, factors
    full = MatrixProduct(format_.n, format_.m, format_.p, format_.operands)
    known = {tuple(row) for row in format_.naive_terms.tolist()}
    missing = [row for row in full.naive_terms.tolist() if tuple(row) not in known]
    u, v, w = (
        np.concatenate([factor, np.zeros((len(missing), factor.shape[1]), dtype=np.int64)])
        for factor in factors
    )
    for r, (a, b, c, sign) in enumerate(missing, start=len(u) - len(missing)):
        u[r, a] = v[r, b] = 1
        w[r, c] = sign
    return full, (u, v, w)


def _diagonal(layout: Layout) -> npt.NDArray[np.bool_]:
    """Return which parameters stand on the diagonal; none for general and skew operands."""
    mask = np.zeros(layout.parameters, dtype=bool)
    if layout.letter not in "gk":
        mask[layout.table[0].diagonal()] = True
    return mask


def _kinds(format_: MatrixProduct, factors: Factors, characteristic: int) -> list[ProductKind]:
    u, v, w = factors
    left = ~(u[:, ~_diagonal(format_.left)] != 0).any(axis=1)
    right = ~(v[:, ~_diagonal(format_.right)] != 0).any(axis=1)
    half = np.zeros(len(u), dtype=bool)
    gram = np.zeros(len(u), dtype=bool)
    if format_.is_packed_output:
        positions = [format_.output_position(c) for c in range(format_.dimensions[2])]
        outside = np.array([i != k for i, k in positions], dtype=bool)
        half = ~(w[:, outside] != 0).any(axis=1)
    if format_.is_gram:
        gram = np.array(
            [_proportional(a, b, characteristic) for a, b in zip(u, v, strict=True)], dtype=bool
        )
    return [
        ProductKind(*(bool(x) for x in row)) for row in zip(left, right, gram, half, strict=True)
    ]


def _proportional(first: IntArray, second: IntArray, characteristic: int) -> bool:
    """Whether two nonzero vectors are multiples of one another."""
    place = int((first != 0).argmax())
    x, y = int(first[place]), int(second[place])
    if not x or not y:
        return False
    difference = [x * int(b) - y * int(a) for a, b in zip(first, second, strict=True)]
    return all(d % characteristic == 0 if characteristic else d == 0 for d in difference)


def _destination(operands: str, kind: ProductKind) -> str:
    """Return the operands a product recurses to where both rules apply; ``self`` for its own kind.

    A product that only the output rule makes a call has independent operands: it goes to ``ug``
    (general blocks) or ``uu`` (triangular ones), whose tensors are the same.
    """
    left, right = operands[0], operands[1]
    both, one = kind.left and kind.right, kind.left or kind.right
    if right == "g":
        return "self" if kind.left else "gg"
    if right != "t":
        if both:
            return "self"
        if one:
            letter = left if kind.left else right
            return "ug" if letter in "ul" else f"{letter}g"
        return "ug" if kind.half else "gg"
    if left == "g":
        return "self" if kind.gram else "ug" if kind.half else "gg"
    if kind.gram:
        return "self" if both else "gt"
    if left != "u":
        return f"{left}g" if one else "ug" if kind.half else "gg"
    if both:
        return "uu" if kind.half else "ul"
    return "ug" if one or kind.half else "gg"


def _best_rule(
    format_: MatrixProduct, kinds: tuple[ProductKind, ...]
) -> tuple[Gamma, Counter[str]]:
    """Return the smallest gamma among the Gram rule, the output rule and both, and its calls."""
    operands, n = format_.operands, format_.n
    options = [Counter(_destination(operands, kind) for kind in kinds)]
    ratios = dict(BEST_GAMMA)
    independent = {"gt": "ug", "ut": "uu"}.get(operands)
    if independent is not None:
        gram_only = [ProductKind(k.left, k.right, k.gram, False) for k in kinds]
        options.append(Counter(_destination(operands, kind) for kind in gram_only))
        # the output rule alone is this very scheme used with independent operands throughout
        half_only = [ProductKind(k.left, k.right, False, k.half) for k in kinds]
        alone = Counter(_destination(operands, kind) for kind in half_only)
        alone["self"] += alone.pop(independent, 0)
        options.append(alone)
        ratios[independent] = min(ratios[independent], _solve(n, alone, ratios))
    return min(((_solve(n, calls, ratios), +calls) for calls in options), key=lambda pair: pair[0])


def _solve(n: int, destinations: Counter[str], ratios: dict[str, Gamma]) -> Gamma:
    """Solve gamma = (sum of companions' ratios) / (n^log2(7) - calls to itself)."""
    total: Gamma = Fraction(0)
    for operands, count in destinations.items():
        if operands != "self":
            total += count * ratios[operands]
    remaining = general_factor(n) - destinations["self"]
    return total / remaining if remaining > 0 else math.inf
