"""Find and make strategies by name, for the command line, `resume` and all other callers.

A strategy of another package is found by `register_strategy`, or by an entry point of the group
``flipsearch.strategies`` whose name is the strategy's and whose object is its class.

Invariant: a strategy is made from the run's record (format, ring, seed, parameters) and from
schemes that the record names by their hashes. `resume` therefore makes the same strategy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from flipsearch.catalogue import Catalogue, Provenance, Record, Run
from flipsearch.constructors import construct, offers
from flipsearch.constructors.closure import Leaf
from flipsearch.constructors.recipes import NAIVE, sources_of
from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.registry import Registry
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.members import formats_of
from flipsearch.search.strategy import Setting, Strategy
from flipsearch.walk.task import LARGEST_RANK

HELD = 4
"""Stored schemes of its format that a pool walks from, lowest ranks first."""
STARTS_A_FORMAT = 8
"""Number of schemes of each format from which a meta search starts, lowest ranks first."""

STRATEGIES: Registry[type[Strategy]] = Registry(
    "strategy",
    {
        "pool": "flipsearch.search.strategies.pool:PoolStrategy",
        "meta": "flipsearch.search.strategies.meta:MetaStrategy",
        "cyclic": "flipsearch.search.strategies.cyclic:CyclicStrategy",
        "rotation": "flipsearch.search.strategies.rotation:RotationStrategy",
        "diagonal": "flipsearch.search.strategies.diagonal:DiagonalStrategy",
        "numerical": "flipsearch.search.strategies.numerical:NumericalStrategy",
    },
    reserved=("symmetric",),
)
strategy_names = STRATEGIES.names


def register_strategy(name: str, strategy: type[Strategy]) -> None:
    """Make a strategy known by a name, to `flipsearch.Study`, the command line and `resume`.

    Raises
    ------
    UsageError
        Another strategy has the name.

    Examples
    --------
    >>> from flipsearch.search.strategies.pool import PoolStrategy
    >>> class Short(PoolStrategy):
    ...     name = "short"
    ...     def __init__(self, *values):
    ...         super().__init__(*values, steps=100_000)
    >>> register_strategy("short", Short)
    >>> strategy_named("short") is Short
    True
    """
    STRATEGIES.register(name, strategy)


def strategy_named(name: str | type[Strategy], ring: Ring = Ring.F2) -> type[Strategy]:
    """Return the class of a strategy; ``symmetric`` is cyclic over F2 and rotation elsewhere.

    A class is returned as it is. Raises `UsageError` if no strategy has the name.
    """
    if isinstance(name, type):
        return name
    if name == "symmetric":
        name = "cyclic" if ring is Ring.F2 else "rotation"
    return STRATEGIES.get(name)


def refuse_idle_options(name: str | type[Strategy], ring: Ring, given: Mapping[str, Any]) -> None:
    """Raise a `UsageError` if a strategy, as the user names it, would ignore a given option.

    `given` has values by option as in `Strategy.options`, false for an option that is not given.
    Other keys are ignored.
    """
    strategy = strategy_named(name, ring)
    called = name if isinstance(name, str) else strategy.name
    for option in ("format", "target", "start", "within", "mirrored", "fresh", "symmetry"):
        if given.get(option) and option not in strategy.options:
            word = {"format": "a format", "start": "--from"}.get(option, f"--{option}")
            others = [n for n in strategy_names() if option in strategy_named(n).options]
            own = ", which starts from naive schemes of its own" if option == "start" else ""
            raise UsageError(
                f"{word} has no effect with --strategy {called} over {ring}{own}: leave it out, "
                f"or take --strategy {' or '.join(others)}"
            )


def make_strategy(
    catalogue: Catalogue,
    name: str | type[Strategy],
    format_: Format | None,
    ring: Ring,
    seed: int,
    parameters: Mapping[str, Any],
) -> Strategy:
    """Make the strategy of a run; raises `UsageError` if the arguments do not go together.

    Parameters
    ----------
    catalogue : Catalogue
        Holds the schemes to start from, and the known bounds.
    format_ : Format or None
        None if ``within`` names the formats.
    parameters : mapping
        ``target``, ``start`` and ``held`` (hashes), ``within``, ``mirrored``, ``symmetry``.
    """
    strategy = strategy_named(name, ring)
    within, hashes = parameters.get("within"), list(parameters.get("start") or ())
    if format_ is None and not within:
        raise UsageError("which format? for instance: search 4x4x4")
    held = list(parameters.get("held") or ())
    stored = catalogue.schemes.by_hash([*hashes, *held])
    for each in [*hashes, *held]:
        if each not in stored and not within:
            catalogue.schemes.get(each)  # raises the error that it is missing
    known = catalogue.bounds.all() if within else {}
    given = [stored[each] for each in hashes if each in stored]
    starts = _planned(catalogue, given) if within else {r.hash: r.scheme for r in given}
    setting = Setting(
        format_,
        ring,
        seed,
        target=int(parameters.get("target") or 0),
        starts=tuple(each for each in starts.values() if isinstance(each, Scheme)),
        composed=tuple(each for each in starts.values() if isinstance(each, Leaf)),
        held=tuple(stored[each].scheme for each in held if each in stored),
        within=within,
        mirrored=bool(parameters.get("mirrored")),
        symmetry=parameters.get("symmetry") or "",
        bounds={name: bound.value for (name, over), bound in known.items() if over is ring},
    )
    return strategy.make(setting)


def remade(
    catalogue: Catalogue, run: Run, kind: type[Strategy] | None = None
) -> tuple[Strategy, dict[str, Any] | None]:
    """Return the strategy of a run at its last checkpoint, and the state of the checkpoint.

    The class is found by the strategy's name unless it is given. Raises `UsageError` if the run is
    for a tensor whose definition is not stored.
    """
    parameters, state = dict(run.parameters), catalogue.runs.last_checkpoint(run)
    format_ = None if parameters.get("within") else catalogue.format(run.format)
    name = kind or run.strategy
    strategy = make_strategy(catalogue, name, format_, run.ring, run.seed or 0, parameters)
    return strategy if state is None else strategy.restore(state), state


def best_held(catalogue: Catalogue, format_: Format, ring: Ring) -> list[str]:
    """Return the hashes of the best stored schemes of a format from which a pool walks.

    Schemes over Z count over a finite field, and those over Q that reduce to it. A scheme of lower
    rank than these is stored first if a constructor, or blocks of stored schemes, make one.
    """
    p = ring.characteristic
    stored = {
        record.hash: record
        for over in ((ring, Ring.Z, Ring.Q) if p else (ring,))
        for record in catalogue.schemes.records(format=format_, ring=over, sort="rank", limit=HELD)
        if record.rank <= LARGEST_RANK
        and (record.ring is not Ring.Q or (record.denominator or p) % p)
    }
    held = sorted(stored, key=lambda name: stored[name].rank)[:HELD]
    lowest = min((record.rank for record in stored.values()), default=LARGEST_RANK)
    made: tuple[Scheme, Provenance] | None = None
    for rank, name in offers(format_, ring)[:1]:
        if rank < lowest:
            origin = Provenance(method=f"construct: {name}")
            made, lowest = (construct(format_, ring, name), origin), rank
    if isinstance(format_, MatrixProduct) and format_.operands != "gg" and not format_.corner:
        maker = catalogue.blocks(ring)
        if maker.blocks.divided(format_) < lowest:
            with suppress(FormatError):  # over ZT sums of coefficients may leave it
                scheme, how = maker.assembled(format_)
                made = scheme, Provenance(method="blocks", details={"recipe": how})
    return held if made is None else [catalogue.schemes.add(*made).hash, *held[: HELD - 1]]


def held_starts(catalogue: Catalogue, within: str, ring: Ring) -> list[str]:
    """Return the hashes of the catalogue's schemes with which a meta search plans.

    These are the best of each format of sides up to the largest, recipes and images of schemes
    over Z included.
    """
    rings = [ring, "Z"] if ring.characteristic else [ring]
    return [
        record.hash
        for format_ in formats_of(f"2..{formats_of(within)[-1].p}")
        for held in rings
        for record in catalogue.schemes.records(
            format=format_, ring=held, sort="rank", limit=STARTS_A_FORMAT
        )
    ]


def _planned(catalogue: Catalogue, records: Iterable[Record]) -> dict[str, Scheme | Leaf]:
    """Return schemes with which to plan, by hash, and recipes; all that these are made of too."""
    found: dict[str, Scheme | Leaf] = {}
    waiting = list(records)[::-1]
    while waiting:
        record = waiting.pop()
        if record.hash in found:
            continue
        how = catalogue.schemes.recipe(record)
        if how is None:
            found[record.hash] = record.scheme
        else:
            assert isinstance(record.format, MatrixProduct)
            sides = record.format.sides
            found[record.hash] = Leaf(sides, record.rank, record.hash, how, record.ring)
            names = (name for name, _ in sources_of(how))
            waiting += [catalogue.schemes.get(name) for name in names if name != NAIVE]
    return found
