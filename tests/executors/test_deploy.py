"""The files in deploy/ are what Ray and KubeRay take, and what they run is our command line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from flipsearch.cli import build_parser

ROOT = Path(__file__).parents[2] / "deploy"
yaml = pytest.importorskip("yaml")


def job() -> dict[str, Any]:
    documents = list(yaml.safe_load_all((ROOT / "kuberay" / "rayjob.yaml").read_text()))
    return next(document for document in documents if document["kind"] == "RayJob")


def test_ray_up_takes_the_cluster_file() -> None:
    pytest.importorskip("ray")
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((ROOT / "ray-up" / "cluster.yaml").read_text())
    validate_config(prepare_config(dict(config)))
    starts = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    assert all("RAY_AUTH_MODE=token" in start for start in starts if "ray start" in start)
    assert len(config["provider"]["worker_ips"]) == config["max_workers"]


def test_the_job_survives_failures_and_cleans_up() -> None:
    spec = job()["spec"]
    assert job()["apiVersion"] == "ray.io/v1"
    assert spec["backoffLimit"] > 0
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["ttlSecondsAfterFinished"] > 0


def test_the_job_keeps_its_catalogue_on_a_volume() -> None:
    head = job()["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in head["containers"][0]["volumeMounts"]}
    claims = {volume["name"]: volume["persistentVolumeClaim"] for volume in head["volumes"]}
    assert mounts.keys() == claims.keys() == {"db"}
    command = shlex.split(job()["spec"]["entrypoint"])
    assert command[command.index("--db") + 1].startswith(mounts["db"])


def test_the_job_wants_a_token_and_can_be_submitted() -> None:
    cluster = job()["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    version = tuple(map(int, cluster["rayVersion"].split(".")))
    assert version >= (2, 52, 0)  # the first with tokens
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        # set by hand, only these would know the token, and not who submits the job
        assert all("env" not in box for box in group["template"]["spec"]["containers"])
    # the operator reaches the dashboard from another pod; by default it can
    assert "dashboard-host" not in cluster["headGroupSpec"]["rayStartParams"]


def test_the_job_runs_a_command_there_is() -> None:
    command = shlex.split(job()["spec"]["entrypoint"])
    assert command[0] == "flipsearch"
    arguments = build_parser().parse_args(command[1:])
    assert arguments.executor == "ray"
    assert arguments.run
