"""The page of one scheme: figures, provenance, downloads, and the scheme written out.

Invariant: paths of the machine that imported a file stay out of the page and of the downloads:
of a file only its name is shown.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flipsearch.catalogue import Provenance, Record
from flipsearch.errors import FormatError
from flipsearch.files import file_name, to_bytes
from flipsearch.formats import MatrixProduct
from flipsearch.report import pages
from flipsearch.report.markup import Child, Markup, foreign, join, reference, tag
from flipsearch.report.written import outputs, products
from flipsearch.scheme import Scheme

WORDS = {
    "json": "JSON, as the FMM catalogue has it",
    "txt": "text, as ternary_flip_graph",
    "npz": "NumPy archive, as AlphaTensor",
    "exp": "products, .exp",
    "m": "nested braces, .m",
    "mpl": "Maple",
    "npy": "NumPy array, as flip-cpd",
    "scheme": "readable text",
    "reduced": "JSON with shared sums: fewer additions",
}


@dataclass(frozen=True)
class Download:
    """A file to be offered beside a scheme's page."""

    name: str
    kind: str
    data: bytes


def downloads(record: Record, kinds: Sequence[str]) -> list[Download]:
    """Return a scheme's files in every format asked for that can hold it."""
    scheme = record.scheme
    source = pages.without_folders(record.source)[:1000]
    meta = {"source": "".join(letter if letter.isprintable() else "?" for letter in source)}
    found = []
    for kind in kinds:
        try:
            shared = record.reduction if kind == "reduced" else None
            data = to_bytes(scheme, kind, meta, shared)
        except FormatError:
            continue  # that format cannot hold this scheme
        name = re.sub(r"[^A-Za-z0-9._-]", "-", file_name(scheme, kind))
        found.append(Download(name, kind, data))
    return found


def scheme_page(
    record: Record,
    provenance: Sequence[Provenance],
    files: Sequence[Download],
    *,
    site: str,
    tabulated: str,
    present: Container[str],
) -> bytes:
    """Return the page, to lie two folders below the site's.

    Parameters
    ----------
    record : Record
        The scheme.
    provenance : sequence of Provenance
        Where it came from.
    files : sequence of Download
        What lies beside the page.
    site : str
        Name of the site.
    tabulated : str
        The format whose page this one belongs to.
    present : container of str
        Hashes of the schemes that have pages, to link to.
    """
    scheme = record.scheme
    body: list[Child] = [
        pages.big_numbers(
            [
                ("rank", pages.number(record.rank)),
                *(
                    []
                    if record.gap is None
                    else [("gap to the known bound", pages.signed(record.gap))]
                ),
                ("additions", pages.number(record.additions)),
                *([] if record.growth is None else [("growth", pages.number(record.growth, 4))]),
                *([] if not _has_exponent(record) else [("omega", f"{record.omega:.4f}")]),
            ]
        ),
        _facts(record, scheme),
        _downloads(files),
        tag("h2", "Provenance"),
        *(_origin(entry, present) for entry in provenance),
        *(() if provenance else (tag("p", "Nothing is recorded."),)),
        *_written(scheme),
    ]
    return pages.page(
        join((tag("bdi", str(record.format)), f" of rank {record.rank} over {record.ring}")),
        body,
        site=site,
        home="../../",
        script=False,
        trail=[
            ("index.html", site),
            (f"formats/{pages.folder_name(tabulated)}.html", tag("bdi", tabulated)),
            (f"schemes/{pages.scheme_name(record.hash)}/index.html", record.short),
        ],
    )


def _has_exponent(record: Record) -> bool:
    """Whether omega is an exponent, not only a comparison: for one scheme of a general product."""
    form = record.format
    return isinstance(form, MatrixProduct) and form.is_general and record.survives is None


def _facts(record: Record, scheme: Scheme) -> Markup:
    union = None
    if record.survives is not None:
        union = f"{record.workers} products of which any {record.survives} may be lost"
    shared = None
    if record.fewest_additions < record.additions:
        shared = pages.number(record.fewest_additions)
    return pages.facts(
        [
            ("computes", _meaning(scheme)),
            ("ring", f"{record.ring}: {pages.RING_NAMES[record.ring]}"),
            ("known bound", record.known_bound),
            ("naive rank", pages.number(scheme.format.naive_rank)),
            ("nonzero coefficients", pages.number(record.nonzeros)),
            ("additions with shared sums", shared),
            ("recursive calls", record.calls),
            ("recursion factor gamma", None if record.gamma is None else f"{record.gamma:.5g}"),
            ("fault-tolerant union", union),
            ("hash", tag("code", record.hash)),
            ("stored", pages.moment(record.stored)),
            ("last proved", pages.moment(record.verified)),
        ]
    )


def _meaning(scheme: Scheme) -> str:
    form = scheme.format
    if not isinstance(form, MatrixProduct):
        return "a bilinear map given as a sparse tensor"
    n, m, p = form.sides
    if form.is_general:
        return f"C = A B with A {n} x {m}, B {m} x {p}, C {n} x {p}"
    return f"a structured product: left operand {n} x {m}, output {n} x {p}"


def _downloads(files: Sequence[Download]) -> Markup | None:
    if not files:
        return None
    items = [
        tag(
            "li",
            tag(
                "a",
                WORDS[file.kind],
                f" ({_size(len(file.data))})",
                href=file.name,
                download=file.name,
            ),
        )
        for file in files
    ]
    return join((tag("h2", "Downloads"), tag("ul", *items, class_="files")))


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1000 else f"{count / 1000:.3g} kB"


def _origin(entry: Provenance, present: Container[str]) -> Markup:
    pairs: list[tuple[str, Child]] = [
        (
            "source",
            None if entry.source is None else reference(pages.without_folders(entry.source)),
        ),
        ("method", None if entry.method is None else foreign(entry.method)),
        ("run", entry.run),
        ("task", entry.task),
        ("seed", None if entry.seed is None else str(entry.seed)),
        ("lifted from", _link(entry.lifted_from, present)),
        ("made from", _link(entry.parent, present)),
        *((str(key), foreign(value)) for key, value in _details(entry.details).items()),
    ]
    return tag("div", pages.facts(pairs), class_="origin")


def _details(details: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the rest of a provenance, at most 40 of it, as text."""
    shown = list((details or {}).items())[:40]
    return {key[:80]: pages.without_folders(str(value)) for key, value in shown}


def _link(name: str | None, present: Container[str]) -> Markup | None:
    if name is None:
        return None
    if name not in present:
        return tag("code", name)
    return tag("a", tag("code", name[:12]), href=f"../{pages.scheme_name(name)}/index.html")


def _written(scheme: Scheme) -> list[Markup]:
    """Return the products and the outputs as lists."""
    terms = (
        tag("li", tag("b", f"{name} ="), " ", text, id=name) for name, text in products(scheme)
    )
    sums = (tag("li", tag("b", f"{name} ="), " ", text) for name, text in outputs(scheme))
    over = f" All sums are over {scheme.ring}." if scheme.ring.characteristic else ""
    return [
        tag("h2", "Products"),
        tag("p", f"{scheme.rank} products of sums of entries of A and B.{over}"),
        tag("ol", join(terms, Markup("\n")), class_="written"),
        tag("h2", "Output"),
        tag("p", "Each entry of C is a sum of products."),
        tag("ol", join(sums, Markup("\n")), class_="written"),
    ]
