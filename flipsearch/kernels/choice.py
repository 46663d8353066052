"""Which stored scheme makes the fastest kernel, and from which size on it beats numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from flipsearch.errors import NotFoundError
from flipsearch.formats import Format, MatrixProduct, parse_format
from flipsearch.kernels.builtin import builtin_scheme
from flipsearch.kernels.plan import unproved_algorithm
from flipsearch.kernels.runtime.algorithm import best_levels
from flipsearch.kernels.runtime.driver import planned_levels
from flipsearch.kernels.runtime.execute import default_threads
from flipsearch.kernels.runtime.tuning import predicted_ratio
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.transform import ORDERS, permute

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue

JUDGED = 4096
"""Side of the square matrices at which schemes are compared."""

CANDIDATES = 64
"""Stored schemes of least rank, then of fewest nonzeros, that are compared."""

SIDES = tuple(2**k for k in range(6, 15))
"""Sides at which a kernel is compared with numpy: 64 to 16384."""


def find_scheme(
    name: str,
    database: str | None = None,
    cost: Callable[[Scheme], Any] | None = None,
) -> Scheme:
    """Return a stored scheme by hash prefix, or the best one of a format.

    Parameters
    ----------
    name : str
        A format such as ``4x4x4`` or ``gt:4x4x4``, or at least 6 hex digits of a hash.
    database : str, optional
        Catalogue to look in.
    cost : callable, optional
        The least value wins; by default the predicted time of the scheme's kernel.

    Raises
    ------
    NotFoundError
        Nothing is stored under that name.
    UsageError
        No kernel can be written for the format.
    """
    from flipsearch.catalogue import Catalogue

    with Catalogue.open(database, read_only=True) as catalogue:
        if "x" not in name:
            return catalogue.schemes.get(name).scheme
        return fastest_scheme(catalogue, parse_format(name), cost)


def fastest_scheme(
    catalogue: Catalogue, format_: Format, cost: Callable[[Scheme], Any] | None = None
) -> Scheme:
    """Return the scheme of a format over ZT, Z or Q whose kernel is predicted to be fastest.

    Schemes may be stored in any order of the sides; parameters and errors as in `find_scheme`.
    """
    found = catalogue.schemes.records(
        format=format_, ring=Ring.Q, sort="rank,nonzeros", limit=CANDIDATES
    )
    schemes = [_turned(record.scheme, format_) for record in found if record.survives is None]
    known = builtin_scheme(format_)
    if known is not None:
        schemes.append(known)
    if not schemes:
        raise NotFoundError(
            f"no scheme for {format_} over ZT, Z or Q is stored: find one with "
            f"`search {format_} --ring ZT`, or lift one"
        )
    return min(schemes, key=cost or kernel_seconds)


def kernel_seconds(scheme: Scheme) -> tuple[float, int]:
    """Return the modelled seconds of a scheme's kernel on one thread, and its nonzeros."""
    sides = (JUDGED, JUDGED, JUDGED)
    return best_levels(unproved_algorithm(scheme), sides, 1, 8)[1], scheme.nonzeros


def verdict(scheme: Scheme, dtype: Any = np.float64, threads: int | None = None) -> str:
    """Say in one line from which size on the scheme's kernel is expected to beat numpy here."""
    algorithm, dtype = unproved_algorithm(scheme), np.dtype(dtype)
    threads = threads or default_threads()
    half = isinstance(scheme.format, MatrixProduct) and scheme.format.is_gram
    title = f"{dtype} on {threads} thread{'s' * (threads > 1)}"
    for side in SIDES:
        question = algorithm, (side, side, side), dtype, threads, half
        levels = planned_levels(*question)
        if levels >= 0:
            way = f"{levels} level{'s' * (levels != 1)}" if levels else "the classical leaf"
            return (
                f"{title}: numpy is called below {side}; from there {way}, "
                f"{predicted_ratio(*question):.2f} times as fast as numpy by prediction"
            )
    return f"{title}: numpy is the better choice here, and the kernel calls it up to {SIDES[-1]}"


def _turned(scheme: Scheme, format_: Format) -> Scheme:
    """Return the scheme for the asked order of the sides; it may be stored in another one."""
    stored = scheme.format
    if stored == format_ or not isinstance(stored, MatrixProduct):
        return scheme
    order = next(order for order in ORDERS if stored.permuted(order) == format_)
    return permute(scheme, order)
