"""Several inequivalent schemes a rank, and their classes counted."""

import json
from pathlib import Path

import numpy as np
import pytest

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.equivalence import Classes
from flipsearch.errors import UsageError
from flipsearch.kernels.builtin import strassen
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.search.study import Study
from flipsearch.transform import extend, random_sandwich


def test_equivalent_schemes_are_not_stored_twice() -> None:
    """There is one class of rank 7 (de Groote 1978), so that a second is looked for in vain."""
    study = Study("2x2x2", ring="F3", target=7, seed=1, gpu="off")
    found = study.run("500ms", lift=False, keep=2)
    assert found.scheme.rank == 7
    assert (found.classes, found.compared) == (1, 1)
    assert len(study.catalogue.schemes.query(format="2x2x2", rank=7)) == 1
    assert study.run("5s", lift=False, keep=1).progress.seconds < 5


def test_a_run_counts_its_classes() -> None:
    found = Study("2x2x2", ring="F2", seed=1, gpu="off").run("300ms", lift=False)
    assert found.compared >= 1
    assert found.classes == 1


def test_what_keep_does_not_go_with() -> None:
    with pytest.raises(UsageError, match="not 0"):
        Study("2x2x2").run(1, keep=0)
    with pytest.raises(UsageError, match="no effect with strategy meta"):
        Study(within="2..2").run(1, keep=2)


def test_classes_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database, generator = str(tmp_path / "c.sqlite"), np.random.default_rng(1)
    seven = strassen().over(Ring.F2)
    schemes = [random_sandwich(seven, generator) for _ in range(3)]
    schemes += [naive_scheme("2x2x2", "F2"), extend(seven, 0)]
    with Catalogue.open(database, shipped=False) as catalogue:
        catalogue.schemes.add_many(schemes)
    assert main(["list", "--classes", "--ring", "F2", "--json", "--db", database]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counts = {(row["format"], row["rank"]): (row["schemes"], row["classes"]) for row in rows}
    assert counts["2x2x2", 7] == (len({scheme.content_hash for scheme in schemes[:3]}), 1)
    assert counts["2x2x2", 8] == (1, 1)
    assert counts["2x2x3", 11] == (1, 1)
    assert main(["list", "--classes", "--limit", "3", "--db", database]) == 2
    assert "does not go with --classes" in capsys.readouterr().err


def test_a_class_is_named_only_where_invariants_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = Classes()
    monkeypatch.setattr("flipsearch.equivalence.class_key", lambda scheme: pytest.fail("named"))
    assert classes.meet(strassen().over(Ring.F2)) == "new"
    assert classes.meet(naive_scheme("2x2x2", "F2")) == "new"
