"""What `protect` does once its arguments are parsed: find, certify, compare, store, print."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from flipsearch.cli.output import complain, print_json, print_table
from flipsearch.cli.search import parse_budget
from flipsearch.errors import NotFoundError, UsageError
from flipsearch.faults import baselines
from flipsearch.faults.base import base_schemes
from flipsearch.faults.checksums import checksum_products, directions_up_to
from flipsearch.faults.covering import fewest_workers
from flipsearch.faults.decoders import decoder
from flipsearch.faults.presets import header, union_text
from flipsearch.faults.protect import Found, protect
from flipsearch.faults.union import Certificate, FaultTolerantScheme
from flipsearch.files import write_atomically
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme

_CHANCES = (0.01, 0.05, 0.1)
_LARGEST_COVERING = 48


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    format_ = parse_format(arguments.format)
    if not format_.is_general:
        raise UsageError(f"{format_}: protect works on general formats such as 2x2x2")
    budget = parse_budget(arguments.budget)
    if arguments.output and not Path(arguments.output).parent.is_dir():
        raise NotFoundError(f"-o {arguments.output}: make that folder first")
    bases = base_schemes(format_, arguments.db, stored=not arguments.no_store)
    found = protect(
        format_,
        arguments.survive,
        bases,
        workers=arguments.workers,
        budget=0.85 * budget,
        seed=arguments.seed,
        use_presets=not arguments.no_preset,
        progress=(lambda text: print(f"  {text}", file=sys.stderr, flush=True))
        if sys.stderr.isatty() or arguments.verbose
        else None,
    )
    union = found.union
    rank = min(scheme.rank for _, scheme in bases)
    bound = lower_bound(union, bases, arguments.survive, 0.15 * budget)
    stored = None if arguments.no_store else store(union, bases, arguments.db, arguments.seed)
    if arguments.output:
        write_atomically(Path(arguments.output), union_text(union).encode(), force=True)
    if arguments.json:
        print_json(summary(union, found, rank, bound, stored))
    else:
        page(union, found, rank, bound, stored)
    return 0


def lower_bound(
    union: FaultTolerantScheme, bases: list[tuple[str, Any]], survive: int, budget: float
) -> tuple[int, int] | None:
    """Return (bound, size of the pool): no fewer products of that pool survive as much.

    The pool is the union's products, the base schemes' and as many ternary checksum products as
    fit; None where it is too large.
    """
    assert isinstance(union.format, MatrixProduct)
    parts = [(part.u, part.v) for part in (union, *(scheme for _, scheme in bases))]
    rows = _distinct(parts)
    n, _, p = union.format.sides
    for x, y in itertools.product(directions_up_to(n, 1), directions_up_to(p, 1)):
        more = _distinct([*parts, checksum_products(union.format, x, y)])
        if len(more) <= _LARGEST_COVERING:
            parts.append(checksum_products(union.format, x, y))
            rows = more
    if len(rows) > _LARGEST_COVERING or budget < 0.5:
        return None
    cut = union.u.shape[1]
    result = fewest_workers(union.format, rows[:, :cut], rows[:, cut:], survive, budget=budget)
    return result.bound, len(rows)


def _distinct(parts: list[tuple[IntArray, IntArray]]) -> IntArray:
    return np.unique(np.concatenate([np.concatenate(part, axis=1) for part in parts]), axis=0)


def store(
    union: FaultTolerantScheme, bases: list[tuple[str, Scheme]], address: str | None, seed: int
) -> str:
    """Store a union in the catalogue beside the schemes it contains; return its hash."""
    from flipsearch.catalogue import Catalogue, Provenance

    contained = [scheme for _, scheme in bases if _vectors(scheme) <= _vectors(union)]
    with Catalogue.open(address) as catalogue:
        for scheme in contained:
            catalogue.add(scheme, provenance=Provenance(method="protected by a union"))
        stored = catalogue.add(
            union.as_scheme(),
            Provenance(
                seed=seed,
                parent=contained[0].content_hash if contained else None,
                method="protect",
                details=header(union),
            ),
        )
    if stored.rejected:
        complain(f"not stored: {stored.rejected}")
    return stored.hash


def _vectors(factors: Scheme | FaultTolerantScheme) -> set[bytes]:
    """Return the products, up to sign."""
    rows = (factors.u[:, :, None] * factors.v[:, None, :]).reshape(len(factors.u), -1)
    signs = [row[np.flatnonzero(row)[0]] > 0 for row in rows]
    return {(row if sign else -row).tobytes() for row, sign in zip(rows, signs, strict=True)}


def comparison(
    union: FaultTolerantScheme, rank: int, survive: int
) -> list[tuple[str, Certificate, float | None]]:
    """Return what else survives as much: (name, certificate, growth) of each, ours first."""
    assert isinstance(union.format, MatrixProduct)
    rows: list[tuple[str, Certificate, float | None]] = [
        ("this union", union.certificate(), decoder(union).growth)
    ]
    rows.append((f"{survive + 1} copies", baselines.copies(rank, survive + 1), None))
    threshold = baselines.polynomial_threshold(union.format)
    for workers in sorted({threshold + survive, max(union.workers, threshold + survive)}):
        rows.append(
            (
                f"entangled polynomial code, {workers} workers",
                baselines.polynomial_code(union.format, workers),
                None,
            )
        )
    return rows


def summary(
    union: FaultTolerantScheme,
    found: Found,
    rank: int,
    bound: tuple[int, int] | None,
    stored: str | None,
) -> dict[str, Any]:
    """Return the result as one JSON object."""
    certificate = union.certificate()
    return {
        "format": str(union.format),
        "workers": union.workers,
        "survives": certificate.survives,
        "corrects": certificate.corrects,
        "kmin": certificate.kmin,
        "rank": union.rank,
        "fatal_sets": list(certificate.counts),
        "p_fail": {str(p): certificate.failure_bounds(p)[1] for p in _CHANCES},
        "growth": decoder(union).growth,
        "largest_coefficient": int(max(np.abs(union.u).max(), np.abs(union.v).max())),
        "base_rank": rank,
        "lower_bound_in_pool": None if bound is None else bound[0],
        "pool": None if bound is None else bound[1],
        "union": union.content_hash,
        "scheme": stored or union.as_scheme().content_hash,
        "tried": found.tried,
        "seconds": round(found.seconds, 2),
    }


def page(
    union: FaultTolerantScheme,
    found: Found,
    rank: int,
    bound: tuple[int, int] | None,
    stored: str | None,
) -> None:
    """Print the certificate and the comparison for people."""
    certificate = union.certificate()
    print(
        f"{union.format} on {union.workers} workers ({union.name or 'union'}): survives any "
        f"{certificate.survives} lost, corrects any {certificate.corrects} wrong"
    )
    print(f"{len(union.relations)} independent relations; scheme {union.as_scheme().content_hash}")
    counts = " ".join(map(str, certificate.counts)) + ("" if certificate.is_complete else " ...")
    print(f"undecodable sets of 0, 1, 2, ... lost workers: {counts}")
    for size in range(certificate.kmin, min(certificate.kmin + 1, len(certificate.counts))):
        if certificate.counts[size] <= 4:
            patterns = ", ".join(
                "{" + " ".join(str(r + 1) for r in pattern) + "}"
                for pattern in union.fatal_patterns(size)
            )
            print(f"fatal: products {patterns} (numbered from 1)")
    print()
    rows = []
    for name, other, growth in comparison(union, rank, certificate.survives):
        chances = [other.failure_bounds(p) for p in _CHANCES]
        latency = [f"{x:.2f}" for x in baselines.latency(other)] if other.is_complete else ["", ""]
        rows.append(
            [
                name,
                other.workers,
                other.survives,
                *(_chance(low, high) for low, high in chances),
                *latency,
                "" if growth is None else f"{growth:g}",
            ]
        )
    print_table(
        ["", "workers", "survives", *(f"P_fail {p}" for p in _CHANCES), "mean", "p99", "growth"],
        rows,
    )
    print("mean, p99: time until decodable when each worker takes 1 + Exp(1)")
    if bound is not None:
        least, pool = bound
        word = "exactly" if least >= union.workers else "at least"
        print(
            f"within a pool of {pool} products {word} {min(least, union.workers)} are needed to "
            f"survive any {certificate.survives}"
            + (": proved" if least >= union.workers else " (bound so far)")
        )
    tried = ", ".join(f"{count} {how}" for how, count in found.tried.items())
    print(f"looked at {tried} in {found.seconds:.1f} s")
    if stored is not None:
        print(f"stored as {stored[:12]}")


def _chance(low: float, high: float) -> str:
    return f"{high:.2e}" if high <= 1.01 * low + 1e-15 else f"{low:.1e}..{high:.1e}"
