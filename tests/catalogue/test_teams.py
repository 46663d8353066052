"""PostgreSQL: several processes write the same schemes at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flipsearch.catalogue import Catalogue

WRITER = """
import random, sys; sys.path.insert(0, {here!r})
from catalogue_schemes import variant
from flipsearch.catalogue import Catalogue, Provenance, shipped
shipped.shipped_folder = lambda: None
numbers = list(range(60)); random.Random({seed}).shuffle(numbers)
with Catalogue.open({url!r}) as catalogue:
    run = catalogue.runs.start("2x2x2", "Z", seed={seed})
    schemes = [variant(k) for k in numbers]
    catalogue.schemes.add_many(schemes, Provenance(run=run.id, seed={seed}), batch=20)
    catalogue.runs.finish(run)
"""


@pytest.mark.postgresql
def test_several_runs_write_the_same_schemes(catalogue: Catalogue) -> None:
    if catalogue.place.is_sqlite:
        pytest.skip("SQLite has one writer")
    url = catalogue.place.url.render_as_string(hide_password=False)
    here = str(Path(__file__).parent)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER.format(here=here, url=url, seed=seed)])
        for seed in range(3)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    assert len(catalogue.schemes) == 60
    assert [run.status for run in catalogue.runs.all()] == ["done"] * 3
    for record in catalogue.schemes.records():
        assert len(catalogue.schemes.provenance(record)) == 3
    assert catalogue.audit(workers=1).damaged == []
