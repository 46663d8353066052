"""Searches that are hurt while acknowledged schemes are recorded, and compared afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flipsearch.catalogue import Catalogue, Provenance, Stored
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.driver import Driver
from flipsearch.search.progress import Progress, Stop
from flipsearch.search.result import Result
from flipsearch.search.strategies.pool import PoolStrategy


def pool(seed: int = 1, target: int = 0, steps: int = 20_000) -> PoolStrategy:
    """Return a small search: 3x3x3 over F2."""
    return PoolStrategy(parse_format("3x3x3"), Ring.F2, seed=seed, target=target, steps=steps)  # type: ignore[arg-type]


def recorded(catalogue: Catalogue, times: list[float] | None = None) -> list[str]:
    """Return a list that grows by every hash the catalogue acknowledges from now on.

    `times` grows by the moment of each.
    """
    acknowledged: list[str] = []
    add = catalogue.schemes.add

    def adding(scheme: Scheme, provenance: Provenance | None = None) -> Stored:
        stored = add(scheme, provenance)
        acknowledged.append(stored.hash)
        if times is not None:
            times.append(time.monotonic())
        return stored

    catalogue.schemes.add = adding  # type: ignore[method-assign]
    return acknowledged


def hurt(
    executor: Any,
    database: Path,
    harm: Callable[[], bool],
    *,
    strategy: PoolStrategy | None = None,
    seconds: float = 120.0,
    times: list[float] | None = None,
) -> tuple[Result, list[str]]:
    """Search while `harm` is called about twice a second, until it says that it is done."""
    stop = Stop()

    def report(progress: Progress) -> None:
        if harm():
            stop.asked = max(stop.asked, 1)

    with Catalogue.open(database) as catalogue:
        acknowledged = recorded(catalogue, times)
        strategy = strategy or pool()
        run = catalogue.runs.start(strategy.format, strategy.ring, seed=strategy.seed)
        driver = Driver(strategy, executor, catalogue, run, report=report, stop=stop)
        result = driver.run(seconds, lift=False)
    return result, acknowledged


def assert_nothing_lost(database: Path, acknowledged: list[str]) -> None:
    """Compare the record with what a fresh look finds: all there, all valid, database sound."""
    assert acknowledged
    with Catalogue.open(database) as catalogue:
        for name in acknowledged:
            assert catalogue.schemes.get(name).scheme.content_hash == name
        audit = catalogue.audit(workers=1)
        assert not audit.damaged
