"""Carry out the commands of `flipsearch.cli.schemes`; imported only when one of them runs."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch import paranoid
from flipsearch.catalogue import Catalogue, Provenance, Record
from flipsearch.catalogue.arguments import names_of
from flipsearch.catalogue.portions import bytes_of, portions
from flipsearch.cli.names import is_file, is_hash, opened, scheme_named
from flipsearch.cli.output import (
    StatusLine,
    complain,
    hint,
    print_json,
    print_table,
    printable,
    tell,
)
from flipsearch.errors import FlipsearchError, FormatError, LiftError, NotFoundError, UsageError
from flipsearch.files import Progress, Read, file_name, read_many, to_bytes, write_atomically
from flipsearch.files.pieces import size_of
from flipsearch.files.write import BINARY, THREEFOLD, parts_of
from flipsearch.formats import MatrixProduct
from flipsearch.formats.named import format_of, short_name
from flipsearch.rings import parse_ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify

if TYPE_CHECKING:
    from flipsearch.equivalence import Classes

_SHOWN = 20
_VARYING = re.compile(r"'[^']*'|\d+|\(.*\)")
_MOST_SAID, _LONGEST_SAID = 50, 500


def run_verify(arguments: argparse.Namespace) -> int:
    """Prove files and stored schemes; return 1 if one is not valid."""
    failed = 0
    for name, scheme, reason in _verified(arguments):
        if scheme is not None and arguments.paranoid:
            reason = reason or _second_opinion(scheme)
        failed += bool(reason)
        if arguments.json:
            record: dict[str, Any] = {"source": name, "valid": not reason}
            if scheme is not None:
                record |= _described(scheme)
            if reason:
                record["reason"] = reason
            print_json(record | ({"paranoid": True} if arguments.paranoid else {}))
        elif reason:
            print(f"{name}: NOT VALID: {reason}")
        elif scheme is not None:
            twice = ", by both checkers" if arguments.paranoid else ""
            found = f"{short_name(scheme.format)} of rank {scheme.rank} over {scheme.ring}"
            print(f"{name}: {found}, proved{twice} ({scheme.content_hash[:12]})")
    return 1 if failed else 0


def _second_opinion(scheme: Scheme) -> str:
    """Return why the independent checker does not accept a scheme, empty if it does."""
    try:
        paranoid.check_text(to_bytes(scheme, "json").decode())
    except paranoid.NotAScheme as error:
        return f"the independent checker disagrees: {error}"
    except FormatError as error:
        return f"the independent checker cannot read it: {error}"
    return ""


def _verified(arguments: argparse.Namespace) -> Iterator[tuple[str, Scheme | None, str]]:
    """Yield (name, scheme, reason) of each file, folder or stored scheme named."""
    form = format_of(arguments.format) if arguments.format else None
    for what in arguments.what:
        if is_file(what):
            for read in read_many([what], format_=form, workers=1):
                yield read.source, read.scheme, read.reason
            continue
        with opened(arguments) as catalogue:
            scheme = scheme_named(catalogue, what).scheme
        try:
            verify(scheme)
            other = form is not None and scheme.format != form
            yield what, scheme, f"it is for {scheme.format}, not for {form}" if other else ""
        except FlipsearchError as error:
            yield what, scheme, str(error)


def _described(scheme: Scheme) -> dict[str, Any]:
    return {
        "scheme": scheme.content_hash,
        "format": str(scheme.format),
        "ring": scheme.ring.value,
        "rank": scheme.rank,
    }


def run_import(arguments: argparse.Namespace) -> int:
    """Read, verify and store schemes; return 1 if one was rejected."""
    ring = parse_ring(arguments.ring) if arguments.ring else None
    form = format_of(arguments.format) if arguments.format else None
    if arguments.workers is not None and arguments.workers < 1:
        raise UsageError("--workers must be 1 or more")
    for path in arguments.paths:
        if not Path(path).exists():
            raise NotFoundError(f"there is no file or folder {path!r}")
    if arguments.rejects and not Path(arguments.rejects).parent.is_dir():
        raise NotFoundError(f"--rejects {arguments.rejects}: make that folder first")
    if arguments.rejects and Path(arguments.rejects).is_dir():
        raise UsageError(f"--rejects {arguments.rejects}: it is a folder, name a file in it")
    bar, start = StatusLine(), time.monotonic()
    total = sum(map(size_of, arguments.paths))

    def progress(now: Progress) -> None:
        seconds = time.monotonic() - start
        left = ""
        if now.bytes < total:  # archives may hold more than their size
            rest = seconds * (total - now.bytes) / max(1, now.bytes)
            left = f" of {total / 1e6:.0f} MB, about {rest:.0f} s left"
        bar.show(
            f"{now.accepted} schemes verified, {now.rejected} rejected in {seconds:.0f} s, "
            f"{now.bytes / 1e6:.0f}{left or ' MB'}"
        )

    reads = read_many(
        arguments.paths, ring=ring, format_=form, workers=arguments.workers, progress=progress
    )
    tally = _Tally(arguments.equivalence)
    try:
        if arguments.dry_run:
            for read in reads:
                tally.add(read, None)
        else:
            with opened(arguments, read_only=False) as catalogue:
                for batch in portions(reads, lambda read: bytes_of(read.scheme)):
                    _store(catalogue, batch, tally, printable(arguments.source or ""))
    finally:
        bar.clear()
    tally.report(as_json=arguments.json, dry=arguments.dry_run)
    if tally.rows and not (tally.rejects or arguments.json):
        formats = " or ".join(dict.fromkeys(short_name(key[0]) for key in list(tally.rows)[:2]))
        following = "import without --dry-run" if arguments.dry_run else f"list {formats}"
        hint(f"next       {following}")
    if arguments.rejects:
        text = "".join(
            f"{read.source}\t{read.reason}\n" for group in tally.groups() for read in group
        )
        write_atomically(Path(arguments.rejects), text.encode(), force=True)
    return 1 if tally.rejects else 0


def _store(catalogue: Catalogue, batch: list[Read], tally: _Tally, source: str) -> None:
    """Store the schemes of a batch in one commit and count what became of them."""
    chosen: list[tuple[Read, Scheme]] = []
    for read in batch:
        if read.scheme is None:
            tally.add(read, None)
        elif tally.is_equivalent(read.scheme, catalogue):
            tally.add(read, "equivalent")
        else:
            chosen.append((read, read.scheme))
    items = [(scheme, _provenance(read, source)) for read, scheme in chosen]
    for (read, _), stored in zip(chosen, catalogue.schemes.add_many(items), strict=True):
        tally.add(read, "new" if stored.new else "duplicate")
    shared = [(read.reduction, _provenance(read, source)) for read, _ in chosen]
    catalogue.programs.add_many((found, origin) for found, origin in shared if found is not None)


def _provenance(read: Read, source: str = "") -> Provenance:
    details = {"file": read.source, "file_format": read.kind, "w_order": read.w_order}
    said = _said(read)
    return Provenance(
        source=source or said.get("source") or Path(read.source).name,
        method="imported",
        details=said | details,
    )


def _said(read: Read) -> dict[str, str]:
    """Return the metadata of a file, shortened and printable.

    A catalogue shows `workers` and `survives` as facts. A file's claim of them is proved first,
    and is renamed if it does not hold.
    """
    said = {
        key[:40]: printable(str(value)[:_LONGEST_SAID])
        for key, value in islice(read.meta.items(), _MOST_SAID)
    }
    if "survives" in said and not (read.scheme and _is_union(read.scheme, said)):
        for key in ("workers", "survives"):
            if key in said:
                said[f"claimed-{key}"] = said.pop(key)
    return said


def _is_union(scheme: Scheme, said: dict[str, str]) -> bool:
    """Return whether the products survive the claimed losses, if that is quick to prove."""
    from flipsearch.faults.presets import restored
    from flipsearch.faults.union import LARGEST_ENUMERATION

    lost, rank = said["survives"], scheme.rank
    if scheme.ring.characteristic or not isinstance(scheme.format, MatrixProduct):
        return False
    if said.get("workers") != str(rank) or not lost.isdecimal() or len(lost) > 3:
        return False
    if sum(math.comb(rank, k) for k in range(int(lost) + 1)) > LARGEST_ENUMERATION:
        return False
    try:
        restored(scheme, said, "")
    except FlipsearchError:
        return False
    return True


class _Tally:
    """Counts by format, ring and rank; rejects with their reasons."""

    def __init__(self, by_equivalence: bool) -> None:
        self.rows: dict[tuple[str, str, int], Counter[str]] = {}
        self.rejects: list[Read] = []
        self.classes: Classes | None = None
        self.known: set[tuple[str, int, int]] = set()
        self.undecided = 0
        if by_equivalence:
            from flipsearch.equivalence import Classes

            self.classes = Classes()

    def is_equivalent(self, scheme: Scheme, catalogue: Catalogue) -> bool:
        """Return whether the scheme is in a class that is stored or was met before."""
        if self.classes is None or scheme in catalogue.schemes:
            return False
        kind = (names_of(scheme.format)[1], scheme.ring.characteristic, scheme.rank)
        if kind not in self.known:
            self.known.add(kind)
            for record in catalogue.schemes.records(format=scheme.format, rank=scheme.rank):
                if record.ring.characteristic == scheme.ring.characteristic:
                    self.classes.meet(record.scheme)
        answer = self.classes.meet(scheme)
        self.undecided += answer == "undecided"
        return answer == "equivalent"

    def add(self, read: Read, outcome: str | None) -> None:
        """Count one read scheme, or keep a reject."""
        scheme = read.scheme
        if scheme is None:
            self.rejects.append(read)
            return
        key = (str(scheme.format), scheme.ring.value, scheme.rank)
        counter = self.rows.setdefault(key, Counter())
        counter["read"] += 1
        if outcome is not None:
            counter[outcome] += 1

    def groups(self) -> list[list[Read]]:
        """Return the rejects by reason, apart from its numbers and names; most frequent first."""
        found: dict[str, list[Read]] = {}
        for read in self.rejects:
            found.setdefault(_VARYING.sub("", read.reason), []).append(read)
        return sorted(found.values(), key=len, reverse=True)

    def report(self, *, as_json: bool, dry: bool) -> None:
        """Print the summary table and the rejects."""
        columns = ["read"] if dry else ["read", "new", "duplicate"]
        if self.classes is not None and not dry:
            columns.append("equivalent")
        rows = sorted(self.rows.items(), key=lambda item: (len(item[0][0]), item[0]))
        if as_json:
            for (form, ring, rank), counter in rows:
                counts = {name: counter[name] for name in columns}
                print_json({"format": form, "ring": ring, "rank": rank, **counts})
            for read in self.rejects:
                print_json({"rejected": read.source, "reason": read.reason})
            total = sum(self.rows.values(), Counter[str]())
            summary = {name: total[name] for name in columns}
            more = {} if self.classes is None else {"undecided": self.undecided}
            print_json({"summary": summary | more | {"rejected": len(self.rejects)}})
            return
        if rows:
            print_table(
                ["format", "ring", "rank", *columns],
                [
                    [short_name(key[0]), *key[1:], *(counter[name] for name in columns)]
                    for key, counter in rows
                ],
            )
        totals = [sum(counter[name] for _, counter in rows) for name in columns]
        words = {
            "read": "schemes proved",
            "new": "stored",
            "duplicate": "there already",
            "equivalent": "equivalent to others",
        }
        parts = [f"{n} {words[name]}" for n, name in zip(totals, columns, strict=True)]
        print(", ".join([*parts, f"{len(self.rejects)} rejected"]))
        if self.undecided:
            complain(
                f"{self.undecided} stored schemes have the invariants of another scheme; whether "
                "they are equivalent to it is not decided"
            )
        groups = self.groups()
        for group in groups[:_SHOWN]:
            first, *others = group
            many = f"{len(group)} like " if others else ""
            complain(f"{many}{first.source}: {first.reason}")
        rest = sum(map(len, groups[_SHOWN:]))
        if rest:
            complain(f"... and {rest} more, for other reasons: --rejects FILE lists all")


def run_export(arguments: argparse.Namespace) -> int:
    """Write stored schemes to files or to standard output."""
    ids: Sequence[str] = arguments.ids
    to: str = arguments.to
    output = Path(arguments.output) if arguments.output else None
    named = str(arguments.output or "").endswith(("/", os.sep))
    several = len(ids) > 1 or (output is not None and (named or output.is_dir()))
    if output is None and to in BINARY:
        raise UsageError(f"a .{to} file is binary: name it with -o FILE")
    if output is not None and several:
        if output.exists() and not output.is_dir():
            raise UsageError(
                f"{output} is a file: several schemes need a folder, name one with -o"
            )
        output.mkdir(parents=True, exist_ok=True)
    with opened(arguments) as catalogue:
        for name in ids:
            found = scheme_named(catalogue, name)
            scheme, record = found.scheme, found.record
            source = {"source": record.source if record else found.file or ""}
            shared = record.reduction if record and to in ("reduced", "slp") else None
            if output is None:
                data = to_bytes(scheme, to, source, shared)
                sys.stdout.write(data.decode())
                continue
            path = output / file_name(scheme, to) if several else output
            if to in THREEFOLD:
                parts = parts_of(scheme, to, shared)
                files = {path.with_stem(f"{path.stem}_{part}"): parts[part] for part in parts}
            else:
                files = {path: to_bytes(scheme, to, source, shared)}
            for file, data in files.items():
                write_atomically(file, data, force=arguments.force)
                tell(arguments, {"file": str(file), **_described(scheme)}, str(file))
    return 0


def _over_a_field(catalogue: Catalogue, name: str) -> Record:
    """Return the scheme to lift; for a format the best one stored over F2, else over F3."""
    if not is_file(name) and not is_hash(name):
        for ring in ("F2", "F3"):
            over = catalogue.schemes.records(format=format_of(name), ring=ring, sort="rank")
            for record in over:
                if record.ring.value == ring:
                    return record
        raise NotFoundError(f"no scheme of {name} over F2 or F3 is stored")
    return scheme_named(catalogue, name).kept(catalogue)


def run_lift(arguments: argparse.Namespace) -> int:
    """Lift stored schemes and store the results; return 1 if one does not lift."""
    from flipsearch.lift import lift

    failed = 0
    with opened(arguments, read_only=False) as catalogue:
        for name in arguments.ids:
            record = _over_a_field(catalogue, name)
            try:
                lifted = lift(record.scheme)
            except LiftError as error:
                failed += 1
                if arguments.json:
                    print_json({"scheme": record.hash, "lifted": None, "reason": str(error)})
                else:
                    complain(f"{record.short}: {error}")
                continue
            provenance = Provenance(lifted_from=record.hash, method="Hensel lifting")
            stored = catalogue.schemes.add(lifted, provenance)
            facts = {"scheme": record.hash, "lifted": _described(lifted), "new": stored.new}
            found = f"{short_name(lifted.format)} of rank {lifted.rank}"
            over = f"{record.short} over {record.ring} lifts to {stored.short} over {lifted.ring}"
            tell(arguments, facts, f"{over} ({found})")
            if not arguments.json:
                hint(f"next       show {stored.short}  |  kernel {stored.short} -o mm.py")
    return 1 if failed else 0
