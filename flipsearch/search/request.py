"""Check a user's request for a search, for the command line and for Python alike.

Invariant: a settled request names a strategy, a format and a ring that go together, and has no
option that the strategy would ignore. A request for an existing run agrees with the run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flipsearch.catalogue import Catalogue, Provenance, Run
from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.named import format_of
from flipsearch.rings import Ring, parse_ring
from flipsearch.scheme import Scheme
from flipsearch.search.registry import (
    best_held,
    held_starts,
    make_strategy,
    refuse_idle_options,
    strategy_named,
)
from flipsearch.search.strategy import Strategy

FormatLike = str | os.PathLike[str] | Format


@dataclass(frozen=True)
class Request:
    """A search as a user describes it; None and empty values stand for options not given.

    The parameters are those of `flipsearch.Study` of the same names. By default the ring is the
    first that the strategy takes, the strategy is ``pool``, or ``meta`` with `within`, and the
    seed is drawn from the clock.
    """

    format: FormatLike | None = None
    ring: str | Ring | None = None
    target: int | None = None
    strategy: str | type[Strategy] | None = None
    seed: int | None = None
    start: Sequence[str | Scheme] = ()
    within: str | None = None
    mirrored: bool = False
    fresh: bool = False
    symmetry: str | None = None

    def settled(
        self, catalogue: Catalogue | None = None
    ) -> tuple[type[Strategy], Format | None, Ring]:
        """Return strategy, format (None with `within`) and ring of a new run.

        Raises `UsageError` if they do not go together, or an option would have no effect.
        """
        name = self.strategy or ("meta" if self.within else "pool")
        ring = parse_ring(self.ring or strategy_named(name).rings[0])
        strategy = strategy_named(name, ring)
        refuse_idle_options(name, ring, vars(self))
        if self.fresh and self.start:
            raise UsageError("--fresh has no effect with --from: leave one of them out")
        if "within" in strategy.options:
            if not self.within:
                raise UsageError(
                    f"--strategy {strategy.name} needs a range of sides: --within 2..4"
                )
            return strategy, None, ring
        if self.format is None:
            raise UsageError("which format? for instance: search 4x4x4")
        format_ = format_of(self.format) if catalogue is None else catalogue.format(self.format)
        general = isinstance(format_, MatrixProduct) and format_.is_general
        least = max(format_.dimensions) if general else 1
        if self.target and not least <= self.target <= format_.naive_rank:
            raise UsageError(
                f"target {self.target} is no rank of {format_}: no scheme has fewer than "
                f"{least} products, and the naive one has {format_.naive_rank}"
            )
        return strategy, format_, ring

    def made(self, catalogue: Catalogue) -> tuple[Strategy, dict[str, Any]]:
        """Make the strategy of a new run; return it and the arguments of `Runs.start`."""
        kind, format_, ring = self.settled(catalogue)
        seed = self.seed if self.seed is not None else time.time_ns() % 2**32
        starts = self.hashes(catalogue)
        if self.within:
            starts = starts or held_starts(catalogue, self.within, ring)
        held: list[str] = []
        if format_ is not None and "fresh" in kind.options and not (self.fresh or starts):
            held = best_held(catalogue, format_, ring)
        parameters = {
            "target": self.target or 0,
            "start": starts,
            "held": held,
            "within": self.within,
            "mirrored": self.mirrored,
            **({"symmetry": self.symmetry} if self.symmetry else {}),
        }
        strategy = make_strategy(catalogue, kind, format_, ring, seed, parameters)
        return strategy, {"strategy": strategy.name, "parameters": parameters, "seed": seed}

    def hashes(self, catalogue: Catalogue) -> list[str]:
        """Return the hashes of the schemes to start from; schemes are stored first."""
        given = Provenance(method="given as the start of a search")
        return [
            catalogue.schemes.add(each, given).hash
            if isinstance(each, Scheme)
            else catalogue.schemes.get(each).hash
            for each in self.start
        ]

    def refuse_changes(self, run: Run, catalogue: Catalogue) -> None:
        """Raise a `UsageError` if the request differs from an existing run."""
        own = isinstance(self.strategy, type) and self.strategy.name == run.strategy
        kind = self.strategy if own else run.strategy
        held = {**run.parameters, "format": run.format, "ring": run.ring, "seed": run.seed}
        held["strategy"] = strategy_named(kind or "pool", run.ring).name
        if self.within is None and run.parameters.get("within"):
            held["format"] = f"those within {run.parameters['within']}"
        wanted = {
            "format": None if self.format is None else str(catalogue.format(self.format)),
            "ring": self.ring and parse_ring(self.ring),
            "seed": self.seed,
            "strategy": self.strategy and strategy_named(self.strategy, run.ring).name,
            "target": self.target,
            "start": self.hashes(catalogue) or None,
            "within": self.within,
            "mirrored": self.mirrored or None,
            "symmetry": self.symmetry,
        }
        for key, value in wanted.items():
            if value is not None and value != held.get(key):
                raise UsageError(
                    f"run {run.name or run.id} has {key} {held.get(key)}, not {value}: leave that "
                    "out to go on with it, or give another --run"
                )
