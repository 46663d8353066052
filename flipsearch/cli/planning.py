"""plan: the least ranks of general formats that the stored schemes reach, and their recipes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence, Set
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.cli.names import opened
from flipsearch.cli.output import complain, print_json, print_table, tell
from flipsearch.cli.parser import finish, natural
from flipsearch.errors import UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue, Record
    from flipsearch.constructors.copies import Key
    from flipsearch.constructors.plan import Plan
    from flipsearch.constructors.recipes import Recipe, Sides
    from flipsearch.programs import Reduction
    from flipsearch.rings import Ring

_RINGS = "ZT,Z,Q,F2"


def register(commands: Any) -> None:
    """Add the parser of this group."""
    plan = commands.add_parser(
        "plan",
        help="list the least rank of every format that stored schemes reach by moves",
        description="List the least ranks of general formats that the stored schemes reach by "
        "extensions, projections, products and sums, with the known bounds. Of one structured "
        "format, show the blocks.",
        examples=("plan", "plan 9x9x9 --rings ZT", "plan ug:8x8x8 --rings Q", "plan --vary 10m"),
    )
    plan.add_argument(
        "format", metavar="FORMAT", nargs="?", help="only this one, and how it is reached"
    )
    plan.add_argument("--rings", default=_RINGS, help=f"comma-separated (default {_RINGS})")
    plan.add_argument(
        "--gains",
        type=natural,
        default=0,
        metavar="N",
        help="list the N primitives of sides up to 8 that would lower most formats at their "
        "known rank (default 0)",
    )
    plan.add_argument(
        "--recipes",
        metavar="FILE",
        help="make all schemes of least rank and write their recipes; those in FILE stay where "
        "they have the lower rank (default: only list)",
    )
    plan.add_argument(
        "--composed",
        metavar="FILE",
        help="compose the programs of all stored recipes and write their numbers of additions "
        "(default: only list)",
    )
    plan.add_argument(
        "--vary",
        metavar="TIME",
        help="walk from the stored schemes of sides to 6, at their ranks, for so long, and store "
        "those from which products of lower rank follow (default: only list)",
    )
    plan.add_argument(
        "--seed", type=natural, default=0, metavar="N", help="seed of --vary (default 0)"
    )
    finish(plan, run_plan)


def run_plan(arguments: argparse.Namespace) -> int:
    """Print the least ranks in reach, or make the schemes and write their recipes."""
    from flipsearch.catalogue.arguments import as_ring

    rings = [as_ring(name) for name in arguments.rings.split(",")]
    for_all = ("recipes", "composed", "gains", "vary")
    if arguments.format and any(getattr(arguments, name) for name in for_all):
        raise UsageError(f"--{', --'.join(for_all)} concern all formats: no FORMAT then")
    if arguments.seed and not arguments.vary:
        raise UsageError("--seed is that of --vary: give a time to vary for, or leave it out")
    if arguments.vary:
        return _vary(arguments, rings)
    with opened(arguments) as catalogue:
        if arguments.composed:
            return _write_composed(catalogue, Path(arguments.composed))
        if arguments.format and ":" in arguments.format:
            return _explain_blocks(catalogue, rings, arguments)
        if arguments.recipes:
            return _write(catalogue, rings, Path(arguments.recipes))
        plans = _plans(catalogue, rings)
        if arguments.format:
            return _explain(plans, arguments)
        known = {ring: _known(catalogue, ring) for ring in rings}
    _summarise(plans, known, as_json=arguments.json)
    for ring in rings if arguments.gains else ():
        for sides, rank, count in plans[ring].gains(known[ring])[: arguments.gains]:
            name = "x".join(map(str, sides))
            facts = {"ring": ring.value, "format": name, "rank": rank, "lowers": count}
            tell(arguments, facts, f"{name}:{rank} over {ring} would lower {count} formats")
    return 0


def _plans(catalogue: Catalogue, rings: Sequence[Ring], key: str = "nonzeros") -> dict[Ring, Plan]:
    """Return a plan over each ring from the stored schemes that no recipe makes.

    Of schemes of one format and rank the plan takes the one with the least number in a column.
    """
    from flipsearch.constructors.plan import Plan

    records = [record for record, _, how in _planned(catalogue) if not how]
    schemes = [record.scheme for record in sorted(records, key=attrgetter(key))]
    return {ring: Plan(ring, schemes) for ring in rings}


def _known(catalogue: Catalogue, ring: Ring) -> dict[Sides, int]:
    """Return the known bounds over a ring by sides in order; over Q the least of Q, Z and ZT."""
    from flipsearch.formats import parse_format

    return {
        parse_format(name).sides: bound.value
        for (name, over), bound in catalogue.bounds.all().items()
        if over is ring and ":" not in name
    }


def _summarise(
    plans: dict[Ring, Plan], known: dict[Ring, dict[Sides, int]], *, as_json: bool
) -> None:
    """Print, for each ring, how many formats are in reach at or near their known rank."""
    from flipsearch.constructors.closure import all_sides

    rows = []
    for ring, plan in plans.items():
        ranks = {s: (plan.rank(*s), known[ring][s]) for s in all_sides() if s in known[ring]}
        gaps = {s: ours / bound - 1 for s, (ours, bound) in ranks.items()}
        worst = max(gaps, key=lambda s: gaps[s])
        rows.append(
            {
                "ring": ring.value,
                "formats": len(gaps),
                "below": sum(gap < 0 for gap in gaps.values()),
                "at_known": sum(gap == 0 for gap in gaps.values()),
                "within_3_percent": sum(gap <= 0.03 for gap in gaps.values()),
                "worst": f"{'x'.join(map(str, worst))} +{100 * gaps[worst]:.1f} %",
            }
        )
    if as_json:
        for row in rows:
            print_json(row)
    else:
        print_table(list(rows[0]), [list(row.values()) for row in rows])


def _explain(plans: dict[Ring, Plan], arguments: argparse.Namespace) -> int:
    """Print the least rank of one format over each ring, and the move that gives it."""
    from flipsearch.catalogue.arguments import names_of
    from flipsearch.constructors.plan import is_planned
    from flipsearch.formats import TABULATED_SIDE, parse_format

    name = arguments.format
    format_ = parse_format(names_of(name)[1])
    if not is_planned(format_):
        raise UsageError(f"plans are for general formats of sides to {TABULATED_SIDE}, not {name}")
    sides = format_.sides
    for ring, plan in plans.items():
        leaf = plan.leaf(sides)
        words, sources = ("", []) if leaf is not None else plan.move(sides)
        how = (leaf.how or f"stored {leaf.name[:12]}") if leaf is not None else words
        of = [f"{'x'.join(map(str, s))}:{plan.rank(*s)}" for s in sources]
        rank = plan.rank(*sides)
        facts = {"ring": ring.value, "rank": rank, "how": how, "sources": of}
        tell(arguments, facts, f"{name}:{rank} over {ring}: {' '.join([how, *of])}")
    return 0


def _explain_blocks(
    catalogue: Catalogue, rings: Sequence[Ring], arguments: argparse.Namespace
) -> int:
    """Print the least rank of a structured format over each ring, and the blocks that give it."""
    from flipsearch.formats import parse_format

    name = arguments.format
    for ring in rings:
        blocks = catalogue.blocks(ring).blocks
        choice = blocks.choice(parse_format(name))
        how = f"stored {choice.name[:12]}" if choice.name.isalnum() else choice.name or "blocks"
        parts = [] if choice.name else blocks.blocks(choice.format)
        of = [f"{block.format}:{blocks.rank(block.format)}" for block in parts]
        facts = {"ring": ring.value, "rank": choice.rank, "how": how, "sources": of}
        tell(arguments, facts, f"{name}:{choice.rank} over {ring}: {' '.join([how, *of])}")
    return 0


def _write(catalogue: Catalogue, rings: Sequence[Ring], path: Path) -> int:
    """Make a scheme of least rank for every format, and write the recipes to a file.

    The sources have the fewest additions. Recipes from sources with the fewest nonzeros, which
    kernels want, are written as well for sides to `LARGEST_SPARSE`.
    """
    from flipsearch.algebra.atomic import write_whole
    from flipsearch.constructors.closure import Leaf, all_sides
    from flipsearch.constructors.making import LARGEST_SPARSE, Maker, with_sources
    from flipsearch.constructors.recipes import read_recipes, written_recipes

    known = list(read_recipes(path.read_text(), path.name)) if path.exists() else []
    made: list[Recipe] = []
    plans: dict[Ring, Plan] = {}
    for key in ("nonzeros", "fewest_additions"):
        leaves = [Leaf(r.format.sides, r.rank, r.hash, r.how, r.ring) for r in known]
        plans = _plans(catalogue, rings, key)
        made = Maker(plans, lambda name: catalogue.schemes.get(name).scheme, leaves).all(complain)
        known = [*made, *known]
    least = {(ring, sides): plans[ring].rank(*sides) for ring in plans for sides in all_sides()}
    sparse = [
        recipe.hash
        for recipe in known
        if max(recipe.format.sides) <= LARGEST_SPARSE
        and recipe.rank == least.get((recipe.ring, recipe.format.sides))
    ]
    recipes = with_sources([*made, *known], [*(recipe.hash for recipe in made), *sparse])
    recipes += _copies(catalogue, least, {recipe.how for recipe in recipes})
    write_whole(path, written_recipes(recipes))
    print(f"{len(recipes)} recipes written to {path}")
    return 0


def _vary(arguments: argparse.Namespace, rings: Sequence[Ring]) -> int:
    """Vary the stored schemes, and store those from which products of lower rank follow."""
    from flipsearch.catalogue import Provenance
    from flipsearch.constructors.closure import Leaf
    from flipsearch.constructors.making import serves
    from flipsearch.constructors.variants import LARGEST_VARIED, variants
    from flipsearch.rings import Ring
    from flipsearch.search.budget import parse_budget

    seconds, origin = parse_budget(arguments.vary), Provenance(method="vary", seed=arguments.seed)
    with opened(arguments, read_only=False) as catalogue:
        plans = _plans(catalogue, rings)
        starts: list[tuple[Record, Sides]] = []
        for record, sides, how in _planned(catalogue):
            if not how and max(sides) <= LARGEST_VARIED:
                starts.append((record, sides))
            for ring, plan in plans.items():
                if how and serves(record.ring, ring):
                    plan.add(Leaf(sides, record.rank, record.hash))
        for plan in plans.values():
            plan.close()
        walked = [ring for ring in (Ring.ZT, Ring.F2) if any(serves(ring, own) for own in plans)]
        for ring in walked:
            served = [plan for own, plan in plans.items() if serves(ring, own)]
            least = [
                record.scheme
                for record, sides in starts
                if record.ring is ring and record.rank == served[0].rank(*sides)
            ]
            for scheme, lower in variants(served, least, seconds / len(walked), arguments.seed):
                stored = catalogue.schemes.add(scheme, origin)
                named = f"{scheme.format}:{scheme.rank} over {ring}, {stored.hash[:12]}"
                facts = {"format": str(scheme.format), "scheme": stored.hash, "lower": lower}
                tell(arguments, facts, f"{named}: products {lower} lower in all")
    return 0


def _planned(catalogue: Catalogue) -> Iterator[tuple[Record, Sides, str]]:
    """Yield the stored schemes of general formats, with their sides, and recipes or nothing."""
    from flipsearch.constructors.plan import is_planned
    from flipsearch.formats import MatrixProduct

    for record in catalogue.schemes.records():
        if is_planned(record.format):
            assert isinstance(record.format, MatrixProduct)
            yield record, record.format.sides, catalogue.schemes.recipe(record) or ""


def _copies(catalogue: Catalogue, least: Mapping[Key, int], kept: Set[str]) -> list[Recipe]:
    """Return recipes of copies that need fewer additions than stored schemes and kept recipes."""
    from flipsearch.constructors.copies import recipes_of_copies
    from flipsearch.programs import plain_reduction

    sources: list[tuple[str, Sides, int, Ring]] = []
    fewest: dict[Key, int] = {}
    for record, sides, how in _planned(catalogue):
        if not how:
            sources.append((record.hash, sides, record.rank, record.ring))
        key, additions = (record.ring, sides), record.fewest_additions
        if record.rank == least.get(key) and (not how or how in kept):
            fewest[key] = min(additions, fewest.get(key, additions))

    def reduction(name: str) -> Reduction:
        record = catalogue.schemes.get(name)
        return record.reduction or plain_reduction(record.scheme)

    return recipes_of_copies(
        sources, least, fewest, lambda name: catalogue.schemes.get(name).scheme, reduction
    )


def _write_composed(catalogue: Catalogue, path: Path) -> int:
    """Compose the programs of all recipes, and write those that save additions to a file."""
    from flipsearch.algebra.atomic import write_whole
    from flipsearch.constructors.counts import written_composed

    made: dict[str, Reduction] = {}
    found = {
        record.hash: reduction.additions
        for record in catalogue.schemes.records(sort="rank")
        if (reduction := catalogue.schemes.composed(record, made)) is not None
        and reduction.additions < record.additions
    }
    write_whole(path, written_composed(found))
    print(f"{len(found)} numbers of additions written to {path}")
    return 0
