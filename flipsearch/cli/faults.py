"""protect: products that survive lost workers, found, certified, compared and stored."""

from __future__ import annotations

import argparse
from typing import Any


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    from flipsearch.cli import database_argument, natural

    protect = commands.add_parser(
        "protect", help="find products that survive lost workers, with a certificate"
    )
    protect.add_argument("format", metavar="FORMAT", help="what to compute, such as 2x2x2")
    protect.add_argument(
        "--survive",
        type=int,
        default=1,
        metavar="F",
        help="lost workers to survive, any F of them",
    )
    protect.add_argument("--workers", type=int, metavar="N", help="at most N workers in all")
    protect.add_argument(
        "--budget", default="60s", metavar="TIME", help="how long to search: 30s, 5m (60s)"
    )
    protect.add_argument("--seed", type=natural, default=0, help="of the search's random choices")
    protect.add_argument(
        "--no-preset", action="store_true", help="search even where a shipped union would do"
    )
    protect.add_argument("-o", "--output", metavar="FILE", help="write the union as readable text")
    protect.add_argument("--no-store", action="store_true", help="leave the catalogue alone")
    protect.add_argument("--json", action="store_true", help="one JSON object instead of a page")
    database_argument(protect)
    protect.set_defaults(handler=run_protect)


def run_protect(arguments: argparse.Namespace) -> int:
    """Find, certify, print and store a fault-tolerant union."""
    from flipsearch.cli._faults import run

    return run(arguments)
