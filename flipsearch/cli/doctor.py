"""doctor: what is installed, what this machine offers, and whether the catalogue is sound."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flipsearch.algebra.cores import available_cores
from flipsearch.cli.names import opened
from flipsearch.cli.output import StatusLine, complain, print_json, print_table
from flipsearch.cli.parser import finish
from flipsearch.errors import CatalogueError, UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue

PACKAGES = (
    "numpy",
    "numba",
    "scipy",
    "galois",
    "sqlalchemy",
    "alembic",
    "threadpoolctl",
    "platformdirs",
)
OPTIONAL = {
    "ray": "clusters: pip install 'flipsearch[ray]'",
    "psycopg": "PostgreSQL: pip install 'flipsearch[postgresql]'",
    "matplotlib": "plots: pip install 'flipsearch[plot]'",
}


def register(commands: Any) -> None:
    """Add the parser of this group."""
    doctor = commands.add_parser(
        "doctor",
        help="say what is installed and whether the catalogue is sound",
        description="Say which packages and GPUs are there, where the catalogue lies and whether "
        "it is sound. Exit code 1 if it is not.",
        examples=("doctor", "doctor --catalogue --workers 2"),
    )
    doctor.add_argument(
        "--catalogue",
        action="store_true",
        help="check every row's hash and proof again, on all cores; repairs nothing",
    )
    doctor.add_argument(
        "--workers", type=int, metavar="N", help="processes for --catalogue (default: all cores)"
    )
    finish(doctor, run_doctor, printed="one JSON object")


def run_doctor(arguments: argparse.Namespace) -> int:
    """Print the state of installation, machine and catalogue; return 1 if that is unsound."""
    import platform

    from flipsearch import __version__

    if arguments.workers is not None and arguments.workers < 1:
        raise UsageError("--workers must be 1 or more")
    report: dict[str, Any] = {
        "flipsearch": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": available_cores(),
        "packages": {name: _version(name) for name in (*PACKAGES, *OPTIONAL)},
        "gpu": _gpu(),
    }
    if not arguments.json:
        _print_installation(report)
    report["catalogue"] = _catalogue(arguments)
    if arguments.json:
        print_json(report)
    else:
        _print_catalogue(report["catalogue"])
    return 0 if report["catalogue"]["sound"] else 1


def _version(name: str) -> str | None:
    """Return the installed version without importing the package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _gpu() -> dict[str, Any]:
    """Return the CUDA devices, as cupy sees them or else as the driver lists them."""
    from importlib.metadata import distributions

    from flipsearch.walk.gpu.presence import availability

    names = ((d.metadata["Name"] or "", d.version) for d in distributions())
    cupy = next((v for name, v in names if name == "cupy" or name.startswith("cupy-cuda")), None)
    problem = availability()
    found: dict[str, Any] = {"cupy": cupy, "devices": [], "usable": problem is None}
    if problem is None:
        import cupy as cp

        runtime = cp.cuda.runtime
        found["devices"] = [
            runtime.getDeviceProperties(k)["name"].decode()
            for k in range(runtime.getDeviceCount())
        ]
        return found
    found["problem"] = problem
    if command := shutil.which("nvidia-smi"):
        with suppress(OSError, subprocess.TimeoutExpired):  # the problem is told in any case
            listed = subprocess.run(
                [command, "-L"], capture_output=True, text=True, timeout=10, check=False
            )
            found["devices"] = [
                line.partition(" (UUID")[0]
                for line in listed.stdout.splitlines()
                if line.startswith("GPU ")
            ]
    return found


def _catalogue(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the state of the catalogue; with ``--catalogue`` after a complete audit."""
    try:
        with opened(arguments) as catalogue:
            found = dataclasses.asdict(catalogue.health())
            if arguments.catalogue:
                _audit(catalogue, arguments, found)
    except CatalogueError as error:
        return {"sound": False, "problems": [str(error)]}
    return {**found, "sound": not found["problems"]}


def _audit(catalogue: Catalogue, arguments: argparse.Namespace, found: dict[str, Any]) -> None:
    start, bar = time.monotonic(), StatusLine()
    try:
        result = catalogue.audit(
            workers=arguments.workers,
            progress=lambda done, total: bar.show(f"{done} of {total} schemes checked"),
        )
    finally:
        bar.clear()
    found["checked"] = result.checked
    found["damaged"] = [{"scheme": name, "reason": why} for name, why in result.damaged]
    found["seconds"] = round(time.monotonic() - start, 3)
    found["problems"] += [f"scheme {name[:12]}: {why}" for name, why in result.damaged]
    try:
        with opened(arguments, read_only=False) as writer:
            writer.record_verified(result)
    except CatalogueError as error:
        complain(f"the date of this check is not recorded: {error}")


def _print_installation(report: dict[str, Any]) -> None:
    print(
        f"flipsearch {report['flipsearch']}, Python {report['python']}, {report['system']}, ",
        end="",
    )
    print(f"{report['cores']} cores")
    rows = [
        (name, version or "not installed", "" if version else OPTIONAL.get(name, "needed"))
        for name, version in report["packages"].items()
    ]
    print_table(("package", "version", ""), rows)
    gpu = report["gpu"]
    devices = ", ".join(gpu["devices"])
    if gpu["usable"]:
        print(f"GPU: {devices} (cupy {gpu['cupy']})")
    else:
        print(gpu["problem"] + (f"; the driver lists {devices}" if devices else ""))


def _print_catalogue(state: dict[str, Any]) -> None:
    if "place" in state:
        counts = ", ".join(f"{number} {name}" for name, number in state["counts"].items())
        print(f"catalogue: {state['place']}, schema {state['revision']}: {counts}")
        print(f"known bounds: {state['bounds'] or 'none'}")
        if state["writer"]:
            print(f"being written by {state['writer']}")
        for path in state["spool_files"]:
            print(f"waiting to be taken in: {path}")
    if "checked" in state:
        print(f"{state['checked']} schemes proved again in {state['seconds']:.1f} s")
    for warning in state.get("warnings", ()):
        print(f"warning: {warning}")
    for problem in state["problems"]:
        print(f"problem: {problem}")
    print("the catalogue is sound" if state["sound"] else "the catalogue is not sound")
