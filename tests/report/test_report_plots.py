from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scheme_samples import strassen

from flipsearch.catalogue import Catalogue, Provenance
from flipsearch.cli import main
from flipsearch.errors import NotFoundError, UsageError
from flipsearch.formats import parse_format
from flipsearch.report import (
    PlotError,
    front_of_format,
    gap_histogram,
    gap_over_time,
    omega_by_format,
    rank_histogram,
    rank_over_time,
    write_plot,
)
from flipsearch.report.history import best_over_time
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme

PNG, SVG = b"\x89PNG\r\n\x1a\n", b"<?xml"


@pytest.fixture
def matplotlib() -> Any:
    return pytest.importorskip("matplotlib")


def test_history_is_what_the_run_stored(catalogue: Catalogue) -> None:
    steps = best_over_time(catalogue, catalogue.runs.get(1))
    assert [step.rank for step in steps] == [8, 7]
    assert 0 <= steps[0].seconds <= steps[1].seconds


def test_history_leaves_out_worse_other_and_lifted_schemes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        catalogue.schemes.add(strassen(Ring.F2), Provenance(source="stored before the run"))
        run = catalogue.runs.start("2x2x2", "F2")
        origin = Provenance(run=run.id)
        assert best_over_time(catalogue, run) == []
        catalogue.schemes.add(naive_scheme(parse_format("1x2x2"), Ring.F2), origin)
        catalogue.schemes.add(strassen(), origin)
        catalogue.schemes.add(strassen(Ring.F2), origin)
        catalogue.schemes.add(naive_scheme(parse_format("2x2x2"), Ring.F2), origin)
        (step,) = best_over_time(catalogue, run)
    assert step.rank == 7
    assert step.moment >= run.started


def test_rank_over_time_draws_steps_and_the_bound(catalogue: Catalogue, matplotlib: Any) -> None:
    axes = rank_over_time(catalogue, 1)
    assert list(axes.get_lines()[1].get_ydata()) == [8, 7]
    assert "known: 7" in axes.get_legend_handles_labels()[1]
    assert "2x2x2 over F2" in axes.get_title()


def test_rank_histogram_counts_every_scheme_once(catalogue: Catalogue, matplotlib: Any) -> None:
    axes = rank_histogram(catalogue, "2x2x2")
    bars: dict[int, float] = {}
    for bar in axes.patches:
        rank = round(bar.get_x() + bar.get_width() / 2)
        bars[rank] = bars.get(rank, 0) + bar.get_height()
    expected: dict[int, float] = {}
    for record in catalogue.schemes.records(format="2x2x2"):
        expected[record.rank] = expected.get(record.rank, 0) + 1
    assert bars == expected
    assert sum(bars.values()) == catalogue.schemes.count(format="2x2x2")
    only = rank_histogram(catalogue, "2x2x2", ring="ZT")
    assert sum(bar.get_height() for bar in only.patches) == 1


def test_front_fills_the_schemes_that_nothing_beats(catalogue: Catalogue, matplotlib: Any) -> None:
    axes = front_of_format(catalogue, "2x2x2")
    (point,) = axes.collections[0].get_offsets()
    assert list(point) == [18, 12]  # Strassen's additions and growth factor
    assert [label.get_text() for label in axes.texts] == ["rank 7"]
    real = [r for r in catalogue.schemes.records(format="2x2x2") if r.growth is not None]
    assert sum(len(group.get_offsets()) for group in axes.collections) == len(real) > 1


def test_a_front_over_a_finite_field_has_no_growth_factor(
    catalogue: Catalogue, matplotlib: Any
) -> None:
    with pytest.raises(NotFoundError, match="growth factor"):
        front_of_format(catalogue, "2x2x2", ring="F2")


def test_gap_histogram_counts_the_cells(catalogue: Catalogue, matplotlib: Any) -> None:
    axes = gap_histogram(catalogue)
    cells = [cell for cell in catalogue.schemes.best_table() if cell.gap is not None]
    assert sum(bar.get_height() for bar in axes.patches) == len(cells)


def test_omega_shows_general_formats_over_the_ring(catalogue: Catalogue, matplotlib: Any) -> None:
    axes = omega_by_format(catalogue)
    points = [point for group in axes.collections for point in group.get_offsets()]
    held = {
        cell.format
        for cell in catalogue.schemes.best_table((Ring.Q,))
        if cell.rank is not None and ":" not in cell.format
    }
    assert len(points) == len(held) == 4
    assert min(y for _, y in points) == pytest.approx(2.807354922)


def test_given_axes_are_drawn_on_and_returned(catalogue: Catalogue, matplotlib: Any) -> None:
    from matplotlib.figure import Figure

    for number, draw in enumerate((gap_over_time, gap_histogram)):
        axes = Figure().subplots()
        assert draw(catalogue, axes) is axes, number
        assert axes.has_data()


def test_nothing_global_of_matplotlib_changes(
    catalogue: Catalogue, matplotlib: Any, tmp_path: Path
) -> None:
    before = dict(matplotlib.rcParams)
    write_plot(catalogue, "2x2x2", tmp_path / "a.svg")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("what", ["1", "2x2x2", "2x2x10", None])
@pytest.mark.parametrize(("suffix", "magic"), [("png", PNG), ("svg", SVG)])
def test_pictures_are_files_of_their_kind(
    catalogue: Catalogue, matplotlib: Any, tmp_path: Path, what: str, suffix: str, magic: bytes
) -> None:
    first, second = (tmp_path / f"{name}.{suffix}" for name in "ab")
    assert write_plot(catalogue, what, first) == first
    write_plot(catalogue, what, second)
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()


def test_an_existing_picture_stays_unless_forced(
    catalogue: Catalogue, matplotlib: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.svg"
    path.write_text("mine")
    with pytest.raises(UsageError, match="force"):
        write_plot(catalogue, None, path)
    assert path.read_text() == "mine"
    write_plot(catalogue, None, path, force=True)
    assert path.read_bytes().startswith(SVG)


@pytest.mark.parametrize(
    ("what", "name", "error"),
    [
        ("2x2x2", "a.pdf", UsageError),
        ("2x2x2", "a", UsageError),
        ("5x5x5", "a.png", NotFoundError),
        ("99", "a.png", NotFoundError),
        ("9" * 30, "a.png", NotFoundError),
        ("nonsense", "a.png", UsageError),
    ],
)
def test_what_cannot_be_drawn_is_one_error_and_no_file(
    catalogue: Catalogue, matplotlib: Any, tmp_path: Path, what: str, name: str, error: type
) -> None:
    with pytest.raises(error):
        write_plot(catalogue, what, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_error_says_what_to_install(
    catalogue: Catalogue, tmp_path: Path, no_matplotlib: None
) -> None:
    with pytest.raises(PlotError, match=r"pip install 'flipsearch\[plot\]'"):
        write_plot(catalogue, "2x2x2", tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_commands(
    catalogue: Catalogue, matplotlib: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = ["--db", str(catalogue.place.path)]
    folder = tmp_path / "site"
    assert main(["report", "-o", str(folder), "--no-plots", "--json", *database]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["index"] == str(folder / "index.html")
    assert said["schemes"] == len(list((folder / "schemes").iterdir()))
    assert main(["plot", "2x2x2", "-o", str(tmp_path / "a.png"), "--json", *database]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(tmp_path / "a.png")}
    assert main(["plot", "77", "-o", str(tmp_path / "b.png"), *database]) == 1
    assert main(["plot", "2x2x2", "-o", str(tmp_path / "b.gif"), *database]) == 2
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    assert main(["report", "-o", str(tmp_path / "other"), *database]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
