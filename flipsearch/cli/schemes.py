"""Commands on schemes and their files: verify, import, export, lift."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from flipsearch.cli.parser import finish


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    verify = commands.add_parser(
        "verify",
        help="prove schemes exactly, stored ones or those in files",
        description="Check every Brent equation of each scheme exactly. Exit code 1 if one fails.",
        examples=("verify 4x4x4", "verify 928ba8decfed --paranoid", "verify schemes/ found.zip"),
    )
    verify.add_argument(
        "what",
        nargs="+",
        metavar="FILE|ID|FORMAT",
        help="a file or folder, a hash prefix of 6 digits or more, or a format: its best scheme",
    )
    verify.add_argument(
        "--paranoid",
        action="store_true",
        help="prove each a second time with the independent checker in plain Python",
    )
    _format_argument(verify)

    load = commands.add_parser(
        "import",
        help="prove the schemes in files and store the valid ones",
        description="Read scheme files of any known kind, prove each scheme, and store the valid "
        "ones with their source. Exit code 1 if one was rejected.",
        examples=("import found/ archive.zip", "import scheme.json --dry-run --rejects bad.txt"),
    )
    load.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="files, folders, zip or tar files; contents decide the kind",
    )
    load.add_argument(
        "--equivalence",
        action="store_true",
        help="count schemes equal up to symmetry instead of storing them, where that is proved",
    )
    load.add_argument("--dry-run", action="store_true", help="read and verify, store nothing")
    load.add_argument(
        "--source",
        metavar="TEXT",
        help="where the schemes come from (default: said by the file, else its name)",
    )
    load.add_argument("--ring", help="accept only this ring: F2, F3, ZT, Z or Q (default: any)")
    _format_argument(load)
    load.add_argument(
        "--rejects",
        metavar="FILE",
        help="also write all rejected schemes with reasons to a file (default: print 20)",
    )
    load.add_argument(
        "--workers", type=int, metavar="N", help="processes that prove (default: all cores)"
    )

    export = commands.add_parser(
        "export",
        help="write schemes to files of the community's formats",
        description="Write schemes to standard output, to a file, or several to a folder.",
        examples=("export 4x4x4 --to json", "export 928ba8decfed 43e44e4548b7 --to txt -o out/"),
    )
    export.add_argument(
        "ids",
        nargs="+",
        metavar="ID|FORMAT|FILE",
        help="a hash prefix of 6 digits or more, a format: its best scheme, or a scheme file",
    )
    export.add_argument(
        "--to",
        metavar="KIND",
        default="json",
        choices=(
            *("json", "txt", "npz", "exp", "m", "mpl", "npy", "scheme", "reduced", "sms", "slp"),
        ),
        help="file format: json (default), txt, npz, exp, m, mpl, npy, scheme; reduced: JSON with "
        "shared sums, after `reduce --keep`; sms, slp: three files, _L, _R and _P",
    )
    export.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write, or a folder for several (default: standard output)",
    )
    export.add_argument("--force", action="store_true", help="replace existing files")

    lift = commands.add_parser(
        "lift",
        help="lift schemes over F2 or F3 to ZT, Z or Q and store them",
        description="Lift schemes from F2 or F3 to characteristic 0 by Hensel lifting, prove the "
        "results and store them. Exit code 1 if one does not lift.",
        examples=("lift 928ba8decfed", "lift 3x3x6 --json"),
    )
    lift.add_argument(
        "ids",
        nargs="+",
        metavar="ID|FORMAT|FILE",
        help="a hash prefix of 6 digits or more, a format: its best scheme over F2, else F3, or a "
        "scheme file",
    )

    for name, parser in (("verify", verify), ("import", load), ("export", export), ("lift", lift)):
        finish(parser, partial(_run, f"run_{name}"))


def _format_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", help="accept only this format, also from files that name none (default: any)"
    )


def _run(name: str, arguments: argparse.Namespace) -> int:
    from flipsearch.cli import _schemes

    code: int = getattr(_schemes, name)(arguments)
    return code
