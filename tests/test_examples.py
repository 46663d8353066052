"""The examples run, from nothing, with tiny budgets."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name: str, *arguments: str) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](arguments)


def test_find_4x4x4(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["--format", "2x2x2", "--target", "7", "--budget", "10s"]
    run("find_4x4x4", *small, "--plot", "rank.svg", "--kernel", "out")
    printed = capsys.readouterr().out
    assert printed.startswith("2x2x2 over F2: rank 7 after ")
    assert "lifted to ZT: rank 7" in printed
    assert "<svg" in (tmp_path / "rank.svg").read_text()
    assert "def matmul" in (tmp_path / "out" / "matmul_7.py").read_text()


def test_own_tensor(capsys):
    run("own_tensor", "--budget", "20s")
    printed = capsys.readouterr().out
    assert "6 products as written, 5 found over" in printed
    assert printed.endswith("(1, 2, 3) x (4, 5, 6) = [-3, 6, -3]\n")


def test_own_strategy(capsys):
    run("own_strategy", "--format", "2x2x2", "--target", "7", "--seeds", "1", "--budget", "10s")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:17] for line in lines] == ["pool     ranks [7", "narrow   ranks [7"]


@pytest.mark.ray
def test_a_night_on_ray(tmp_path, capsys):
    from ray_support import shared_cluster

    address = shared_cluster().address
    night = ["2x2x2", "--address", address, "--workers", "1", "--db", str(tmp_path / "c.sqlite")]
    for budget in ("10m", "1s"):
        run("night_on_ray", *night, "--budget", budget, "--every", "0", "--until", "7")
        printed = capsys.readouterr().out
        assert "run night: rank 7 after " in printed
    assert "2x2x2 over F2: rank" in printed


def test_every_example_has_a_test():
    source = Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f'run("{path.stem}"' in source
