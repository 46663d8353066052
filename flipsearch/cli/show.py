"""show: everything about one scheme."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from flipsearch.cli import database_argument
from flipsearch.cli.output import print_json
from flipsearch.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue, Record
    from flipsearch.scheme import Scheme

_WORDS = {"shared_u": "shared U", "shared_v": "shared V", "shared_w": "shared W"}


def register(commands: Any) -> None:
    """Add the parser of this group."""
    show = commands.add_parser("show", help="everything about one scheme")
    show.add_argument(
        "scheme",
        metavar="ID",
        help="hash prefix, 6 digits or more; or a format or tensor file",
    )
    show.add_argument(
        "--ring",
        help="with a format: best over this ring, by default ZT, Z or Q; over F2 and F3 also by "
        "reduction",
    )
    show.add_argument("--products", action="store_true", help="write out its products")
    show.add_argument(
        "--orbit",
        action="store_true",
        help="its class under symmetry: exactly where feasible, invariants in any case",
    )
    show.add_argument("--json", action="store_true", help="one JSON object")
    database_argument(show)
    show.set_defaults(handler=run_show)


def run_show(arguments: argparse.Namespace) -> int:
    """Print everything about one scheme."""
    from flipsearch.catalogue import Catalogue
    from flipsearch.catalogue.arguments import as_ring

    with Catalogue.open(arguments.db, read_only=True) as catalogue:
        record = _found(catalogue, arguments.scheme, arguments.ring)
        scheme = record.scheme  # its hash is checked whether or not the products are shown
        facts = record.to_dict()
        wanted = None if arguments.ring is None else as_ring(arguments.ring)
        if wanted is not None and wanted.characteristic and record.ring is not wanted:
            facts["reduces_to"] = wanted.value
        facts["provenance"] = [p.to_dict() for p in catalogue.schemes.provenance(record)]
        facts["invariants"] = catalogue.schemes.invariants(record)
        facts["programs"] = _programs(record)
    facts["recursion"] = _recursion(scheme)
    if arguments.orbit:
        from flipsearch.equivalence import orbit

        facts["orbit"] = orbit(scheme).to_dict()
    if arguments.products:
        from flipsearch.files.native import to_text

        facts["products"] = to_text(scheme).partition("\n\n")[2].splitlines()
    if arguments.json:
        print_json(facts)
    else:
        _print_facts(facts)
    return 0


def _found(catalogue: Catalogue, name: str, ring: str | None) -> Record:
    """Return the scheme with a hash, or the best one of a format, whose name is no hash."""
    from flipsearch.catalogue.arguments import is_hash

    if is_hash(name):
        if ring is not None:
            raise UsageError("--ring goes with a format: a hash names one scheme already")
        return catalogue.schemes.get(name)
    format_ = catalogue.format(name)
    record = catalogue.best(format_, ring)
    if record is None:
        over = f"over {ring}" if ring else "over ZT, Z or Q"
        raise NotFoundError(f"no scheme of {format_} {over} is stored: search for one")
    return record


def _programs(record: Record) -> dict[str, int] | None:
    """Return the additions of the stored programs, which are evaluated for it."""
    found = record.reduction
    if found is None:
        return None
    left, right, output = found.parts
    return {"additions": found.additions, "left": left, "right": right, "output": output}


def _recursion(scheme: Scheme) -> dict[str, Any] | None:
    """Return the recursive calls of a structured scheme."""
    from flipsearch.catalogue.columns import Measured

    found = Measured(scheme).recursion
    if found is None:
        return None
    return {
        "rank": found.rank,
        "calls": list(found.calls),
        "output_calls": list(found.output_calls),
        "destinations": found.destinations,
        "gamma": None if found.gamma is None else float(found.gamma),
        "gamma_exact": None if found.gamma is None else str(found.gamma),
    }


def _print_facts(facts: dict[str, Any]) -> None:
    provenance, products = facts.pop("provenance"), facts.pop("products", None)
    found, recursion = facts.pop("orbit", None), facts.pop("recursion")
    programs = facts.pop("programs")
    for key, value in facts.items():
        if value is not None and key != "source":
            _line(key, value)
    if programs is not None:
        left, right, output = programs["left"], programs["right"], programs["output"]
        _line("programs", f"{programs['additions']} additions: {left} + {right} + {output}")
    if recursion is not None:
        _line("calls by kind", "-".join(map(str, recursion["calls"])))
        parts = (f"{count} {kind}" for kind, count in sorted(recursion["destinations"].items()))
        _line("recursion", ", ".join(parts))
    for entry in provenance:
        _line("from", ", ".join(f"{key} {value}" for key, value in entry.items()))
    if found is not None:
        print()
        _print_orbit(found)
    if products is not None:
        print()
        for number, product in enumerate(products, start=1):
            print(f"m{number} = {product}")


def _print_orbit(found: dict[str, Any]) -> None:
    for key, value in found.items():
        if isinstance(value, list):
            text = " ".join(map(str, value)) or "none"
            _line(_WORDS.get(key, key), f"{text} (terms with a factor in common)")
        else:
            words = {"class": "class", "orbit_size": "orbit size"}.get(key, key)
            _line(words, "not computed" if value is None else value)


def _line(key: str, value: object) -> None:
    print(f"{key.replace('_', ' ') + ':':18}{value}")
