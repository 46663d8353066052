from __future__ import annotations

import json
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from scheme_samples import changed_basis, product, samples, strassen

from flipsearch.catalogue import intake
from flipsearch.errors import NotFoundError, on_the_command_line
from flipsearch.files import Progress, importing, read_many, read_schemes, to_bytes
from flipsearch.files.importing import _packed, _unpacked
from flipsearch.files.pieces import Piece, pieces_of
from flipsearch.files.read import read_piece
from flipsearch.formats import parse_format
from flipsearch.formats.sparse import tensor_text
from flipsearch.formats.tensors import polynomial
from flipsearch.programs import Reduction, plain_programs
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """A folder with files, a broken one, an archive with a folder, and a collection."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for number, scheme in enumerate(samples()[:20]):
        (folder / "deep" / f"{number:02}.dat").write_bytes(to_bytes(scheme, "json"))
    (folder / "broken.json").write_text('{"n": [2, 2, 2]}')
    (folder / ".hidden").write_text("not read")
    with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, scheme in enumerate(samples()[20:30]):
            archive.writestr(f"a/{number}.txt", to_bytes(scheme, "scheme"))
    many = b",".join(to_bytes(scheme, "json") for scheme in samples())
    (folder / "many.json").write_bytes(b"[" + many + b"]")
    return folder


def summary(reads: object) -> list[tuple[object, ...]]:
    return [
        (read.source, read.kind, read.reason, read.scheme, read.scheme and read.scheme.ring)
        for read in reads  # type: ignore[attr-defined]
    ]


def test_folders_archives_and_collections(collection: Path) -> None:
    seen: list[int] = []

    def progress(now: Progress) -> None:
        seen.append(now.accepted)

    reads = list(read_many([collection], workers=1, progress=progress))
    assert sum(read.scheme is not None for read in reads) == 30 + len(samples())
    rejects = [read for read in reads if read.scheme is None]
    assert [Path(read.source).name for read in rejects] == ["broken.json"]
    assert "no factors" in rejects[0].reason
    assert seen[-1] == 30 + len(samples())
    assert seen == sorted(seen)


def test_two_processes_give_the_same_in_the_same_order(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_WORTH_IT", 0)
    monkeypatch.setattr(importing, "_BATCH_PIECES", 7)
    serial = summary(read_many([collection], workers=1))
    assert summary(read_many([collection], workers=2)) == serial
    assert len(serial) == 31 + len(samples())


@pytest.mark.parametrize("workers", [1, 2])
def test_reasons_name_options_as_the_command_line_does(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_WORTH_IT", 0)
    (tmp_path / "few.txt").write_text("1 1 1 1 1 1 1")
    with on_the_command_line():
        (read,) = read_many([tmp_path], workers=workers)
    assert "add --format 1x1x1" in read.reason
    (read,) = read_many([tmp_path], workers=workers)
    assert "add format 1x1x1" in read.reason


@pytest.mark.parametrize("workers", [1, 2])
def test_a_scheme_is_proved_once_on_its_way_from_file_to_catalogue(
    collection: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_WORTH_IT", 0)
    schemes = [read.scheme for read in read_many([collection], workers=workers) if read.scheme]

    def verify(scheme: Scheme) -> None:
        raise AssertionError(f"{scheme} is proved again")

    monkeypatch.setattr(intake, "verify", verify)
    for scheme in schemes:
        assert intake.prepare(scheme).hash == scheme.content_hash
    with pytest.raises(AssertionError, match="proved again"):
        intake.prepare(naive_scheme("2x2x2", Ring.ZT))


def test_missing_paths_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        list(read_many([tmp_path / "none"], workers=1))


def test_a_large_collection_is_cut_with_flat_memory(tmp_path: Path) -> None:
    """16 MB of JSON, cut while holding a few chunks only."""
    path = tmp_path / "large.json"
    element = to_bytes(product(strassen(), strassen()), "json")
    count = 16_000_000 // len(element)
    with path.open("wb") as file:
        file.write(b"[")
        for number in range(count):
            file.write(element + (b"," if number < count - 1 else b"]"))
    tracemalloc.start()
    found = sum(1 for _ in pieces_of(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == count
    assert peak < 5_000_000


def test_rings_can_be_forced(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    path.write_bytes(to_bytes(strassen(), "txt"))
    for ring in Ring:
        (read,) = read_schemes(path, ring=ring)
        assert read.scheme is not None
        assert read.scheme.ring.characteristic == ring.characteristic
    path.write_bytes(
        to_bytes(changed_basis(product(strassen(), strassen()).over(Ring.F2), 2), "txt")
    )
    (read,) = read_schemes(path, ring=Ring.Z)
    assert "not a scheme for 4x4x4 over Z" in read.reason


@pytest.mark.parametrize("to", ["json", "txt", "scheme"])
def test_a_forced_ring_admits_no_larger_one(tmp_path: Path, to: str) -> None:
    path = tmp_path / "s"
    rational = changed_basis(strassen(Ring.Q), 5)
    assert rational.natural_ring is Ring.Q
    path.write_bytes(to_bytes(rational, to))
    for ring in (Ring.ZT, Ring.Z):
        assert next(read_schemes(path, ring=ring)).scheme is None
    assert next(read_schemes(path, ring=Ring.Q)).scheme == rational
    whole = next(s for s in samples() if s.natural_ring is Ring.Z)
    path.write_bytes(to_bytes(whole, to))
    assert next(read_schemes(path, ring=Ring.ZT)).scheme is None
    assert next(read_schemes(path, ring=Ring.Z)).scheme == whole


def test_provenance_of_our_own_files_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(to_bytes(strassen(), "json", {"seed": "12", "found-by": "a run"}))
    (read,) = read_schemes(path)
    assert read.meta == {"seed": "12", "found-by": "a run"}
    assert json.loads(path.read_text())["hash"] == strassen().content_hash


def test_tensors_come_out_and_back_and_through_processes() -> None:
    scheme = naive_scheme(polynomial(2, 3), Ring.F3)
    data = to_bytes(scheme, "json")
    read = read_piece(Piece("a.json", data))
    carried = _unpacked(pickle.loads(pickle.dumps(_packed(read))))  # as between processes
    assert carried.scheme == read.scheme == scheme
    assert carried.scheme.format == scheme.format  # type: ignore[union-attr]
    other = json.loads(data) | {"tensor": tensor_text(polynomial(3, 3))}
    for wrong in (other, {**other, "tensor": 7}, {**other, "tensor": "1 2"}):
        read = read_piece(Piece("a.json", json.dumps(wrong).encode()))
        assert read.scheme is None
        assert "tensor" in read.reason


def test_programs_come_through_processes() -> None:
    naive = naive_scheme(parse_format("2x2x2"), Ring.ZT)
    reduction = Reduction(naive, *plain_programs(naive))
    read = read_piece(Piece("a.json", to_bytes(naive, "reduced", None, reduction)))
    carried = _unpacked(pickle.loads(pickle.dumps(_packed(read))))  # as between processes
    assert carried.scheme == naive
    assert carried.reduction == reduction
