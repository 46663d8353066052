"""Which strategy the arguments of `search` describe, and the table of one with many formats.

Invariant: a strategy is made from what the run's record keeps (format, ring, seed, parameters) and
from schemes named there by their hashes, so that `resume` makes the same one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flipsearch.cli.output import print_table
from flipsearch.errors import FlipsearchError, UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue, Run
    from flipsearch.formats import MatrixProduct
    from flipsearch.rings import Ring
    from flipsearch.scheme import Scheme
    from flipsearch.search.run import Strategy

STARTS_A_FORMAT = 8
"""Schemes of a format that a meta search starts from, lowest ranks first."""


HONOURED = {
    "pool": {"a format", "--target", "--from"},
    "meta": {"--within", "--from"},
    "symmetric": {"a format", "--target", "--mirrored"},
    "diagonal": {"a format", "--target"},
}
"""What each strategy takes of the options that not all take."""


def refuse_idle_options(name: str, given: Mapping[str, Any]) -> None:
    """Refuse options that a strategy would not look at.

    Parameters
    ----------
    name : str
        The strategy.
    given : mapping
        Options and their values, None for those not given.

    Raises
    ------
    UsageError
        There is one.
    """
    for option, value in given.items():
        if value is not None and option not in HONOURED[name]:
            others = [other for other, options in HONOURED.items() if option in options]
            own = ", which starts from naive schemes of its own" if option == "--from" else ""
            raise UsageError(
                f"{option} has no effect with --strategy {name}{own}: leave it out, or take "
                f"--strategy {' or '.join(others)}"
            )


def format_of(catalogue: Catalogue, run: Run) -> Any:
    """Return the format of a run; a tensor's from its definition in the catalogue.

    Raises
    ------
    UsageError
        It is a tensor, and nothing is stored for it.
    """
    from flipsearch.formats import parse_format

    if not run.format.startswith("tensor:"):
        return parse_format(run.format)
    for record in catalogue.schemes.records(format=run.format, limit=1):
        return record.format
    raise UsageError(f"run {run.id} is on {run.format}, of which no scheme is stored: start again")


def formats_of(within: str) -> list[MatrixProduct]:
    """Return the formats of a range of sides such as ``2..8``.

    Raises
    ------
    UsageError
        It is no range.
    """
    from flipsearch.search.meta import formats_within

    match = re.fullmatch(r"(\d+)\.\.(\d+)", within)
    if match is None:
        raise UsageError(f"range {within!r} is not LOW..HIGH, for instance 2..4")
    return formats_within(int(match[1]), int(match[2]))


def held_starts(catalogue: Catalogue, within: str, ring: Ring) -> list[str]:
    """Return the hashes of the catalogue's best schemes that a meta search can start from.

    Those over the ring, and over a finite field those over Z too, which reduce to it.
    """
    rings = [ring, "Z"] if ring.characteristic else [ring]
    return [
        record.hash
        for format_ in formats_of(within)
        for held in rings
        for record in catalogue.schemes.records(
            format=format_, ring=held, sort="rank", limit=STARTS_A_FORMAT
        )
    ]


def make_strategy(
    catalogue: Catalogue,
    name: str,
    format_: MatrixProduct | None,
    ring: Ring,
    seed: int,
    parameters: Mapping[str, Any],
) -> Strategy:
    """Return the strategy of a run.

    Parameters
    ----------
    catalogue : Catalogue
        Where the schemes to start from are, and the known bounds.
    name : {"pool", "meta", "symmetric", "diagonal"}
    format_ : MatrixProduct or None
        None for `meta`.
    ring : Ring
    seed : int
    parameters : mapping
        ``target``, ``start`` (hashes), ``within``, ``mirrored``.

    Raises
    ------
    UsageError
        They do not go together.
    """
    starts = list(parameters.get("start") or ())
    within = parameters.get("within")
    target = int(parameters.get("target") or 0)
    if within:
        from flipsearch.search.meta import MetaStrategy

        known = catalogue.bounds.all()
        formats = formats_of(within)
        bounds = {str(f): known[str(f), ring].value for f in formats if (str(f), ring) in known}
        found = catalogue.schemes.by_hash(starts)
        images = [_over(found[start].scheme, ring) for start in starts if start in found]
        return MetaStrategy(formats, ring, seed, bounds, [s for s in images if s is not None])
    assert format_ is not None
    if name == "symmetric":
        from flipsearch.rings import Ring
        from flipsearch.search.rotation import RotationStrategy
        from flipsearch.search.symmetric import SymmetricStrategy

        mirrored = bool(parameters.get("mirrored"))
        if ring is Ring.F2:
            return SymmetricStrategy(format_, seed=seed, target=target, mirrored=mirrored)
        if mirrored:
            raise UsageError("--mirrored goes with --ring F2 and n x n x n")
        return RotationStrategy(format_, ring, seed, target)
    if name == "diagonal":
        from flipsearch.search.diagonal import DiagonalStrategy

        return DiagonalStrategy(format_, ring, seed, target)
    from flipsearch.search.edges import fitted
    from flipsearch.search.pool import PoolStrategy

    schemes = [fitted(catalogue.schemes.get(start).scheme.over(ring), format_) for start in starts]
    return PoolStrategy(format_, ring, seed, schemes, target)


def family_table(strategy: Strategy) -> list[dict[str, Any]]:
    """Return format, rank, known bound and gap of every format of a meta search, else nothing."""
    table = getattr(strategy, "table", None)
    if table is None:
        return []
    return [
        {
            "format": name,
            "rank": rank,
            "known_bound": known,
            "gap": None if known is None else rank - known,
        }
        for name, rank, known in table()
    ]


def print_family(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of a meta search, and how many formats are at their known bound."""
    print_table(["format", "rank", "known bound", "gap"], [list(row.values()) for row in rows])
    reached = sum(row["gap"] is not None and row["gap"] <= 0 for row in rows)
    print(f"{reached} of {len(rows)} formats at their known bound or below")


def _over(scheme: Scheme, ring: Ring) -> Scheme | None:
    """Return the scheme over the ring, or None where it has no such image."""
    try:
        return scheme.over(ring)
    except FlipsearchError:
        return None
