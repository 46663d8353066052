"""The values that go into the catalogue and come out of it.

They are plain frozen dataclasses, so that no caller ever holds a database object. A `Record` is
one stored scheme's row; its factors are fetched and hash-checked only when `scheme` is asked for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flipsearch.formats import Format
from flipsearch.programs import Reduction
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme

SHORT = 12


@dataclass(frozen=True)
class Provenance:
    """Where a scheme came from; every field is optional.

    Parameters
    ----------
    run : int
        Number of the run that found it.
    seed : int
        Seed of that run, of any size.
    task : int
        Number of the walk task within the run, which can be replayed alone.
    parent : str
        Content hash of the scheme it was made from by exact moves.
    lifted_from : str
        Content hash of the scheme over a finite field that it was lifted from.
    source : str
        A file, an address or a citation, for schemes found elsewhere.
    method : str
        How it was made, in a few words.
    details : mapping
        Anything else, as JSON values.
    """

    run: int | None = None
    seed: int | None = None
    task: int | None = None
    parent: str | None = None
    lifted_from: str | None = None
    source: str | None = None
    method: str | None = None
    details: Mapping[str, Any] | None = None

    def describe(self) -> str:
        """Return it in one line, as listings show it."""
        parts = [] if self.source is None else [self.source]
        if self.run is not None:
            place = f"run {self.run}"
            if self.task is not None:
                place += f" task {self.task}"
            parts.append(place + ("" if self.seed is None else f" seed {self.seed}"))
        if self.lifted_from is not None:
            parts.append(f"lifted from {self.lifted_from[:SHORT]}")
        if self.parent is not None:
            parts.append(f"from {self.parent[:SHORT]}")
        if self.method is not None:
            parts.append(self.method)
        return ", ".join(parts) or "unknown"


@dataclass(frozen=True)
class Stored:
    """What became of a scheme that was handed to the writer.

    Parameters
    ----------
    id : int
        Row number; 0 if rejected.
    hash : str
        Content hash, 64 hex digits: the name of the scheme everywhere.
    new : bool
        Whether it was not in the catalogue before.
    rejected : str, optional
        Why it was quarantined instead of stored.
    """

    id: int
    hash: str
    new: bool
    rejected: str | None = None

    @property
    def short(self) -> str:
        """The first 12 digits of the hash, as listings show it."""
        return self.hash[:SHORT]


@dataclass(frozen=True)
class StoredProgram:
    """What became of programs that were handed to the writer.

    Parameters
    ----------
    scheme : Stored
        Where their scheme is.
    additions : int
        What they need.
    kept : bool
        Whether they are the ones kept now; False if others need no more additions.
    """

    scheme: Stored
    additions: int
    kept: bool


@dataclass(frozen=True)
class Bound:
    """A known upper bound on the rank of a format over a ring, cited, not proved here."""

    format: str
    ring: Ring
    value: int
    source: str
    version: str


COLUMNS = (
    "scheme",
    "format",
    "ring",
    "rank",
    "known_bound",
    "gap",
    "additions",
    "fewest_additions",
    "nonzeros",
    "growth",
    "omega",
    "calls",
    "gamma",
    "stored",
    "verified",
    "source",
    "workers",
    "survives",
)
"""What a record is as a row of a table, in this order."""


@dataclass(frozen=True, eq=False)
class Record:
    """One stored scheme.

    `growth` is the growth factor max_k sum_r |u_r|_1 |v_r|_1 |w_rk| (Bini and Lotti 1980: 12 for
    Strassen, 18 for Winograd), None over finite fields. `known_bound` is the cited bound for the
    format over the same ring, None if there is none. `additions` are those of the scheme as
    written, `fewest_additions` those of its stored programs, which share sums, where there are
    any that need fewer. `calls` and `gamma` are the recursive calls of a structured format and
    the factor by which block recursion on it is cheaper than on a general product; None where
    that has no meaning (`flipsearch.formats.recursion`). `workers` and `survives` are set for
    fault-tolerant unions of schemes: how many products there are, how many may be lost.
    """

    id: int
    hash: str
    format: Format
    ring: Ring
    rank: int
    nonzeros: int
    additions: int
    growth: float | None
    omega: float
    stored: dt.datetime
    verified: dt.datetime
    source: str
    known_bound: int | None
    workers: int | None
    survives: int | None
    fewest_additions: int
    calls: int | None
    gamma: float | None
    _load: Callable[[Record], Scheme] = field(repr=False)
    _load_reduction: Callable[[Record], Reduction | None] = field(repr=False)

    @property
    def short(self) -> str:
        """The first 12 digits of the hash: an ID to type."""
        return self.hash[:SHORT]

    @property
    def gap(self) -> int | None:
        """Rank minus known bound; negative is better than anything known."""
        return None if self.known_bound is None else self.rank - self.known_bound

    @cached_property
    def scheme(self) -> Scheme:
        """The scheme itself, its content hash checked.

        Raises
        ------
        CatalogueError
            The row is damaged, or the catalogue was closed.
        """
        return self._load(self)

    @cached_property
    def reduction(self) -> Reduction | None:
        """Its stored programs with the fewest additions, evaluated and compared; None if none.

        Raises
        ------
        CatalogueError
            They do not compute this scheme, or the catalogue was closed.
        """
        return self._load_reduction(self)

    def to_dict(self) -> dict[str, Any]:
        """Return every column under its name, scalars only: a row of a data frame."""
        return {
            "scheme": self.hash,
            "format": str(self.format),
            "ring": self.ring.value,
            "rank": self.rank,
            "known_bound": self.known_bound,
            "gap": self.gap,
            "additions": self.additions,
            "fewest_additions": self.fewest_additions,
            "nonzeros": self.nonzeros,
            "growth": self.growth,
            "omega": self.omega,
            "calls": self.calls,
            "gamma": self.gamma,
            "stored": self.stored.isoformat(timespec="seconds"),
            "verified": self.verified.isoformat(timespec="seconds"),
            "source": self.source,
            "workers": self.workers,
            "survives": self.survives,
        }


@dataclass(frozen=True)
class Best:
    """One cell of the table of formats by rings: what is stored, and what is known.

    `format` is the tabulated one (sides in order); `rank` and `record` are None where nothing is
    stored. `over` is the ring of the stored witness, which a smaller ring or, over F2 and F3,
    reduction of a scheme over ZT, Z or Q may provide.
    """

    format: str
    ring: Ring
    rank: int | None
    hash: str | None
    over: Ring | None
    known_bound: int | None

    @property
    def gap(self) -> int | None:
        """Rank minus known bound, if both are there."""
        if self.rank is None or self.known_bound is None:
            return None
        return self.rank - self.known_bound


@dataclass(frozen=True)
class Run:
    """One search, as the catalogue knows it.

    `status` is ``running``, ``interrupted``, ``done`` or ``failed``. A run whose process is gone,
    or that gave no sign of life for `flipsearch.catalogue.runs.STALE_SECONDS`, is interrupted.
    """

    id: int
    name: str | None
    format: str
    ring: Ring
    strategy: str
    seed: int | None
    parameters: dict[str, Any]
    status: str
    started: dt.datetime
    heartbeat: dt.datetime
    finished: dt.datetime | None
    checkpointed: dt.datetime | None
    flips: int
    seconds: float
    best_rank: int | None
    message: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        moment = {
            name: None if value is None else value.isoformat(timespec="seconds")
            for name, value in {
                "started": self.started,
                "heartbeat": self.heartbeat,
                "finished": self.finished,
                "checkpointed": self.checkpointed,
            }.items()
        }
        return {
            "run": self.id,
            "name": self.name,
            "format": self.format,
            "ring": self.ring.value,
            "strategy": self.strategy,
            "seed": self.seed,
            "status": self.status,
            "rank": self.best_rank,
            "flips": self.flips,
            "seconds": self.seconds,
            "message": self.message,
            **moment,
            "parameters": self.parameters,
        }


@dataclass(frozen=True)
class Quarantined:
    """A result that was not accepted, kept with its reason and the task that produced it."""

    id: int
    reason: str
    run: int | None
    source: str | None
    task: dict[str, Any] | None
    payload: dict[str, Any] | None
    recorded: dt.datetime
