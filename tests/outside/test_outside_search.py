"""Toys through search, checkpoint, kill, resume, Ray and command line, which know none of them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TOYS

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.formats.named import named_format
from flipsearch.verify import is_valid

TESTS = Path(__file__).resolve().parent.parent
TOY = ["--ring", "F2", "--strategy", "toy", "--seed", "1", "--json"]


@pytest.fixture
def database(tmp_path, monkeypatch):
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    return str(tmp_path / "catalogue.sqlite")


def result(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_command_line_finds_all_toys(database, capsys):
    toys = ["search", "toy:3", *TOY, "--executor", "toy", "--target", "6", "--budget", "60s"]
    assert main([*toys, "--db", database]) == 0
    found = result(capsys)
    assert (found["format"], found["rank"]) == (str(named_format("toy:3")), 6)
    with Catalogue.open(database) as catalogue:
        stored = catalogue.schemes.get(found["scheme"])
        assert is_valid(stored.scheme)
        assert catalogue.runs.get(found["run"]).strategy == "toy"
    assert main(["list", "toy:3", "--json", "--db", database]) == 0
    assert found["scheme"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["toy:9"], "2, 3 or 4 terms"),
        (["toy:3", "--strategy", "tay"], "'tay'"),
        (["toy:3", "--executor", "tay"], "'tay'"),
        (["toy:3", "--executor", "toy", "--workers", "2"], "walks alone"),
        (["toy:3", "--strategy", "toy", "--mirrored"], "has no effect"),
    ],
)
def test_one_line_for_what_is_not_there(arguments, message, database, capsys):
    assert main(["search", *arguments, "--budget", "1s", "--db", database]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_killed_run_goes_on(database, tmp_path, capsys):
    """The catalogue and the record of the run are all that the second process has."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TOYS)])}
    record = tmp_path / "acknowledged"
    night = ["search", "toy:4", *TOY, "--executor", "toy", "--run", "night", "--budget", "1h"]
    child = subprocess.Popen(
        [sys.executable, TESTS / "driver_program.py", record, *night, "--db", database],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (record.exists() and len(record.read_text().split()) >= 2):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1.5)  # for a checkpoint, one each half second
    child.send_signal(signal.SIGKILL)
    child.wait()
    acknowledged = record.read_text().split()
    again = ["resume", "night", "--executor", "toy", "--json", "--db", database]
    assert main([*again, "--budget", "1s"]) == 0
    found = result(capsys)
    with Catalogue.open(database) as catalogue:
        ranks = [catalogue.schemes.get(each).scheme.rank for each in acknowledged]
        assert found["rank"] <= min(ranks)
        assert len(catalogue.runs.last_checkpoint(catalogue.runs.get("night"))["states"]) > 1


def test_the_same_seed_gives_the_same_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    found = []
    for executor in ("toy", "threads"):
        database = str(tmp_path / f"{executor}.sqlite")
        toys = ["search", "toy:3", *TOY, "--executor", executor, "--target", "6"]
        assert main([*toys, "--deterministic", "--budget", "120s", "--db", database]) == 0
        found.append(result(capsys)["scheme"])
    assert found[0] == found[1]


@pytest.mark.ray
def test_a_cluster_walks_toys(database, capsys):
    from ray_support import shared_cluster

    address = shared_cluster().address
    toys = ["search", "toy:3", *TOY, "--target", "6", "--budget", "120s", "--db", database]
    ray = ["--executor", "ray", "--address", address, "--workers", "1", "--gpu", "off"]
    assert main([*toys, *ray]) == 0
    assert result(capsys)["rank"] == 6
