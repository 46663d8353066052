"""sparsen and stabilise: move a stored scheme to a sparser or more accurate one of its rank."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flipsearch.cli.names import opened, scheme_named
from flipsearch.cli.output import hint, status, tell
from flipsearch.cli.parser import finish, natural

if TYPE_CHECKING:
    from flipsearch.catalogue import Record
    from flipsearch.scheme import Scheme


def register(commands: Any) -> None:
    """Add the parsers of the commands."""
    sparsen = commands.add_parser(
        "sparsen",
        help="find a scheme of the same rank with fewer nonzeros or simpler coefficients",
        description="Move a scheme in characteristic 0 numerically among all schemes of its rank "
        "to one with fewer nonzeros, make it exact, and store it if it is better. Ctrl-C ends "
        "with the best one so far.",
        examples=("sparsen 3x3x3 --toward ZT --budget 30s", "sparsen 928ba8decfed"),
    )
    sparsen.add_argument(
        "--toward",
        choices=("ZT", "Z", "halves"),
        default="halves",
        help="coefficients that count before nonzeros: -1, 0 and 1; integers; or with powers of "
        "2 as denominators (default halves)",
    )
    stabilise = commands.add_parser(
        "stabilise",
        help="find a scheme of the same rank with smaller rounding errors",
        description="Change the bases of a scheme of a general product for a smaller growth "
        "factor, over the reals first; round the change of basis to small rationals, prove the "
        "scheme, and store it if it is better. Ctrl-C ends with the best one so far.",
        examples=("stabilise 2x2x2", "stabilise 3x3x3 --toward ZT --growth max"),
    )
    stabilise.add_argument(
        "--growth",
        choices=("2", "max"),
        default="2",
        help="growth factor to make smaller: of 2-norms, which predicts errors best, or of Bini "
        "and Lotti, which bounds them (default 2)",
    )
    stabilise.add_argument(
        "--toward",
        choices=("ZT", "Z", "halves", "Q"),
        default="halves",
        help="coefficients of the result: -1, 0 and 1; integers; with powers of 2 as "
        "denominators; or any rationals (default halves)",
    )
    stabilise.add_argument(
        "--denominators",
        type=natural,
        default=8,
        metavar="N",
        help="largest denominator in the changes of basis, up to 64 (default 8)",
    )
    for parser, budget, run in (
        (sparsen, "60s", run_sparsen),
        (stabilise, "5s", run_stabilise),
    ):
        parser.add_argument("scheme", metavar="ID|FORMAT|FILE", help="the scheme to start from")
        parser.add_argument(
            "--budget", default=budget, help=f"time, such as 30s or 5m (default {budget})"
        )
        parser.add_argument("--seed", type=natural, default=0, help="seed (default 0)")
        finish(parser, run, printed="one JSON object")


def run_sparsen(arguments: argparse.Namespace) -> int:
    """Sparsen a scheme and store the result; 1 if none is better."""
    from flipsearch.numerical.sparsening import cost, sparser_schemes

    toward = arguments.toward
    start, best, found = _improved(
        arguments,
        lambda scheme: sparser_schemes(scheme, toward, arguments.seed),
        lambda scheme: cost(scheme, toward),
        lambda scheme: f"{scheme.canonical.nonzeros} nonzeros over {scheme.natural_ring}",
        f"sparsened toward {toward}",
    )
    before, after = start.scheme.canonical.nonzeros, best.canonical.nonzeros
    record = {
        "scheme": start.hash,
        "nonzeros": before,
        "sparser": None if found is None else found.hash,
        "sparser_nonzeros": after,
        "sparser_ring": str(best.natural_ring),
    }
    if found is None:
        text = f"{start.short} has {before} nonzeros over {start.ring}; no better one was found"
        tell(arguments, record, text)
        return 1
    text = f"{start.short}, {before} nonzeros over {start.ring}, became {found.short}, {after} "
    tell(arguments, record, f"{text}over {best.natural_ring}")
    hint(f"next       show {found.short}  |  kernel {found.short} -o mm.py")
    return 0


def run_stabilise(arguments: argparse.Namespace) -> int:
    """Make the growth factor of a scheme smaller and store the result; 1 if none is better."""
    from flipsearch.kernels.stabilising import cost, least_gamma2, stabler_schemes

    kind, toward = arguments.growth, arguments.toward

    def growth(scheme: Scheme) -> float:
        return cost(scheme, kind, toward)[1]

    start, best, found = _improved(
        arguments,
        lambda scheme: stabler_schemes(
            scheme, kind, toward, arguments.denominators, arguments.seed
        ),
        lambda scheme: cost(scheme, kind, toward),
        lambda scheme: f"growth factor {growth(scheme):.6g} over {scheme.natural_ring}",
        f"stabilised toward {toward} by {'gamma2' if kind == '2' else 'emax'}",
    )
    before, after = growth(start.scheme), growth(best)
    least = least_gamma2(start.scheme) if kind == "2" else None
    record = {
        "scheme": start.hash,
        "growth": before,
        "stabler": None if found is None else found.hash,
        "stabler_growth": after,
        "stabler_ring": str(best.natural_ring),
        "least": least,
    }
    text = f"{start.short} has growth factor {before:.6g}; no better scheme was found"
    if found is not None:
        text = (
            f"{start.short}, growth factor {before:.6g}, became {found.short}, {after:.6g} over "
        )
        text += str(best.natural_ring)
    if least is not None:
        text += f"\nthe least growth factor by changes of basis, over the reals, is {least:.6g}"
    tell(arguments, record, text)
    if found is not None:
        hint(f"next       show {found.short}  |  kernel {found.short} -o mm.py")
    return 0 if found is not None else 1


def _improved(
    arguments: argparse.Namespace,
    better_ones: Callable[[Scheme], Iterable[Scheme]],
    cost: Callable[[Scheme], Any],
    described: Callable[[Scheme], str],
    method: str,
) -> tuple[Record, Scheme, Record | None]:
    """Return the named scheme, the best of its better ones in the time given, and its record.

    The record is None, and nothing is stored, if none costs less than the named one.
    """
    import time

    from flipsearch.catalogue import Provenance
    from flipsearch.errors import UsageError
    from flipsearch.search.budget import parse_budget

    seconds = parse_budget(arguments.budget)
    with opened(arguments, read_only=False) as catalogue:
        start = scheme_named(catalogue, arguments.scheme).kept(catalogue)
        if start.ring.characteristic:
            raise UsageError(f"{start.short} is over {start.ring}: lift it first")
        best, end = start.scheme, time.monotonic() + seconds
        try:
            for best in better_ones(start.scheme):
                status.show(described(best))
                if time.monotonic() > end:
                    break
        except KeyboardInterrupt:
            pass
        status.clear()
        if not cost(best) < cost(start.scheme):
            return start, best, None
        source = Provenance(method=method, parent=start.hash, seed=arguments.seed)
        return start, best, catalogue.schemes.get(catalogue.schemes.add(best, source).hash)
