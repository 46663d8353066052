from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scheme_samples import strassen

from flipsearch.catalogue import Catalogue, Provenance
from flipsearch.cli import output


@pytest.fixture
def db(database: str) -> Path:
    """Give a catalogue whose one scheme has a source outside ASCII."""
    with Catalogue.open(database) as catalogue:
        catalogue.schemes.add(strassen(), Provenance(source="Zoë × Noé"))
    return Path(database)


def flipsearch(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "flipsearch", *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        timeout=300,
    )


def test_commands_print_to_a_terminal_without_unicode(db: Path, tmp_path: Path) -> None:
    site, kernel = tmp_path / "sité", tmp_path / "kernél.py"
    for command in (
        ("list", "2x2x2", "--sort", "scheme"),
        ("report", "-o", site, "--no-plots", "--downloads", "none"),
        ("kernel", strassen().content_hash, "-o", kernel),
    ):
        done = flipsearch(*command, "--db", db, PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii()
        assert b"\\xe" in done.stdout
    assert (site / "index.html").is_file()
    assert kernel.is_file()


def test_text_of_others_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    for hostile in ("a\nb\x1b[2J", "\x00\r\ud800", "\x85\u2028\u202e"):
        output.complain(hostile)
        output.print_table(["x", "y"], [[hostile, 1]])
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 3
    assert shown.out.count("\n") == 6
    assert (shown.out + shown.err).replace("\n", "").isprintable()


def test_characters_that_an_encoding_lacks_are_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(io.BytesIO(), "ascii"))
    output.adapt_streams()
    print("é\ud800", flush=True)
    assert sys.stdout.buffer.getvalue() == b"\\xe9\\ud800\n"  # type: ignore[attr-defined]


def test_sigterm_unwinds_once_and_leaves_other_handlers_alone() -> None:
    # Ray, started by an earlier test of this process, leaves a handler of its own
    previous = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(output.Terminated), output.terminable():
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with output.terminable():
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, previous)


@pytest.mark.parametrize("number", output.ENDINGS)
def test_a_terminated_report_leaves_nothing_behind(
    db: Path, tmp_path: Path, number: signal.Signals
) -> None:
    program = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, signal.SIG_DFL)\n"  # whoever runs the tests may ignore it
        "from flipsearch.cli import main\n"
        "from flipsearch.report.folder import Folder\n"
        "write = Folder.write\n"
        "def slow(folder, name, data):\n"
        "    write(folder, name, data)\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
        "Folder.write = slow\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    folder = tmp_path / "sites"
    command = ["report", "-o", str(folder / "site"), "--no-plots", "--db", str(db)]
    with subprocess.Popen(
        [sys.executable, "-c", program, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert [path.name[:6] for path in folder.iterdir()] == [".site."]
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert errors == "flipsearch: terminated\n"
    assert list(folder.iterdir()) == []


class Terminal(io.StringIO):
    """A terminal of which nobody reads."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [20, 80])
def test_the_status_line_fits_any_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    line = output.StatusLine()
    for number in range(3):
        line.show(f"{number} " + "pools 47:1 " * 30, news=True)
        output.complain("above")
    line.clear()
    shown = [
        re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text) for text in terminal.getvalue().split("\n")
    ]
    assert max(len(part) for text in shown for part in text.split("\r")) == width
    assert sum("above" in text for text in shown) == 3


def test_the_status_line_of_a_pipe_comes_every_30_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(output.time, "monotonic", lambda: now)
    line = output.StatusLine()
    for now in range(100):
        line.show(f"at {now}")
    line.show("news", news=True)
    line.quiet = True
    line.show("more", news=True)
    assert capsys.readouterr().err == "at 30\nat 60\nat 90\nnews\n"


def test_work_of_less_than_a_second_is_not_announced(capsys: pytest.CaptureFixture[str]) -> None:
    with output.StatusLine().doing("nothing"):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("colours", [True, False])
def test_tables_fit_a_terminal(monkeypatch: pytest.MonkeyPatch, colours: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    rows = [("47abcdef0123", 47, 1_234_567, None, "x" * 99), ("short", 1, 2, None, "y")]
    output.print_table(["scheme", "rank", "flips", "empty", "source"], rows, "Two rows")
    shown = terminal.getvalue()
    assert ("\x1b[36m" in shown) is colours
    title, header, *lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert title.strip() == "Two rows"
    assert header.split() == ["scheme", "rank", "flips", "source"]
    assert lines[0].startswith("47abcdef0123    47  1,234,567  xxxx")
    assert lines[0].endswith("x\N{HORIZONTAL ELLIPSIS}")
    assert max(map(len, lines)) == 60


def test_a_table_in_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["scheme", "source"], [("47", "x" * 200)])
    assert capsys.readouterr().out == f"scheme  source\n    47  {'x' * 200}\n"
