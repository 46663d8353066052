"""Commands that show the catalogue to people: report, plot."""

from __future__ import annotations

import argparse
from typing import Any

from flipsearch.cli.names import opened
from flipsearch.cli.output import StatusLine, complain, tell
from flipsearch.cli.parser import finish


def register(commands: Any) -> None:
    """Add the commands."""
    report = commands.add_parser(
        "report",
        help="write the catalogue as a static site that works from disk",
        description="Write the catalogue as a static site: the table of formats and rings, a page "
        "for every best scheme with its products, provenance and downloads, and plots.",
        examples=("report -o site", "report -o site --all --downloads json,txt --no-plots"),
    )
    report.add_argument("-o", "--output", metavar="DIR", required=True, help="folder to write")
    report.add_argument(
        "--all", action="store_true", help="a page for every scheme, not only for the best"
    )
    report.add_argument(
        "--downloads",
        metavar="LIST",
        default="all",
        help="file formats to offer, such as json,txt; all (default) or none",
    )
    report.add_argument(
        "--title",
        default="flipsearch catalogue",
        help="heading of the site (default: flipsearch catalogue)",
    )
    report.add_argument("--no-plots", action="store_true", help="leave the pictures out")
    finish(report, run_report, printed="one JSON object: what was written")

    plot = commands.add_parser(
        "plot",
        help="draw a run or a format",
        description="Draw one picture. A run (number or name): its best rank over time. A format: "
        "how many schemes of each rank are stored, or with --kind front its Pareto front. With "
        "neither: the exponent omega by format.",
        examples=(
            "plot 15 -o history.png",
            "plot 4x4x4 --ring F2 -o ranks.svg",
            "plot 2x2x2 --kind front -o front.svg",
        ),
    )
    plot.add_argument(
        "what",
        metavar="RUN|FORMAT",
        nargs="?",
        help="number or name of a run, or a format (default: all formats)",
    )
    plot.add_argument("-o", "--output", metavar="FILE", required=True, help=".png or .svg file")
    plot.add_argument(
        "--kind",
        choices=("history", "ranks", "front", "omega"),
        help="best rank over time, stored ranks, the Pareto front of a format, or omega by format "
        "(default: what fits)",
    )
    plot.add_argument("--ring", metavar="RING", help="only schemes over this ring (default: all)")
    plot.add_argument("--force", action="store_true", help="replace an existing file")
    finish(plot, run_plot, printed="one JSON object: the file written")


def run_report(arguments: argparse.Namespace) -> int:
    """Write the site."""
    from flipsearch.report import write_report

    bar = StatusLine()
    try:
        with opened(arguments) as catalogue:
            report = write_report(
                catalogue,
                arguments.output,
                everything=arguments.all,
                downloads=arguments.downloads,
                title=arguments.title,
                plots=not arguments.no_plots,
                progress=lambda done, total: bar.show(f"{done} of {total} schemes written"),
            )
    finally:
        bar.clear()
    found = f"{report.index}: {report.formats} formats, {report.schemes} schemes with pages"
    tell(arguments, report.to_dict(), found)
    if report.note and not arguments.json:
        complain(report.note)
    return 0


def run_plot(arguments: argparse.Namespace) -> int:
    """Draw one picture."""
    from flipsearch.report import write_plot

    with opened(arguments) as catalogue:
        path = write_plot(
            catalogue,
            arguments.what,
            arguments.output,
            kind=arguments.kind,
            ring=arguments.ring,
            force=arguments.force,
        )
    tell(arguments, {"file": str(path)}, str(path))
    return 0
