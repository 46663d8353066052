"""Print tables and progress for people, and one JSON object a line for programs.

Invariant: a message or a table row is one line of printable text, whatever a file's name, a
provenance or an error holds. No encoding of a terminal or a pipe makes printing fail.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.live import Live

ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, raised like Ctrl-C: unfinished files are then removed."""


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


def tell(arguments: argparse.Namespace, record: Mapping[str, Any], text: str) -> None:
    """Print a record as JSON with ``--json``, else the text."""
    if arguments.json:
        print_json(record)
    else:
        print(text, flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print rows under their column names: numbers right, text left, empty columns left out.

    On a terminal the table has colours, unless NO_COLOR is set, and fits: the longest texts are
    cut. A longer table than the terminal goes through the pager that PAGER names.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    shown = [k for k in range(len(columns)) if not cells or any(row[k] for row in cells)]
    columns = [columns[k] for k in shown]
    cells = [[row[k] for k in shown] for row in cells]
    numeric = [
        bool(cells) and all(_NUMBER.fullmatch(row[k]) for row in cells)
        for k in range(len(columns))
    ]
    if is_terminal(sys.stdout):
        _print_rich(columns, cells, numeric, title)
        return
    if title:
        print(title)
    widths = _widths(columns, cells)
    for row in [columns, *cells]:
        line = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        print("  ".join(line).rstrip())


_NUMBER = re.compile(r"[+-]?[\d,.]*")
_STYLES = {"scheme": "cyan", "run": "cyan", "source": "dim", "additions": "dim", "growth": "dim"}
SHORTEST = 8
"""Characters that a text is cut to at most, for a table to fit; IDs are not cut."""
SPARE = ("growth", "gamma", "calls", "shared", "additions", "heartbeat", "known")
"""Columns that a table does without, in this order, where a terminal is too narrow."""


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else printable(str(value))


def _widths(columns: Sequence[str], cells: list[list[str]]) -> list[int]:
    return [max([len(c), *(len(row[k]) for row in cells)]) for k, c in enumerate(columns)]


def _print_rich(
    columns: Sequence[str], cells: list[list[str]], numeric: list[bool], title: str
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    widths = dict(enumerate(_widths(columns, cells)))
    spare = [columns.index(name) for name in SPARE if name in columns]
    texts = [k for k, right in enumerate(numeric) if not (right or columns[k] == "scheme")]
    while sum(widths.values()) + 2 * len(widths) - 2 > console.width:
        widest = max(texts, key=widths.__getitem__, default=0)
        if texts and widths[widest] > SHORTEST:
            widths[widest] -= 1
        elif spare:
            del widths[spare.pop(0)]
        else:
            break
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for k, width in widths.items():
        table.add_column(
            columns[k],
            justify="right" if numeric[k] else "left",
            width=width,
            no_wrap=True,
            overflow="ellipsis",
            style=_STYLES.get(columns[k], ""),
        )
    for row in cells:
        table.add_row(
            *(
                Text(
                    row[k],
                    style="bold green" if columns[k] == "gap" and row[k][:1] in "0-" else "",
                )
                for k in widths
            )
        )
    parts = [Text(title, style="bold"), table] if title else [table]
    if len(cells) + 3 > console.height and sys.stdin.isatty():
        os.environ.setdefault("LESS", "FRX")
        with console.pager(styles=True):
            console.print(*parts, sep="\n")
    else:
        console.print(*parts, sep="\n")


def complain(message: str) -> None:
    """Print one line for people on standard error."""
    print(f"flipsearch: {printable(message)}", file=sys.stderr, flush=True)


def hint(message: str) -> None:
    """Print lines on standard error that suggest or explain, unless --quiet."""
    for line in () if status.quiet else message.split("\n"):
        print(printable(line), file=sys.stderr, flush=True)


class _Log(logging.Handler):
    """Log to the current standard error, above the status line."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(self.format(record))


def log(verbose: bool, quiet: bool) -> None:
    """Log to standard error; unless ``quiet``, show progress and compilations."""
    level = logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", handlers=[_Log()])
    logging.getLogger("flipsearch.compile").setLevel(logging.NOTSET if quiet else logging.INFO)
    status.quiet = quiet


SILENT = {True: 1.0, False: 5.0}
"""Seconds after which work is announced: on a terminal, and elsewhere."""


class StatusLine:
    """Progress on standard error: one line that fits a terminal, a line every 30 s elsewhere.

    Whatever else is printed meanwhile appears above the line. `quiet` shows nothing at all.
    """

    def __init__(self) -> None:
        self.quiet = False
        self._live: Live | None = None
        self._last = time.monotonic()
        self._busy: list[tuple[str, float]] = []
        self._said: set[str] = set()
        self._lock = threading.RLock()

    def show(self, text: str, *, news: bool = False) -> None:
        """Show a line; if this is no terminal, only every 30 s or if it is news."""
        with self._lock:
            now, terminal = time.monotonic(), self._live is not None or is_terminal(sys.stderr)
            if self.quiet or (now - self._last < (0.1 if terminal else 30) and not news):
                return
            self._last = now
            if terminal:
                self._draw(printable(text))
            else:
                print(printable(text), file=sys.stderr, flush=True)

    def _draw(self, text: str) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        line = Text(text, no_wrap=True, overflow="ellipsis")
        if self._live is None:
            console = Console(stderr=True, highlight=False, markup=False)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(line, refresh=True)

    def clear(self) -> None:
        """Remove the line from a terminal."""
        with self._lock:
            live, self._live = self._live, None
            if live is not None:
                live.stop()

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Show a text and its seconds during a block that takes longer than `SILENT`."""
        self.begin(text)
        try:
            yield
        finally:
            self.end()

    def begin(self, text: str) -> None:
        """Show a text from now on; a thread counts the seconds."""
        task = (text, time.monotonic())
        self._busy.append(task)
        threading.Thread(target=self._tick, args=(task,), daemon=True).start()

    def end(self) -> None:
        """Stop showing the text that was begun last."""
        with self._lock:
            if self._busy:
                self._busy.pop()
            self.clear()

    def _tick(self, task: tuple[str, float]) -> None:
        text, started = task
        while True:
            time.sleep(0.25)
            with self._lock:
                if task not in self._busy:
                    return
                seconds = time.monotonic() - started
                if task is not self._busy[-1] or seconds < SILENT[is_terminal(sys.stderr)]:
                    continue
                self.show(f"{text}  {seconds:.0f} s", news=text not in self._said)
                self._said.add(text)


status = StatusLine()


def is_terminal(stream: Any) -> bool:
    """Return whether a stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def terminal_width() -> int:
    """Return the columns of the terminal that standard output is, 0 if it is none."""
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else 0
