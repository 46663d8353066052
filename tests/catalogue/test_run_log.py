"""What the catalogue keeps of searches, and the date of an audit."""

from __future__ import annotations

import time

import numpy as np
import pytest
from catalogue_schemes import strassen, variant

from flipsearch.catalogue import Catalogue
from flipsearch.errors import NotFoundError, UsageError
from flipsearch.rings import Ring


def test_a_run_from_start_to_end(catalogue: Catalogue) -> None:
    run = catalogue.runs.start(
        "4x4x4", "F2", strategy="pool", parameters={"size": 100}, seed=2**90, name="night"
    )
    assert (run.status, run.seed, run.parameters) == ("running", 2**90, {"size": 100})
    catalogue.runs.heartbeat(run, flips=10**13, seconds=1.5, best_rank=48)
    state = {"level": 48, "pool": np.arange(6, dtype=np.uint64).reshape(2, 3), "x": [None, 1.5]}
    catalogue.runs.checkpoint(run.id, state, flips=2 * 10**13)
    found = catalogue.runs.get("night")
    assert (found.flips, found.best_rank, found.status) == (2 * 10**13, 48, "running")
    loaded = catalogue.runs.last_checkpoint(run)
    assert loaded is not None
    assert loaded["level"] == 48
    assert loaded["x"] == [None, 1.5]
    np.testing.assert_array_equal(loaded["pool"], state["pool"])
    assert loaded["pool"].flags.writeable
    catalogue.runs.finish(run, "done", seconds=20.0, message="enough")
    found = catalogue.runs.get(run.id)
    assert (found.status, found.seconds, found.message) == ("done", 20.0, "enough")
    assert found.finished is not None
    assert catalogue.runs.all() == [found]


def test_names_of_runs_are_unique(catalogue: Catalogue) -> None:
    catalogue.runs.start("2x2x2", "F2", name="mine")
    with pytest.raises(UsageError, match="already"):
        catalogue.runs.start("2x2x2", "F2", name="mine")
    for bad in ("12", "", " ", "x" * 201):
        with pytest.raises(UsageError):
            catalogue.runs.start("2x2x2", "F2", name=bad)
    assert catalogue.runs.find("yours") is None
    with pytest.raises(NotFoundError):
        catalogue.runs.get(77)
    with pytest.raises(NotFoundError):
        catalogue.runs.heartbeat(77)
    with pytest.raises(UsageError):
        catalogue.runs.finish(1, "exploded")


def test_an_audit_finds_nothing_wrong_and_dates_it(catalogue: Catalogue) -> None:
    catalogue.schemes.add_many([strassen(), strassen(Ring.F2), variant(1)])
    before = catalogue.schemes.get(1).verified
    time.sleep(0.01)
    seen: list[tuple[int, int]] = []
    result = catalogue.audit(progress=lambda done, total: seen.append((done, total)))
    assert (result.checked, result.damaged) == (3, [])
    assert seen[-1] == (3, 3)
    catalogue.record_verified(result)
    assert catalogue.schemes.get(1).verified > before
    assert catalogue.health().problems == []
