"""Known bounds in the store: found in any order of the sides, replaced by newer tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from flipsearch.catalogue import Catalogue
from flipsearch.rings import Ring


def test_known_bounds_know_permutations(catalogue: Catalogue) -> None:
    for name in ("3x4x5", "4x5x3", "5x4x3"):
        bound = catalogue.bounds.known(name, "Z")
        assert bound is not None
        assert (bound.value, bound.format) == (47, "3x4x5")
    assert catalogue.bounds.known("4x4x4", Ring.F2).value == 47  # type: ignore[union-attr]
    assert catalogue.bounds.known("ss:4x4x4", "Q").value == 30  # type: ignore[union-attr]
    assert catalogue.bounds.known("ss:4x4x4", "Z").value == 32  # type: ignore[union-attr]
    assert catalogue.bounds.known("ss:9x9x9", "Z") is None
    assert catalogue.bounds.known("7x1x3", "F3").value == 21  # type: ignore[union-attr]


def test_a_newer_table_of_bounds(catalogue: Catalogue, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_text("format,ZT,Z,Q,F2,F3,source\n4x4x4,48,48,48,46,,a dream\n", "utf-8")
    assert catalogue.bounds.update(table) == 4
    assert catalogue.bounds.update(table) is None
    bound = catalogue.bounds.known("4x4x4", "F2")
    assert bound is not None
    assert dataclasses.astuple(bound) == ("4x4x4", Ring.F2, 46, "a dream", "new.csv")
    assert catalogue.bounds.known("4x4x4", "F3").value == 48  # type: ignore[union-attr]
    assert catalogue.bounds.known("4x4x5", "F2").value == 60  # type: ignore[union-attr]
    assert len(catalogue.schemes) == 0
    catalogue.bounds.update()
    assert catalogue.bounds.known("4x4x4", "F2").value == 47  # type: ignore[union-attr]
