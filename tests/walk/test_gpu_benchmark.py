"""The GPU benchmark, in small, on a device that is this machine's C++ compiler."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from host_device import HostDevice, needs_compiler

from flipsearch.walk.gpu_presence import availability

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # benchmarks are not part of the package
gpu = pytest.importorskip("benchmarks.gpu")


def printed(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@needs_compiler
def test_checks_compare_all_walks(capsys, monkeypatch):
    kept = [check for check in gpu.checks(0.002) if check[1] in ("2x2x2", "4x4x4")]
    monkeypatch.setattr(gpu, "checks", lambda share: kept)
    assert gpu.check(HostDevice(), True)
    figures = printed(capsys)
    assert len(figures) == len(kept) == 9
    assert all(figure["value"] == figure["walks"] > 1 for figure in figures)


@needs_compiler
def test_a_wrong_walk_is_noticed(capsys, monkeypatch):
    ring, name, tasks, walk, team = next(gpu.checks(0.002))

    def other(task):
        return walk(type(task)(task.format, task.ring, task.start, 1, task.steps, task.policy))

    monkeypatch.setattr(gpu, "checks", lambda share: [(ring, name, tasks, other, team)])
    assert not gpu.check(HostDevice(), True)
    (figure,) = printed(capsys)
    assert figure["value"] < figure["walks"]


@needs_compiler
def test_rates_and_ranks(capsys, monkeypatch):
    monkeypatch.setattr(gpu, "RATES", [("F2", "3x3x3", 24)])
    monkeypatch.setattr(gpu, "RANKS", [("F2", "2x2x2", 7, 20.0), ("F2", "2x2x2", 6, 0.2)])
    monkeypatch.setattr(gpu, "STATE_SECONDS", 5.0)
    monkeypatch.setattr(gpu, "SEARCH_STEPS", 20_000)
    gpu.rates(HostDevice(32), True, 0.5, None)
    gpu.ranks(HostDevice(32), True)
    rate, reached, missed = printed(capsys)
    assert rate["name"] == "flips_per_second"
    assert rate["value"] > 0
    assert rate["rank"] <= 27
    assert reached["value"] > 0
    assert reached["best"] == 7
    assert missed["value"] is None


@pytest.mark.skipif(availability() is None, reason="there is a GPU here")
def test_without_a_gpu_one_line_and_exit_code_one():
    command = [sys.executable, "-m", "benchmarks.gpu", "--check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("no GPU")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.gpu
@pytest.mark.skipif(availability() is not None, reason="needs a GPU")
def test_on_the_gpu_itself():
    from flipsearch.walk.gpu import CudaDevice

    assert gpu.check(CudaDevice(), False, 0.1)
