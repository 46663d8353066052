"""protect: products that survive lost workers, found, certified, compared and stored.

The budget bounds the whole command: 85 % of it goes to the search, the rest to the bound and the
growth of rounding errors. Both are left out if they would take longer.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.cli.output import complain, hint, print_json, print_table
from flipsearch.cli.parser import finish, natural
from flipsearch.errors import NotFoundError

if TYPE_CHECKING:
    from flipsearch.faults.protect import Found
    from flipsearch.faults.union import FaultTolerantScheme
    from flipsearch.scheme import Scheme

_CHANCES = (0.01, 0.05, 0.1)


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    protect = commands.add_parser(
        "protect",
        help="find products that survive lost workers, with a certificate",
        description="Find a union of products, one a worker, from which the result can be decoded "
        "when any F workers are lost; certify it, compare it with other ways, and store it.",
        examples=(
            "protect 2x2x2 --survive 2",
            "protect 2x2x2 --survive 1 --workers 9 -o union.txt",
        ),
    )
    protect.add_argument("format", metavar="FORMAT", help="what to compute, such as 2x2x2")
    protect.add_argument(
        "--survive",
        type=int,
        default=1,
        metavar="F",
        help="survive any F lost workers (default 1)",
    )
    protect.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="use at most N workers in all (default: as few as are found)",
    )
    protect.add_argument(
        "--budget",
        default="60s",
        metavar="TIME",
        help="time of the whole command, such as 30s, 5m (default 60s)",
    )
    protect.add_argument(
        "--seed", type=natural, default=0, help="seed of the search's random choices (default 0)"
    )
    protect.add_argument(
        "--no-preset", action="store_true", help="search even where a shipped union suffices"
    )
    protect.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="also write the union as readable text (default: only store it)",
    )
    protect.add_argument("--no-store", action="store_true", help="do not store the union")
    finish(protect, run_protect, printed="one JSON object")


def run_protect(arguments: argparse.Namespace) -> int:
    """Find, certify, print and store a fault-tolerant union."""
    from flipsearch.faults.base import base_schemes
    from flipsearch.faults.covering import bound_around
    from flipsearch.faults.presets import union_text
    from flipsearch.faults.protect import protect
    from flipsearch.faults.union import general
    from flipsearch.files import write_atomically
    from flipsearch.formats import parse_format
    from flipsearch.search.budget import parse_budget

    format_ = general(parse_format(arguments.format))
    end = time.monotonic() + parse_budget(arguments.budget)
    if arguments.output and not Path(arguments.output).parent.is_dir():
        raise NotFoundError(f"-o {arguments.output}: make that folder first")
    bases = base_schemes(format_, arguments.db, stored=not arguments.no_store)
    found = protect(
        format_,
        arguments.survive,
        bases,
        workers=arguments.workers,
        budget=0.85 * (end - time.monotonic()),
        seed=arguments.seed,
        use_presets=not arguments.no_preset,
        progress=(lambda text: print(f"  {text}", file=sys.stderr, flush=True))
        if sys.stderr.isatty() or arguments.verbose
        else None,
    )
    schemes = [scheme for _, scheme in bases]
    stored = None
    if not arguments.no_store:
        stored = store(found.union, schemes, arguments.db, arguments.seed)
    if arguments.output:
        write_atomically(Path(arguments.output), union_text(found.union).encode(), force=True)
    facts = summary(found, min(scheme.rank for scheme in schemes), stored, end)
    bound = None
    if found.tried and not found.interrupted:
        left = end - time.monotonic()
        bound = bound_around(found.union, schemes, facts["survives"], left)
    facts["lower_bound_in_pool"], facts["pool"] = bound or (None, None)
    if arguments.json:
        print_json(facts)
    else:
        page(found.union, facts)
    if found.interrupted:
        complain("interrupted: this is the best union so far")
    return 130 if found.interrupted else 0


def store(union: FaultTolerantScheme, bases: list[Scheme], address: str | None, seed: int) -> str:
    """Store a union in the catalogue, and the schemes it contains; return its hash."""
    from flipsearch.catalogue import Catalogue, Provenance
    from flipsearch.faults.presets import header
    from flipsearch.faults.union import product_set

    products = product_set(union.u, union.v)
    contained = [scheme for scheme in bases if product_set(scheme.u, scheme.v) <= products]
    with Catalogue.open(address) as catalogue:
        for scheme in contained:
            catalogue.schemes.add(scheme, provenance=Provenance(method="protected by a union"))
        stored = catalogue.schemes.add(
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


def summary(found: Found, rank: int, stored: str | None, end: float) -> dict[str, Any]:
    """Return the result as one JSON object.

    The growth is that of the best decoder, or None where computing it would pass `end`, a time of
    `time.monotonic`; 2 s are always allowed.
    """
    import numpy as np

    from flipsearch.algebra.deadline import OutOfTimeError, deadline
    from flipsearch.faults.decoders import decoder

    union = found.union
    certificate = union.certificate()
    growth = None
    if not found.interrupted:
        try:
            with deadline(max(2.0, end - time.monotonic())):
                growth = decoder(union).growth
        except OutOfTimeError:
            pass
    return {
        "format": str(union.format),
        "workers": union.workers,
        "survives": certificate.survives,
        "corrects": certificate.corrects,
        "kmin": certificate.kmin,
        "rank": union.rank,
        "fatal_sets": list(certificate.counts),
        "p_fail": {str(p): certificate.failure_bounds(p)[1] for p in _CHANCES},
        "growth": growth,
        "largest_coefficient": int(max(np.abs(union.u).max(), np.abs(union.v).max())),
        "base_rank": rank,
        "union": union.content_hash,
        "scheme": stored or union.as_scheme().content_hash,
        "stored": stored is not None,
        "tried": found.tried,
        "seconds": round(found.seconds, 2),
    }


def page(union: FaultTolerantScheme, facts: dict[str, Any]) -> None:
    """Print the certificate and the comparison for people."""
    from flipsearch.faults.baselines import alternatives, latency

    certificate = union.certificate()
    survives, kmin = certificate.survives, certificate.kmin
    print(
        f"{union.format} on {union.workers} workers ({union.name or 'union'}): survives any "
        f"{survives} lost, corrects any {certificate.corrects} wrong"
    )
    print(f"{len(union.relations)} independent relations; scheme {facts['scheme']}")
    counts = " ".join(map(str, certificate.counts)) + ("" if certificate.is_complete else " ...")
    print(f"undecodable sets of 0, 1, 2, ... lost workers: {counts}")
    if kmin < len(certificate.counts) and certificate.counts[kmin] <= 4:
        patterns = (" ".join(str(r + 1) for r in lost) for lost in union.fatal_patterns(kmin))
        print(f"fatal: products {{{'}, {'.join(patterns)}}} (numbered from 1)")
    print()
    rows = []
    for name, other in [
        ("this union", certificate),
        *alternatives(union.format, facts["base_rank"], survives, union.workers),
    ]:
        chances = [other.failure_bounds(p) for p in _CHANCES]
        times = [f"{x:.2f}" for x in latency(other)] if other.is_complete else ["", ""]
        growth = facts["growth"] if other is certificate else None
        rows.append(
            [
                name,
                other.workers,
                other.survives,
                *(_chance(low, high) for low, high in chances),
                *times,
                "" if growth is None else f"{growth:g}",
            ]
        )
    print_table(
        ["", "workers", "survives", *(f"fail {p:.0%}" for p in _CHANCES), "mean", "p99", "growth"],
        rows,
    )
    print("fail p: chance that a result is lost when each worker is lost with chance p")
    print("mean, p99: time until decodable when each worker takes 1 + Exp(1)")
    bound, pool = facts["lower_bound_in_pool"], facts["pool"]
    if bound is not None:
        least, proof = (
            ("exactly", ": proved") if bound >= union.workers else ("at least", " so far")
        )
        print(
            f"within a pool of {pool} products {least} {min(bound, union.workers)} are needed to "
            f"survive any {survives}{proof}"
        )
    tried = ", ".join(f"{count} {how}" for how, count in facts["tried"].items())
    if tried:
        print(f"looked at {tried} in {facts['seconds']:.1f} s")
    else:
        print("shipped with flipsearch: --no-preset searches for another one")
    if facts["stored"]:
        print(f"stored as {facts['scheme'][:12]}")
        hint(f"next       kernel {union.format} --faults {survives} -o mm.py")


def _chance(low: float, high: float) -> str:
    return f"{high:.2e}" if high <= 1.01 * low + 1e-15 else f"{low:.1e}..{high:.1e}"
