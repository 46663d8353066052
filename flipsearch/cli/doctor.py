"""doctor: what is installed, what this machine offers, and whether the catalogue is sound."""

from __future__ import annotations

import argparse
from typing import Any


def register(commands: Any) -> None:
    """Add the parser of this group."""
    from flipsearch.cli import database_argument

    doctor = commands.add_parser("doctor", help="what is installed, is the catalogue sound")
    doctor.add_argument(
        "--catalogue",
        action="store_true",
        help="check every row's hash and proof again, on all cores; repairs nothing",
    )
    doctor.add_argument("--workers", type=int, help="processes for --catalogue; default all cores")
    doctor.add_argument("--json", action="store_true", help="one JSON object")
    database_argument(doctor)
    doctor.set_defaults(handler=run_doctor)


def run_doctor(arguments: argparse.Namespace) -> int:
    """Print the state of installation, machine and catalogue."""
    from flipsearch.cli import _doctor

    return _doctor.run_doctor(arguments)
