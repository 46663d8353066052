"""Whatever is changed behind the program's back is noticed, and repaired by nobody."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from catalogue_schemes import strassen, variant

from flipsearch.catalogue import Catalogue
from flipsearch.catalogue.codec import pack_scheme
from flipsearch.catalogue.columns import measured
from flipsearch.errors import CatalogueError
from flipsearch.files.native import to_text
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "c.sqlite"
    with Catalogue.open(path) as catalogue:
        catalogue.schemes.add_many(
            [strassen(), strassen(Ring.F2), *(variant(k) for k in range(6))]
        )
    return path


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE schemes SET rank = 6 WHERE id = 1",
        "UPDATE schemes SET rank = 1000000000 WHERE id = 1",
        "UPDATE schemes SET format = '2x4x1' WHERE id = 1",
        "UPDATE schemes SET format = 'nonsense' WHERE id = 1",
        "UPDATE schemes SET ring = 'F2' WHERE id = 1",
        "UPDATE schemes SET hash = replace(hash, substr(hash, 1, 1), 'e') WHERE id = 1",
        "UPDATE factors SET data = (SELECT data FROM factors WHERE scheme_id = 3) "
        "WHERE scheme_id = 1",
        "UPDATE factors SET data = x'' WHERE scheme_id = 1",
        "UPDATE factors SET data = substr(data, 1, 10) WHERE scheme_id = 1",
        "DELETE FROM factors WHERE scheme_id = 1",
        "UPDATE schemes SET additions = additions - 1 WHERE id = 1",
        "UPDATE schemes SET nonzeros = 0 WHERE id = 1",
        "UPDATE schemes SET growth = 1.0 WHERE id = 1",
        "UPDATE schemes SET omega = 2.0, gamma = NULL WHERE id = 1",
        "UPDATE schemes SET gamma = 0.5 WHERE id = 1",
        "UPDATE schemes SET denominator = 2 WHERE id = 1",
        "UPDATE schemes SET greatest_denominator = 2 WHERE id = 1",
        "UPDATE schemes SET ring = 'Z' WHERE id = 1",
        "UPDATE schemes SET tabulated = '1x1x1' WHERE id = 1",
    ],
)
def test_any_changed_column_is_found(path: Path, change: str) -> None:
    with sqlite3.connect(path) as connection:
        assert connection.execute(change).rowcount == 1
    connection.close()
    before = path.read_bytes()
    with Catalogue.open(path) as catalogue:
        result = catalogue.audit(workers=1)
    assert result.checked == 8
    assert len(result.damaged) == 1
    assert len(result.sound) == 7
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", sorted(measured(strassen())))
def test_every_measured_column_is_audited(path: Path, name: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE schemes SET {name} = 12345 WHERE id = 1")
    connection.close()
    with Catalogue.open(path) as catalogue:
        result = catalogue.audit(workers=1)
    assert (len(result.damaged), len(result.sound)) == (1, 7)


def test_a_wrong_scheme_under_its_own_hash_is_found(path: Path) -> None:
    u, v, w = strassen().factors
    wrong = Scheme(strassen().format, Ring.Z, u, v, 2 * w).canonical
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schemes SET hash=?, ring='Z' WHERE id=1", (wrong.content_hash,))
        connection.execute("UPDATE factors SET data=? WHERE scheme_id=1", (pack_scheme(wrong),))
    connection.close()
    with Catalogue.open(path) as catalogue:
        ((name, reason),) = catalogue.audit(workers=1).damaged
    assert name == wrong.content_hash
    assert "not a scheme for 2x2x2" in reason


def test_a_damaged_row_never_gives_a_scheme(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE factors SET data = zeroblob(20) WHERE scheme_id = 1")
    connection.close()
    with Catalogue.open(path) as catalogue:
        with pytest.raises(CatalogueError, match=r"damaged.*doctor"):
            _ = catalogue.schemes.get(1).scheme
        assert catalogue.schemes.get(2).scheme == strassen(Ring.F2)


def test_flipped_bytes_never_give_a_wrong_scheme(path: Path, tmp_path: Path) -> None:
    generator, clean = random.Random(5), path.read_bytes()
    hashes = {strassen().content_hash, strassen(Ring.F2).content_hash}
    hashes |= {variant(k).content_hash for k in range(6)}
    other = tmp_path / "flipped.sqlite"
    noticed = 0
    for _ in range(60):
        raw = bytearray(clean)
        for _ in range(200):
            raw[generator.randrange(len(raw))] ^= 1 << generator.randrange(8)
        other.write_bytes(raw)
        try:
            with Catalogue.open(other, read_only=True) as catalogue:
                for record in catalogue.schemes.records():
                    try:
                        scheme = record.scheme
                    except CatalogueError:
                        noticed += 1
                        continue
                    assert scheme.content_hash == record.hash
                    assert record.hash in hashes
                    verify(scheme)
        except CatalogueError:
            noticed += 1
    assert noticed > 0


def test_an_audit_on_several_processes(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    with Catalogue.open(path) as catalogue:
        catalogue.schemes.add_many([variant(k) for k in range(300)])
        with catalogue.database.writing() as connection:
            connection.exec_driver_sql("UPDATE schemes SET rank = 9 WHERE id IN (7, 250)")
        seen: list[int] = []
        result = catalogue.audit(workers=2, progress=lambda done, _: seen.append(done))
        assert result.checked == 300
        assert {name for name, _ in result.damaged} == {
            catalogue.schemes.get(7).hash,
            catalogue.schemes.get(250).hash,
        }
        assert len(result.sound) == 298
        assert seen == sorted(seen)
        assert seen[-1] == 300


def test_an_audit_and_an_import_need_no_main_guard(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    with Catalogue.open(path) as catalogue:
        catalogue.schemes.add_many([variant(k) for k in range(260)])
    script = tmp_path / "script.py"
    script.write_text(
        "from flipsearch.catalogue import Catalogue\n"
        "from flipsearch.files import importing, read_many\n"
        "print('once')\n"
        f"with Catalogue.open({str(path)!r}, read_only=True) as catalogue:\n"
        "    print(len(catalogue.audit(workers=2).sound))\n"
        "importing._WORTH_IT = -1\n"
        f"print(sum(read.scheme is not None for read in read_many([{str(tmp_path / 's.txt')!r}],"
        " workers=2)))\n",
        "utf-8",
    )
    (tmp_path / "s.txt").write_text(to_text(strassen()), "utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.returncode) == (["once", "260", "1"], 0), done.stderr


def test_an_audit_uses_the_cores_it_may_use(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(function: object, items: object, workers: int, task: str) -> None:
        asked.append(workers)
        raise RuntimeError

    monkeypatch.setattr("flipsearch.catalogue.audit._FEW", 1)
    monkeypatch.setattr("flipsearch.catalogue.audit.available_cores", lambda: 3)
    monkeypatch.setattr("flipsearch.catalogue.audit.computed", refuse)
    with Catalogue.open(path) as catalogue, pytest.raises(RuntimeError):
        catalogue.audit()
    assert asked == [3]
