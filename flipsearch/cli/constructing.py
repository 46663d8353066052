"""construct: the scheme of a format by a closed formula or from blocks."""

from __future__ import annotations

import argparse
from typing import Any

from flipsearch.cli.names import opened
from flipsearch.cli.output import tell
from flipsearch.cli.parser import finish


def register(commands: Any) -> None:
    """Add the parser of this group."""
    make = commands.add_parser(
        "construct",
        help="make a scheme by a closed formula or from blocks, and store it",
        description="Make the scheme of a format that a closed formula gives, or that blocks of "
        "stored schemes give, prove it and store it. No search is needed.",
        examples=(
            "construct 14x14x14",
            "construct ss:6x6x6 --ring ZT",
            "construct ug:9x9x9 --blocks",
        ),
    )
    make.add_argument("format", metavar="FORMAT", help="for instance 14x14x14 or ss:6x6x6")
    make.add_argument("--ring", help="F2, F3, ZT, Z or Q (default: least rank of ZT, Z, Q)")
    way = make.add_mutually_exclusive_group()
    way.add_argument("--by", metavar="NAME", help="the constructor (default: the best)")
    way.add_argument(
        "--blocks",
        action="store_true",
        help="assemble it from blocks of stored schemes of other formats, and formulas",
    )
    finish(make, run_construct)


def run_construct(arguments: argparse.Namespace) -> int:
    """Construct a scheme and store it."""
    from flipsearch.catalogue import Provenance
    from flipsearch.catalogue.arguments import as_ring
    from flipsearch.constructors import best_offer, construct
    from flipsearch.formats import parse_format
    from flipsearch.formats.named import format_of, short_name
    from flipsearch.rings import Ring

    with opened(arguments, read_only=False) as catalogue:
        if arguments.blocks:
            maker = catalogue.blocks(as_ring(arguments.ring or Ring.Q))
            scheme, how = maker.assembled(parse_format(arguments.format))
            origin = Provenance(method="blocks", details={"recipe": how})
        else:
            format_ = format_of(arguments.format)
            _, ring, by = best_offer(format_, arguments.ring, arguments.by)
            scheme = construct(format_, ring, by)
            origin = Provenance(method=f"construct: {by}")
        stored = catalogue.schemes.add(scheme, origin)
        record = catalogue.schemes.get(stored.hash)
    there = "stored as" if stored.new else "there already as"
    made = f"{short_name(record.format)} of rank {record.rank} over {record.ring}"
    facts = record.to_dict() | {"new": stored.new}
    tell(arguments, facts, f"{made}, proved, {there} {record.short}")
    return 0
