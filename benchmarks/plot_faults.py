"""Draw docs/faults.svg and print the table of docs/faults.md: what each choice costs and buys.

    python -m benchmarks.plot_faults [-o docs/faults.svg]

All figures are computed from certificates and decoders; nothing is timed.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.faults import PARITIES, TWO
from flipsearch.faults import FaultTolerantScheme, baselines, decoder, union_of, worst_growth
from flipsearch.faults.presets import presets
from flipsearch.kernels.builtin import strassen, winograd


def rows() -> list[tuple[str, FaultTolerantScheme]]:
    """Return the unions shown: copies, the paper's case, the shipped ones."""
    s = strassen()
    shown = [(f"{k} cop{'y' if k == 1 else 'ies'}", union_of(TWO, [s] * k)) for k in (1, 2, 3)]
    shown.append(("S+W", union_of(TWO, [s, winograd()])))
    shown.append(("S+W+2 parities", union_of(TWO, [s, winograd(), PARITIES])))
    return shown + [(union.name, union) for union in presets(TWO)]


def table() -> None:
    """Print the table as Markdown."""
    print(
        "| products | workers | any | largest coefficient | P_fail .01 | .05 | .1 | mean | p99 "
        "| growth, 0 / 1 lost |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, union in rows():
        certificate = union.certificate()
        chances = " | ".join(
            f"{certificate.failure_probability(p):.2e}" for p in (0.01, 0.05, 0.1)
        )
        mean, late = baselines.latency(certificate)
        largest = max(np.abs(union.u).max(), np.abs(union.v).max())
        lost = f"{worst_growth(union, 1):.3g}" if certificate.survives else "-"
        print(
            f"| {name} | {union.workers} | {certificate.survives} | {largest} | {chances} "
            f"| {mean:.2f} | {late:.2f} | {decoder(union).growth:.3g} / {lost} |"
        )


def plot(path: str) -> None:
    """Draw P_fail(0.1) and p99 by workers: ours, copies, polynomial codes."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "flipsearch"
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    shown = rows()
    families = {
        "plain copies": [u.certificate() for name, u in shown if "cop" in name],
        "Strassen + Winograd (+ 2 parities)": [
            u.certificate() for name, u in shown if name.startswith("S+W")
        ],
        "shipped unions": [u.certificate() for _, u in shown[5:]],
        "entangled polynomial code": [baselines.polynomial_code(TWO, n) for n in range(9, 17)],
    }
    for (name, certificates), marker in zip(families.items(), "os^x", strict=True):
        workers = [c.workers for c in certificates]
        style = {"marker": marker, "linestyle": "none" if "unions" in name else ":"}
        left.plot(workers, [c.failure_probability(0.1) for c in certificates], label=name, **style)
        right.plot(workers, [baselines.latency(c)[1] for c in certificates], label=name, **style)
    left.set(yscale="log", xlabel="workers", ylabel="P(cannot decode), each lost with p = 0.1")
    right.set(xlabel="workers", ylabel="99th percentile of time, tasks take 1 + Exp(1)")
    left.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Print the table and draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", default="docs/faults.svg")
    arguments = parser.parse_args()
    table()
    plot(arguments.output)


if __name__ == "__main__":
    main()
