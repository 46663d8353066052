"""Every command line of every page runs, page by page, in this process and with small budgets.

All pages share one folder with a catalogue of some shipped schemes and the files that pages name.
A search walks for a fifth of a second on one thread, a timing multiplies small matrices, and a
cluster is this machine's threads; `tests/executors` has Ray itself.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import zipfile
from pathlib import Path

import pytest

import flipsearch
from flipsearch.catalogue import Catalogue, Provenance, shipped
from flipsearch.cli import build_parser, main
from flipsearch.constructors.plan import Plan
from flipsearch.files.convert import read

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(?!python)\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_LINE = re.compile(
    r"^(?:\$ )?(?:python3 (?:\S*/)?run\.py|flipsearch) +(.*?)(?:  .*)?$", re.MULTILINE
)
OF_RUN_PY = ("test", "install")
SMALL = {"--budget": "0.2s", "--sizes": "32", "--threads": "1", "--pairs": "1"}
MORE = {
    "search": "--budget 0.2s --gpu off --workers 1",
    "resume": "--budget 0.2s --gpu off --workers 1",
    "protect": "--budget 3s",
    "stabilise": "--budget 0.2s",
    "bench-kernel": "--sizes 32 --threads 1 --pairs 1",
    "doctor": "--workers 1",
    "plan": "--rings ZT",
    "report": "--no-plots",
}
"""Options that are added to a command, or take the place of those on the page."""
LARGE = re.compile("--strategy (symmetric|diagonal)|--within|runs replay")
"""Commands that only parse here: searches that take a minute to begin, and replays of a task.

The tests of these strategies run them at smaller sizes; those of the journal replay a task.
"""
STORED = ("2x2x2", "3x3x3", "4x4x4", "gt_4x4x4")


def command_lines(page: Path) -> list[str]:
    text = "".join(_BLOCK.findall(page.read_text())).replace("\\\n", " ")
    lines = dict.fromkeys(_LINE.findall(text))
    return [line for line in lines if not line.startswith(OF_RUN_PY)]


LINES = {page.name: command_lines(page) for page in PAGES if command_lines(page)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documented")
    scheme = next((ROOT / "schemes" / "2x2x2").glob("*_ZT_*"))
    paths = [path for name in STORED for path in (ROOT / "schemes" / name).glob("*.txt")]
    with Catalogue.open(folder / "catalogue.sqlite", shipped=False) as catalogue:
        catalogue.schemes.add_many(shipped.read_folder(ROOT / "schemes", paths))
        for name in (*map(str, range(12)), "night"):  # the last two are runs 12 and 13
            named = {"name": name} if name == "night" else {}
            run = catalogue.runs.start(
                "4x5x6", "F2", strategy="pool", parameters={}, seed=1, **named
            )
            catalogue.runs.finish(run, "done")
        found = read(next((ROOT / "schemes" / "4x5x6").glob("*.txt"))).over("F2")
        catalogue.schemes.add(found, Provenance(run=run.id))
        best = catalogue.best("2x2x2", "ZT").short
    (folder / "downloads").mkdir()
    for path in ("scheme.json", "downloads/one.txt"):
        shutil.copy(scheme, folder / path)
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.write(scheme, "two.txt")
    (folder / "schemes").mkdir()
    (folder / "shares.txt").write_text("2x2x3 5\n")
    shutil.copy(ROOT / "flipsearch" / "data" / "tensor_ranks.csv", folder / "new.csv")
    return folder, best


@pytest.fixture
def elsewhere(folder, monkeypatch):
    monkeypatch.setattr(shipped, "shipped_folder", lambda: None)
    monkeypatch.setattr("flipsearch.constructors.making.all_sides", lambda: [(2, 2, 2), (2, 2, 3)])
    monkeypatch.setattr(Plan.gains, "__defaults__", (3,))  # the largest side of a primitive
    monkeypatch.chdir(folder[0])
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "outside" / "toys"))
    monkeypatch.setenv("FLIPSEARCH_DB", "catalogue.sqlite")
    monkeypatch.setenv("FLIPSEARCH_TUNING", "default")
    return folder[1]


def small(line: str, scheme: str) -> list[str]:
    """Return the words of a command with small budgets, with a scheme for what stands for one."""
    words = shlex.split(re.sub(r"\bID\b|\b[0-9a-f]{8,12}\b", scheme, line))
    for option in ("--address", *SMALL):
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
    if "--tune" in words:
        words.remove("--tune")
    words = ["threads" if word == "ray" else word for word in words]
    return [*words, *MORE.get(words[0], "").split()]


def test_pages_show_commands():
    assert sum(map(len, LINES.values())) > 60
    assert len(LINES["tutorial.md"]) >= 15


@pytest.mark.parametrize("page", LINES)
def test_documented_commands_parse(page):
    for line in LINES[page]:
        parsed = build_parser().parse_args(shlex.split(line))
        assert parsed.command in shlex.split(line)
        assert callable(parsed.handler)


@pytest.mark.slow
@pytest.mark.parametrize("page", LINES)
def test_documented_commands_run(page, elsewhere, capsys):
    """Each command of a page ends with 0 after those above it; a query may find nothing."""
    for line in LINES[page]:
        if LARGE.search(line):
            continue
        words = small(line, elsewhere)
        code = main(words)
        shown = capsys.readouterr()
        assert code == 0 or (code == 1 and words[0] == "query"), (line, shown.err)
        assert "Traceback" not in shown.err


def test_the_reference_has_every_public_name_and_its_links_resolve():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    page = reference.page()
    titles = re.findall(r"^#+ (\S+)$", page, re.MULTILINE)
    for name in set(flipsearch.__all__) - {"__version__"}:
        assert name in titles
        about = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert re.search(r"^[A-Z]\S* .*\.$", about, re.MULTILINE), f"{name} has no summary"
    for target in re.findall(r"\]\(([^)]+)\)", page):
        inside = target.startswith("#") and target[1:] in [title.lower() for title in titles]
        assert inside or (ROOT / "docs" / target).exists(), target
