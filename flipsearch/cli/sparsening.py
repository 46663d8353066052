"""sparsen: move a stored scheme to one of the same rank with fewer nonzeros."""

from __future__ import annotations

import argparse
from typing import Any

from flipsearch.cli.names import opened, scheme_named
from flipsearch.cli.output import hint, print_json, status
from flipsearch.cli.parser import finish, natural


def register(commands: Any) -> None:
    """Add the parser of the command."""
    parser = commands.add_parser(
        "sparsen",
        help="find a scheme of the same rank with fewer nonzeros or simpler coefficients",
        description="Move a scheme in characteristic 0 numerically among all schemes of its rank "
        "to one with fewer nonzeros, make it exact, and store it if it is better. Ctrl-C ends "
        "with the best one so far.",
        examples=("sparsen 3x3x3 --toward ZT --budget 30s", "sparsen 928ba8decfed"),
    )
    parser.add_argument("scheme", metavar="ID|FORMAT|FILE", help="the scheme to start from")
    parser.add_argument(
        "--toward",
        choices=("ZT", "Z", "halves"),
        default="halves",
        help="coefficients that count before nonzeros: -1, 0 and 1; integers; or with powers of "
        "2 as denominators (default halves)",
    )
    parser.add_argument("--budget", default="60s", help="time, such as 30s or 5m (default 60s)")
    parser.add_argument("--seed", type=natural, default=0, help="seed (default 0)")
    finish(parser, run_sparsen, printed="one JSON object")


def run_sparsen(arguments: argparse.Namespace) -> int:
    """Sparsen a scheme and store the result; 1 if none is better."""
    import time

    from flipsearch.catalogue import Provenance
    from flipsearch.errors import UsageError
    from flipsearch.numerical.sparsening import cost, sparser_schemes
    from flipsearch.search.budget import parse_budget

    seconds = parse_budget(arguments.budget)
    with opened(arguments, read_only=False) as catalogue:
        start = scheme_named(catalogue, arguments.scheme).kept(catalogue)
        if start.ring.characteristic:
            raise UsageError(f"{start.short} is over {start.ring}: lift it first")
        best, end = start.scheme, time.monotonic() + seconds
        try:
            for best in sparser_schemes(start.scheme, arguments.toward, arguments.seed):
                status.show(f"{best.canonical.nonzeros} nonzeros over {best.natural_ring}")
                if time.monotonic() > end:
                    break
        except KeyboardInterrupt:
            pass
        status.clear()
        found = None
        if cost(best, arguments.toward) < cost(start.scheme, arguments.toward):
            method = f"sparsened toward {arguments.toward}"
            source = Provenance(method=method, source=start.hash, seed=arguments.seed)
            found = catalogue.schemes.add(best, source)
    before, after = start.scheme.canonical.nonzeros, best.canonical.nonzeros
    if arguments.json:
        print_json(
            {
                "scheme": start.hash,
                "nonzeros": before,
                "sparser": None if found is None else found.hash,
                "sparser_nonzeros": after,
                "sparser_ring": str(best.natural_ring),
            }
        )
    elif found is None:
        print(f"{start.short} has {before} nonzeros over {start.ring}; no better one was found")
    else:
        print(
            f"{start.short}, {before} nonzeros over {start.ring}, became {found.short}, {after} "
            f"over {best.natural_ring}"
        )
        hint(f"next       show {found.short}  |  kernel {found.short} -o mm.py")
    return 0 if found is not None else 1
