"""Commands on schemes and their files: verify, import, export, lift."""

from __future__ import annotations

import argparse
from typing import Any


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    from flipsearch.cli import database_argument

    verify = commands.add_parser("verify", help="prove schemes exactly: files or stored ones")
    verify.add_argument("what", nargs="+", metavar="FILE|ID", help="file, folder or hash prefix")
    verify.add_argument(
        "--paranoid",
        action="store_true",
        help="prove each a second time with the independent checker in plain Python",
    )

    load = commands.add_parser("import", help="verify scheme files and store what holds")
    load.add_argument("paths", nargs="+", metavar="PATH", help="files, folders, zip or tar files")
    load.add_argument(
        "--equivalence",
        action="store_true",
        help="count schemes equal up to symmetry instead of storing them, where that is proved",
    )
    load.add_argument("--dry-run", action="store_true", help="read and verify, store nothing")
    load.add_argument("--source", metavar="TEXT", help="where the schemes come from")
    load.add_argument("--ring", help="accept this ring only: F2, F3, ZT, Z or Q")
    load.add_argument("--format", help="accept this format only, also from files that name none")
    load.add_argument("--rejects", metavar="FILE", help="also write the reject report to a file")
    load.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores)")

    export = commands.add_parser("export", help="write stored schemes to files")
    export.add_argument("ids", nargs="+", metavar="ID", help="hash prefix, 6 digits or more")
    export.add_argument(
        "--to",
        default="json",
        choices=(
            *("json", "txt", "npz", "exp", "m", "mpl", "npy", "scheme", "reduced", "sms", "slp"),
        ),
        help="file format (default: json); reduced: JSON with shared sums, after `reduce`; "
        "sms, slp: three files, _L, _R and _P",
    )
    export.add_argument(
        "-o", "--output", metavar="FILE", help="file to write, or a folder for several"
    )
    export.add_argument("--force", action="store_true", help="replace existing files")

    lift = commands.add_parser("lift", help="lift stored schemes over F2 or F3 to Z or Q")
    lift.add_argument("ids", nargs="+", metavar="ID", help="hash prefix, 6 digits or more")

    handlers = (
        (verify, run_verify),
        (load, run_import),
        (export, run_export),
        (lift, run_lift),
    )
    for parser, handler in handlers:
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        database_argument(parser)
        parser.set_defaults(handler=handler)


def run_verify(arguments: argparse.Namespace) -> int:
    """Prove files and stored schemes."""
    from flipsearch.cli import _schemes

    return _schemes.run_verify(arguments)


def run_import(arguments: argparse.Namespace) -> int:
    """Read, verify and store scheme files."""
    from flipsearch.cli import _schemes

    return _schemes.run_import(arguments)


def run_export(arguments: argparse.Namespace) -> int:
    """Write stored schemes to files."""
    from flipsearch.cli import _schemes

    return _schemes.run_export(arguments)


def run_lift(arguments: argparse.Namespace) -> int:
    """Lift stored schemes and store the result."""
    from flipsearch.cli import _schemes

    return _schemes.run_lift(arguments)
