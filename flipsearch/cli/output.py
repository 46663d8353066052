"""What commands print: tables and progress for people, one JSON object a line for programs.

Invariant: a message or a table row is one line of printable text, whatever a file's name, a
provenance or an error holds; and printing never fails for the encoding of a terminal or a pipe.
"""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, raised like Ctrl-C so that unfinished files are removed."""


def adapt_streams() -> None:
    """Make both output streams spell characters that their encoding lacks by their number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` on the first SIGTERM or SIGHUP; a second one ends the process at once.

    A signal that is ignored or handled already (``nohup``, a host program) is left alone.
    """
    taken: list[signal.Signals] = []

    def handle(number: int, frame: FrameType | None) -> None:
        for one in taken:
            signal.signal(one, signal.SIG_DFL)
        raise Terminated

    if threading.current_thread() is threading.main_thread():
        for number in ENDINGS:
            if signal.getsignal(number) is signal.SIG_DFL:
                taken.append(number)
                signal.signal(number, handle)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def printable(text: str) -> str:
    """Return text on one line: control characters and lone surrogates become ``?``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\n\t" else "?" for c in text)


def print_json(record: Mapping[str, Any]) -> None:
    """Print one object on one line of standard output."""
    print(json.dumps(record, default=str), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their column names, aligned: numbers right, text left."""
    cells = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    widths = [max([len(c), *(len(row[k]) for row in cells)]) for k, c in enumerate(columns)]
    numeric = [
        bool(cells)
        and all(row[k].replace(".", "", 1).lstrip("+-").isdigit() or not row[k] for row in cells)
        for k in range(len(columns))
    ]
    for row in [list(columns), *cells]:
        line = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        print("  ".join(line).rstrip())


def complain(message: str) -> None:
    """Print one line for people on standard error."""
    print(f"flipsearch: {printable(message)}", file=sys.stderr, flush=True)


class StatusLine:
    """Progress on standard error: a line rewritten on a terminal, one each 30 s elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = time.monotonic()

    def show(self, text: str) -> None:
        """Show a line, unless the last one is too recent."""
        now = time.monotonic()
        if now - self._last < (0.2 if self._live else 30):
            return
        self._last = now
        line, end = (f"\r{text}\x1b[K", "") if self._live else (text, "\n")
        print(line, end=end, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Remove the line from a terminal."""
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
