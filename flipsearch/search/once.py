"""Search in one call: make a study, run it once, return its result.

Invariant: `search` decides nothing by itself; every option means what it means in
`flipsearch.search.study`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict, Unpack

from flipsearch.catalogue import Catalogue
from flipsearch.executors import Executor
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.request import FormatLike
from flipsearch.search.result import Result
from flipsearch.search.strategy import Strategy
from flipsearch.search.study import Study


class Rarer(TypedDict, total=False):
    """Options of `Study` that `search` takes as well."""

    start: Sequence[str | Scheme]
    within: str | None
    mirrored: bool
    fresh: bool
    symmetry: str | None
    run: str | int | None
    workers: int | None
    gpu: str | None
    address: str | None
    deterministic: bool
    callbacks: Iterable[Callable[[Study], object]]
    progress: bool | None
    announce: Callable[[str], None]


def search(
    format: FormatLike | None = None,
    *,
    ring: str | Ring | None = None,
    budget: str | float = 60.0,
    target: int | None = None,
    strategy: str | type[Strategy] | Strategy | None = None,
    seed: int | None = None,
    executor: str | Executor = "threads",
    catalogue: Catalogue | None = None,
    stale: str | float | None = None,
    keep: int | None = None,
    lift: bool = True,
    **options: Unpack[Rarer],
) -> Result:
    """Search for schemes of a format, lift the best ones, and return what was found.

    No file is touched unless a catalogue is given. The parameters are those of `Study`, and those
    of `Study.run`: `budget`, `stale`, `keep` and `lift`.

    Parameters
    ----------
    format : str, path or Format
        Such as ``4x5x6``, ``ss:4x4x4``, a tensor file or a tensor.
    ring : str or Ring, optional
        F2 (default), F3 or ZT; Q for the strategy ``numerical``.
    budget : str or float
        Time to walk: seconds, or such as ``10m``.
    target : int, optional
        Rank at which the search ends.
    strategy, seed, executor, catalogue, **options
        See `Study`.
    stale : str or float, optional
        End also when no lower rank was found for so long.
    keep : int, optional
        Store so many inequivalent schemes of each best rank.
    lift : bool
        Lift the best schemes over F2 and F3 to characteristic 0.

    Returns
    -------
    Result
        ``scheme`` is the best one, proved; ``lifted`` is the best one over ZT, Z or Q;
        ``history`` tells the best rank over time, which ``plot()`` draws.

    Raises
    ------
    UsageError
        The options do not go together, or one would have no effect.

    Examples
    --------
    >>> found = search("2x2x2", ring="F2", budget="10s", target=7, seed=1, gpu="off")
    >>> found.scheme
    <Scheme 2x2x2:7 over F2 ...>
    >>> found.lifted.ring, found.lifted.rank
    (<Ring.ZT: 'ZT'>, 7)
    >>> search("2x2x2", ring="F2", target=99)
    Traceback (most recent call last):
    flipsearch.errors.UsageError: target 99 is no rank of 2x2x2: no scheme has fewer than 4 ...
    """
    study = Study(
        format,
        ring=ring,
        target=target,
        strategy=strategy,
        seed=seed,
        executor=executor,
        catalogue=catalogue,
        **options,
    )
    return study.run(budget, lift=lift, stale=stale, keep=keep)
