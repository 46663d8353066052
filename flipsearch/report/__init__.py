"""Show the catalogue as a static site and as pictures; this room only reads it."""

from flipsearch.canvas import PlotError
from flipsearch.report.drawing import write_plot
from flipsearch.report.plots import (
    front_of_format,
    gap_histogram,
    gap_over_time,
    omega_by_format,
    rank_histogram,
    rank_over_time,
)
from flipsearch.report.site import Report, write_report

__all__ = [
    "PlotError",
    "Report",
    "front_of_format",
    "gap_histogram",
    "gap_over_time",
    "omega_by_format",
    "rank_histogram",
    "rank_over_time",
    "write_plot",
    "write_report",
]
