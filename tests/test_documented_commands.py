"""Every command line of every page parses; those that only look, and the tutorial's, run.

They run in this process with small budgets, against one catalogue of some shipped schemes.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import pytest

import flipsearch
from flipsearch.catalogue import Catalogue, shipped
from flipsearch.cli import build_parser, main

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(?!python)\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_LINE = re.compile(
    r"^(?:\$ )?(?:python3 (?:\S*/)?run\.py|flipsearch) +(.*?)(?:  .*)?$", re.MULTILINE
)
OF_RUN_PY = ("test", "install")
LOOKING = ("list", "query", "show", "runs", "bounds list", "verify", "export", "completion")
SMALL = {"--budget": "0.2s", "--sizes": "32", "--threads": "1", "--pairs": "1"}
RUN = "night"
STORED = ("2x2x2", "3x3x3", "4x4x4", "gt_4x4x4")


def command_lines(page: Path) -> list[str]:
    text = "".join(_BLOCK.findall(page.read_text())).replace("\\\n", " ")
    return [line for line in _LINE.findall(text) if not line.startswith(OF_RUN_PY)]


LINES = sorted({(page.name, line) for page in PAGES for line in command_lines(page)})
TUTORIAL = command_lines(ROOT / "docs" / "tutorial.md")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documented")
    paths = [path for name in STORED for path in (ROOT / "schemes" / name).glob("*.txt")]
    with Catalogue.open(folder / "catalogue.sqlite", shipped=False) as catalogue:
        catalogue.schemes.add_many(shipped.read_folder(ROOT / "schemes", paths))
        run = catalogue.runs.start("2x2x2", "F2", strategy="pool", parameters={}, seed=1, name=RUN)
        catalogue.runs.finish(run, "done")
        best = catalogue.best("2x2x2", "ZT").short
    return folder, best


@pytest.fixture
def elsewhere(folder, monkeypatch):
    monkeypatch.setattr(shipped, "shipped_folder", lambda: None)
    monkeypatch.chdir(folder[0])
    monkeypatch.setenv("FLIPSEARCH_DB", "catalogue.sqlite")
    monkeypatch.setenv("FLIPSEARCH_TUNING", "default")
    return folder[1]


def test_pages_show_commands():
    assert len(LINES) > 50
    assert len(TUTORIAL) >= 15


@pytest.mark.parametrize(("page", "line"), LINES)
def test_documented_commands_parse(page, line):
    parsed = build_parser().parse_args(shlex.split(line))
    assert parsed.command in shlex.split(line)
    assert callable(parsed.handler)


@pytest.mark.parametrize(
    "line",
    sorted(
        line
        for line in {line for _, line in LINES} - set(TUTORIAL)
        if line.startswith(LOOKING) and not re.search("--orbit|runs compare", line)
    ),
)
def test_documented_commands_that_look_run(line, elsewhere, capsys):
    words = shlex.split(re.sub(r"\bID\b|\b[0-9a-f]{8,12}\b", elsewhere, line))
    files = [word for word in words if word.endswith(".json") and words[0] == "verify"]
    for file in files:
        shutil.copy(next((ROOT / "schemes" / "2x2x2").glob("*_ZT_*")), file)
    assert main(words) in (0, 1) if words[0] == "query" else main(words) == 0
    assert "Traceback" not in capsys.readouterr().err
    for word in {"-o", "--output"} & set(words):
        Path(words[words.index(word) + 1]).unlink()


@pytest.mark.slow
def test_the_tutorial_runs_from_beginning_to_end(elsewhere, capsys, monkeypatch):
    """Each command ends with 0; searches are cut to a fifth of a second."""
    for line in TUTORIAL:
        words = shlex.split(re.sub(r"\bID\b|\b[0-9a-f]{8,12}\b", elsewhere, line))
        for option, value in SMALL.items():
            if option in words:
                words[words.index(option) + 1] = value
        if words[0] in ("search", "resume"):
            words += ["--gpu", "off", "--workers", "1"]
        code = main(words)
        shown = capsys.readouterr()
        assert code == 0, (line, shown.err)


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
