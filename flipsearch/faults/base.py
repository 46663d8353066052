"""Find the schemes to protect: the best of the catalogue, or one composed from Strassen's.

Invariant: every returned scheme is over ZT, Z or Q and has the least rank found here.
"""

from __future__ import annotations

from functools import lru_cache

from flipsearch.faults.union import general
from flipsearch.formats import MatrixProduct
from flipsearch.kernels.builtin import strassen
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import merge, product


@lru_cache(maxsize=8192)
def _plan(n: int, m: int, p: int) -> tuple[int, str]:
    """Return the least rank and its construction: ``naive``, ``product``, or ``side cut``."""
    plans = [(n * m * p, "naive")]
    if not (n % 2 or m % 2 or p % 2):
        plans.append((7 * _plan(n // 2, m // 2, p // 2)[0], "product"))
    for side, length in enumerate((n, m, p)):
        for cut in (1, 2):
            if cut < length:
                halves = [[n, m, p], [n, m, p]]
                halves[0][side], halves[1][side] = length - cut, cut
                plans.append((sum(_plan(*half)[0] for half in halves), f"{side} {cut}"))
    return min(plans)


@lru_cache(maxsize=256)
def composed(format_: MatrixProduct) -> Scheme:
    """Return the scheme of least rank from splitting sides and Strassen's scheme."""
    _, how = _plan(*general(format_).sides)
    if how == "naive":
        return naive_scheme(format_, Ring.ZT)
    if how == "product":
        n, m, p = (side // 2 for side in format_.sides)
        return product(strassen(), composed(MatrixProduct(n, m, p)))
    side, cut = map(int, how.split())
    first, second = list(format_.sides), list(format_.sides)
    first[side], second[side] = first[side] - cut, cut
    one, two = (composed(MatrixProduct(n, m, p)) for n, m, p in (first, second))
    return merge(one, two, side)


def base_schemes(
    format_: MatrixProduct, address: str | None, *, stored: bool = True
) -> list[tuple[str, Scheme]]:
    """Return the schemes of least rank to protect, of a general format, with labels.

    The catalogue at `address` is searched too if `stored` is set; see
    `flipsearch.catalogue.Catalogue.open`.
    """
    found: list[tuple[str, Scheme]] = [("composed", composed(format_))]
    if format_.sides == (2, 2, 2):
        from flipsearch.kernels.builtin import winograd

        return [("Strassen", strassen()), ("Winograd", winograd())]
    if stored:
        from flipsearch.catalogue import Catalogue

        with Catalogue.open(address) as catalogue:  # made if missing, because the union goes there
            for ring in (Ring.ZT, Ring.Z, Ring.Q):
                record = catalogue.best(format_, ring)
                if record is not None:
                    found.append((f"scheme {record.short}", record.scheme))
    least = min(scheme.rank for _, scheme in found)
    kept: dict[str, tuple[str, Scheme]] = {}
    for label, scheme in found:
        if scheme.rank == least:
            kept.setdefault(scheme.content_hash, (label, scheme))
    return list(kept.values())
