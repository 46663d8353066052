"""Every command that takes a scheme takes a hash prefix, a format or a file."""

import json

import pytest
from scheme_samples import strassen

import flipsearch as fs
from flipsearch.catalogue import Catalogue, Provenance
from flipsearch.cli import main
from flipsearch.cli.names import scheme_named
from flipsearch.errors import FlipsearchError, NotFoundError, UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a folder with a catalogue of Strassen's scheme over ZT and F2, and two files."""
    folder = tmp_path_factory.mktemp("names")
    with Catalogue.open(folder / "catalogue.sqlite", shipped=False) as catalogue:
        for scheme in (strassen(), strassen().over(Ring.F2)):
            catalogue.schemes.add(scheme, Provenance(source="a test"))
    fs.write(strassen(), folder / "known.json")
    fs.write(naive_scheme(parse_format("2x2x3"), Ring.ZT), folder / "new.txt")
    return folder


@pytest.fixture(autouse=True)
def catalogue(folder, monkeypatch):
    monkeypatch.setenv("FLIPSEARCH_DB", "catalogue.sqlite")
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    monkeypatch.chdir(folder)
    with Catalogue.open(folder / "catalogue.sqlite", shipped=False) as catalogue:
        yield catalogue


def test_hash_format_and_file_name_one_scheme(catalogue):
    short = strassen().content_hash[:8]
    for name in (short, short.upper(), "2x2x2", "known.json", "./known.json"):
        assert scheme_named(catalogue, name).record.scheme == strassen()
    assert scheme_named(catalogue, "2x2x2", "F2").scheme.ring is Ring.F2
    assert scheme_named(catalogue, "new.txt").record is None


@pytest.mark.parametrize(
    ("name", "ring", "error"),
    [
        ("none.json", None, NotFoundError),
        ("a/b", None, NotFoundError),
        ("0123456789", None, NotFoundError),
        ("5x5x5", None, NotFoundError),
        ("nonsense", None, UsageError),
        ("known.json", "F2", UsageError),
        ("catalogue.sqlite", None, FlipsearchError),
    ],
)
def test_what_names_none(catalogue, name, ring, error):
    with pytest.raises(error):
        scheme_named(catalogue, name, ring)


@pytest.mark.parametrize("name", [strassen().content_hash[:8], "2x2x2", "known.json", "new.txt"])
def test_commands_take_any_name(name, capsys):
    for command in ("show", "verify", "export"):
        assert main([command, name, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found.get("format") == ("2x2x3" if name == "new.txt" else "2x2x2")
    assert main(["kernel", name, "-o", f"kernel_{len(name)}.py", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rank"] == (12 if name == "new.txt" else 7)


def test_a_format_is_lifted_from_its_field(capsys):
    assert main(["lift", "2x2x2", "--json"]) == 0
    lifted = json.loads(capsys.readouterr().out)
    assert lifted["scheme"] == strassen().over(Ring.F2).content_hash
    assert main(["lift", "2x2x3"]) == 1
    assert "no scheme of 2x2x3 over F2 or F3" in capsys.readouterr().err
