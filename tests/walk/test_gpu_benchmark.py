"""The GPU benchmark, in small, on a device that is this machine's C++ compiler."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from host_device import HostDevice, needs_compiler

from flipsearch.rings import Ring
from flipsearch.walk.gpu.presence import availability

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # benchmarks are not part of the package
gpu = pytest.importorskip("benchmarks.gpu")


def printed(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@needs_compiler
def test_checks_compare_all_walks(capsys, monkeypatch):
    kept = [check for check in gpu.checks(Ring.F2, 0.002) if check[0] in ("2x2x2", "4x4x4")]
    monkeypatch.setattr(gpu, "checks", lambda ring, share: kept)
    assert gpu.check(HostDevice(), True, Ring.F2)
    figures = printed(capsys)
    assert len(figures) == len(kept) == 3
    assert all(figure["value"] == figure["walks"] > 1 for figure in figures)


@needs_compiler
def test_a_wrong_walk_is_noticed(capsys, monkeypatch):
    name, tasks, walk, team = next(gpu.checks(Ring.F2, 0.002))

    def other(task):
        return walk(type(task)(task.format, task.ring, task.start, 1, task.steps, task.policy))

    monkeypatch.setattr(gpu, "checks", lambda ring, share: [(name, tasks, other, team)])
    assert not gpu.check(HostDevice(), True, Ring.F2)
    (figure,) = printed(capsys)
    assert figure["value"] < figure["walks"]


@needs_compiler
def test_rates_and_ranks(capsys, monkeypatch):
    monkeypatch.setattr(gpu, "STATE_SECONDS", 5.0)
    monkeypatch.setattr(gpu, "SEARCH_STEPS", 20_000)
    gpu.rate(HostDevice(32), True, ("F2", "3x3x3", 24), 0.5, None)
    for row in (("F2", "2x2x2", 7, 20.0), ("F2", "2x2x2", 6, 0.2)):
        gpu.rank(HostDevice(32), True, row)
    rate, reached, missed = printed(capsys)
    assert rate["name"] == "flips_per_second"
    assert rate["value"] > 0
    assert rate["rank"] <= 27
    assert reached["value"] > 0
    assert reached["best"] == 7
    assert missed["value"] is None


def test_all_sections_fit_into_eight_minutes_even_if_each_hangs(capsys, monkeypatch):
    wanted = gpu.sections(True, None, 5.0)
    assert [name for name, _ in wanted][:3] == ["check:F2", "check:F3", "check:ZT"]
    assert len(wanted) == 3 + len(gpu.RATES) + len(gpu.RANKS)
    now, begun = [0.0], []

    def hang(command, check, timeout):
        begun.append(command[-1])
        now[0] += timeout
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(gpu.subprocess, "run", hang)
    monkeypatch.setattr(gpu, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert sum(limit for _, limit in wanted) > 480  # else there would be nothing to keep to
    assert not gpu.run_all(wanted, [], True)
    assert begun == [name for name, _ in wanted]
    assert now[0] < 480 - 5  # the yardstick of the host takes a few seconds, too


def test_a_section_that_fails_or_hangs_takes_nothing_with_it(capsys, monkeypatch):
    limits = []

    def run(command, check, timeout):
        limits.append(timeout)
        section = command[-1]
        if section == "hangs":
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, {"fails": -11, "works": 0}[section])

    monkeypatch.setattr(gpu.subprocess, "run", run)
    names = [("fails", 10.0), ("hangs", 20.0), ("works", 10_000.0)]
    assert not gpu.run_all(names, ["--json"], True)
    ended = {figure["section"]: figure["ended"] for figure in printed(capsys)}
    assert ended == {"fails": "failed with code -11", "hangs": "out of time", "works": "done"}
    assert limits[:2] == [10.0, 20.0]
    assert limits[2] <= gpu.ALL_SECONDS
    assert gpu.run_all([("works", 10.0)], [], True)


@needs_compiler
def test_the_command_on_a_device_of_ones_own():
    paths = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "benchmarks.gpu", "--json", "--only", "rates"]
    command += ["--section", "check:F2", "--share", "0.001", "--device", "host_device:HostDevice"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(figure["value"] == figure["walks"] for figure in figures)
    assert {figure["format"] for figure in figures} >= {"2x2x2", "3x5x7", "4x4x4", "6x7x8"}


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
    from flipsearch.walk.gpu.device import CudaDevice

    assert all(gpu.check(CudaDevice(), False, ring, 0.1) for ring in gpu.CHECKED)
