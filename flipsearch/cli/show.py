"""show: everything about one scheme."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flipsearch.cli.names import opened, scheme_named
from flipsearch.cli.output import print_json, print_table, terminal_width
from flipsearch.cli.parser import finish
from flipsearch.errors import UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue, Record
    from flipsearch.cli.names import Named
    from flipsearch.scheme import Scheme

_WORDS = {"shared_u": "shared U", "shared_v": "shared V", "shared_w": "shared W"}


def register(commands: Any) -> None:
    """Add the parser of this group."""
    show = commands.add_parser(
        "show",
        help="show everything about one scheme",
        description="Show a scheme's columns, provenance, programs and invariants.",
        examples=("show 4x4x4 --products", "show 928ba8decfed --orbit", "show ss:5x5x5 --anatomy"),
    )
    show.add_argument(
        "scheme",
        metavar="ID|FORMAT|FILE",
        help="a hash prefix of 6 digits or more; a format: its best scheme; or a scheme file",
    )
    show.add_argument(
        "--ring",
        help="with a format: best over this ring, by default ZT, Z or Q; over F2 and F3 also by "
        "reduction",
    )
    show.add_argument(
        "--lineage", action="store_true", help="the tree of the schemes that it was made of"
    )
    show.add_argument(
        "--products", action="store_true", help="also write out its products and outputs"
    )
    show.add_argument(
        "--orbit",
        action="store_true",
        help="its class under symmetry: exactly where feasible, invariants in any case",
    )
    show.add_argument(
        "--anatomy",
        action="store_true",
        help="its products by the indices that they touch, its symmetries and their orbits",
    )
    finish(show, run_show, printed="one JSON object")


def run_show(arguments: argparse.Namespace) -> int:
    """Print everything about one scheme."""
    from flipsearch.catalogue.arguments import as_ring

    with opened(arguments) as catalogue:
        found = scheme_named(catalogue, arguments.scheme, arguments.ring)
        scheme, record = found.scheme, found.record
        facts = _measured(found, catalogue) if record is None else record.to_dict()
        wanted = None if arguments.ring is None else as_ring(arguments.ring)
        if wanted is not None and wanted.characteristic and scheme.ring is not wanted:
            facts["reduces_to"] = wanted.value
        facts["provenance"], facts["programs"] = [], None
        if record is not None:
            facts["provenance"] = [p.to_dict() for p in catalogue.schemes.provenance(record)]
            facts["invariants"] = catalogue.schemes.invariants(record)
            facts["programs"] = _programs(record)
        if arguments.lineage:
            if record is None:
                raise UsageError("--lineage is of stored schemes: import the file first")
            facts["lineage"] = list(_tree(catalogue, record))
    facts["recursion"] = _recursion(scheme)
    if arguments.orbit:
        from flipsearch.equivalence import orbit

        facts["orbit"] = orbit(scheme).to_dict()
    found_anatomy = None
    if arguments.anatomy:
        from flipsearch.equivalence.anatomy import anatomy

        found_anatomy = anatomy(scheme)
        facts["anatomy"] = found_anatomy.to_dict()
    if arguments.products:
        facts["products"], facts["outputs"] = dict(scheme.products()), dict(scheme.outputs())
    if arguments.json:
        print_json(facts)
        return 0
    facts.pop("anatomy", None)
    _print_facts(facts)
    if found_anatomy is not None:
        print()
        _line("symmetry", found_anatomy.title)
        for head, rows in found_anatomy.tables():
            print()
            print_table(head, rows)
    return 0


def _measured(found: Named, catalogue: Catalogue) -> dict[str, Any]:
    """Return the facts of a scheme that is not stored, from a file."""
    from flipsearch.catalogue.columns import Measured

    scheme = found.scheme
    known, bound = Measured(scheme), catalogue.bounds.known(str(scheme.format), scheme.ring)
    return {
        "scheme": scheme.content_hash,
        "format": str(scheme.format),
        "ring": scheme.ring.value,
        "rank": scheme.rank,
        "known_bound": None if bound is None else bound.value,
        "gap": None if bound is None else scheme.rank - bound.value,
        "additions": scheme.additions,
        "nonzeros": scheme.nonzeros,
        "growth": known.growth,
        "omega": scheme.omega,
        "calls": known.calls,
        "gamma": known.gamma,
        "stored": "not stored: `import` stores it",
        "source": found.file,
    }


def _programs(record: Record) -> dict[str, int] | None:
    """Return the numbers of additions of the stored programs."""
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


def _tree(
    catalogue: Catalogue, record: Record | str, below: Any = None, indent: str = ""
) -> Iterator[str]:
    """Yield the lines of a scheme's lineage as a tree, the scheme itself first."""
    if isinstance(record, str):
        yield indent + record
        return
    how = catalogue.schemes.recipe(record)
    move = " ".join(word for word in (how or record.source).split() if ":" not in word)[:50]
    yield f"{indent}{record.format}:{record.rank} over {record.ring} {record.short}  {move}"
    for source, rest in catalogue.schemes.lineage(record) if below is None else below:
        yield from _tree(catalogue, source, rest, indent + "  ")


def _print_facts(facts: dict[str, Any]) -> None:
    from flipsearch.formats.named import short_name

    provenance = facts.pop("provenance")
    written = [facts.pop(key, {}) for key in ("products", "outputs")]
    found, recursion = facts.pop("orbit", None), facts.pop("recursion")
    lineage = facts.pop("lineage", [])
    programs = facts.pop("programs")
    for key, value in facts.items():
        if value is not None and key != "source":
            shown = short_name(value) if key == "format" else value
            _line(key, f"{shown:.6g}" if isinstance(shown, float) else shown)
    if programs is not None:
        left, right, output = programs["left"], programs["right"], programs["output"]
        _line("programs", f"{programs['additions']} additions: {left} + {right} + {output}")
    if recursion is not None:
        _line("calls by kind", "-".join(map(str, recursion["calls"])))
        parts = (f"{count} {kind}" for kind, count in sorted(recursion["destinations"].items()))
        _line("recursion", ", ".join(parts))
    for entry in provenance:
        for number, text in enumerate(_origin(entry)):
            _line("" if number else "from", text)
    for line in ["", *lineage] if lineage else []:
        print(line)
    if found is not None:
        print()
        _print_orbit(found)
    for lines in filter(None, written):
        print()
        for name, text in lines.items():
            print(f"{name} = {text}")


def _print_orbit(found: dict[str, Any]) -> None:
    for key, value in found.items():
        if isinstance(value, list):
            text = " ".join(map(str, value)) or "none"
            _line(_WORDS.get(key, key), f"{text} (terms with a factor in common)")
        else:
            words = {"class": "class", "orbit_size": "orbit size"}.get(key, key)
            _line(words, "not computed" if value is None else value)


def _origin(entry: dict[str, Any]) -> list[str]:
    """Return the lines of a provenance, each fact once."""
    details = dict(entry.pop("details", None) or {})
    said = {str(value) for value in entry.values()}
    lines = [str(entry.pop(key)) for key in ("source", "method") if entry.get(key)]
    rest = entry | {key: value for key, value in details.items() if str(value) not in said}
    short = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in rest.items())
    return [*lines, *([short] if short else [])]


def _line(key: str, value: object) -> None:
    name = f"{key.replace('_', ' ')}:" if key else ""
    width, text = terminal_width() - 18, str(value)
    lines = [text]
    if width > 0:
        lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    print(f"{name:17} {f'{chr(10):19}'.join(lines)}")
