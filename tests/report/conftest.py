"""One catalogue with everything a site has to show, hostile names included, and its site."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scheme_samples import STRUCTURED, changed_basis, strassen

from flipsearch.catalogue import Catalogue, Provenance
from flipsearch.formats import parse_format
from flipsearch.formats.tensors import polynomial
from flipsearch.report import Report, write_report
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme

HOSTILE = (
    "</title></script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&"
)
FORMULA = r"$\frac{1$ _x \u202e"
TITLE = 'Schemes <of> ours & "others\'"'


def fill(catalogue: Catalogue) -> None:
    """Store some of everything."""
    run = catalogue.runs.start("2x2x2", "F2", name=HOSTILE[:100] + FORMULA, seed=1)
    naive = naive_scheme(parse_format("2x2x2"), Ring.F2)
    catalogue.schemes.add(naive, Provenance(run=run.id, seed=1, task=0, method=HOSTILE))
    found = catalogue.schemes.add(strassen(Ring.F2), Provenance(run=run.id, seed=1, task=7))
    catalogue.runs.finish(run, "done", flips=1234567, seconds=2.5, best_rank=7)
    details = {"file": "/home/somebody/secret/strassen.json", HOSTILE: HOSTILE}
    lifted = Provenance(source="https://example.org/a?b=1&c=2", lifted_from=found.hash)
    catalogue.schemes.add(strassen(), lifted)
    catalogue.schemes.add(strassen(), Provenance(source="javascript:alert(1)", details=details))
    catalogue.schemes.add(changed_basis(strassen(Ring.Q), 5), Provenance(source=HOSTILE))
    for name in ("2x3x2", "3x3x3", "2x2x10", *STRUCTURED):
        source = Provenance(source=f"/private/schemes/{name}\u202e.txt", parent="ab" * 32)
        catalogue.schemes.add(naive_scheme(parse_format(name), Ring.ZT), source)
    catalogue.schemes.add(naive_scheme(polynomial(2, 3), Ring.ZT))


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """Give a catalogue that only reads from now on."""
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.sqlite"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
        with Catalogue.open(path) as writing:
            fill(writing)
    with Catalogue.open(path, read_only=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def site(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """Give the folder of the whole site, with pictures, and what was written."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("web") / "site of mine & yours #1"
    report = write_report(catalogue, folder, everything=True, title=TITLE)
    return folder, report


@pytest.fixture
def no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make importing matplotlib fail, as where it is not installed."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "matplotlib":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
