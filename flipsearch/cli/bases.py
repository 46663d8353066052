"""basis: write a scheme in the bases in which its factors are sparsest."""

from __future__ import annotations

import argparse
from typing import Any

from flipsearch.cli.names import opened, scheme_named
from flipsearch.cli.output import tell
from flipsearch.cli.parser import finish, natural


def register(commands: Any) -> None:
    """Add the parser of the command."""
    parser = commands.add_parser(
        "basis",
        help="find bases of the operands in which a scheme needs fewer additions",
        description="Write the factors of a scheme as sparse ones times changes of basis, exactly "
        "(Karstadt and Schwartz 2017). A recursion changes the basis once and then adds by the "
        "sparse factors; the leading constant counts its operations.",
        examples=("basis 2x2x2", "basis df0753f411cc -o sparse.json"),
    )
    parser.add_argument("scheme", metavar="ID|FORMAT|FILE", help="the scheme to write")
    parser.add_argument(
        "--budget",
        default="5s",
        metavar="TIME",
        help="time to share sums of the sparse factors, such as 30s (default 5s)",
    )
    parser.add_argument(
        "--seed", type=natural, default=0, metavar="N", help="seed of the sharing (default 0)"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="also write factors, bases and programs as JSON (default: only print)",
    )
    finish(parser, run_basis, printed="one JSON object")


def run_basis(arguments: argparse.Namespace) -> int:
    """Print the additions and leading constants of a scheme in both bases."""
    import json
    from pathlib import Path

    from flipsearch.files import write_atomically
    from flipsearch.kernels.bases import alternative_basis, leading_constant, written_additions
    from flipsearch.search.budget import parse_budget

    seconds = parse_budget(arguments.budget)
    with opened(arguments) as catalogue:
        named = scheme_named(catalogue, arguments.scheme)
        reduction = None if named.record is None else named.record.reduction
    scheme = named.scheme
    found = alternative_basis(scheme, seconds, arguments.seed)
    counts = {"as written": written_additions(scheme)}
    if reduction is not None:
        counts["with shared sums"] = reduction.parts
    counts["in sparse bases"] = found.additions
    record = {
        "format": str(scheme.format),
        "rank": scheme.rank,
        "scheme": scheme.content_hash,
        "nonzeros": scheme.nonzeros,
        "sparse_nonzeros": found.nonzeros,
        "additions": {name.replace(" ", "_"): sum(parts) for name, parts in counts.items()},
        "leading_constant": {
            name.replace(" ", "_"): leading_constant(scheme, parts)
            for name, parts in counts.items()
        },
        "basis_additions": list(found.basis_additions),
    }
    if arguments.output:
        text = json.dumps(record | found.to_dict()) + "\n"
        write_atomically(Path(arguments.output), text.encode(), force=True)
    lines = [
        f"{scheme.format}:{scheme.rank} {scheme.content_hash[:12]}: {scheme.nonzeros} nonzeros, "
        f"{found.nonzeros} in sparse bases"
    ]
    for name, parts in counts.items():
        lines.append(
            f"{name:16}  {sum(parts)} additions ({' + '.join(map(str, parts))}), leading constant "
            f"{leading_constant(scheme, parts):.4g}"
        )
    changes = " + ".join(map(str, found.basis_additions))
    lines.append(f"changes of basis  {changes} additions a level, of A, B and the output")
    tell(arguments, record, "\n".join(lines))
    return 0
