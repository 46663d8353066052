"""Hostile input: the only outcome is a rejection with a reason, in bounded time and memory."""

from __future__ import annotations

import ast
import gzip
import io
import json
import pickle
import re
import resource
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scheme_samples import strassen

import flipsearch.files
from flipsearch.errors import FormatError
from flipsearch.files import (
    Read,
    claims,
    limits,
    pickled,
    pieces,
    read_piece,
    read_schemes,
    stream,
    to_bytes,
    unpack,
)
from flipsearch.files.limits import LARGEST_COLLECTION, LARGEST_PIECE
from flipsearch.files.pieces import Piece, pieces_in
from flipsearch.files.stream import json_objects
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.verify import is_valid

GOOD = to_bytes(strassen(), "json")


def read_bytes(data: bytes, name: str = "file") -> list[Read]:
    return [read_piece(piece) for piece in pieces_in(name, io.BytesIO(data))]


def rejected(data: bytes) -> str:
    (read,) = read_bytes(data)
    assert read.scheme is None
    assert read.reason
    assert "\n" not in read.reason
    return read.reason


class Trap:
    """Unpickling it would leave a mark."""

    sprung = False

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return exec, ("import flipsearch.files as f; f.SPRUNG = True",)


def _npy(kind: bytes, shape: bytes, body: bytes) -> bytes:
    text = b"{'descr': '" + kind + b"', 'fortran_order': False, 'shape': (" + shape + b"), }"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def payloads() -> Iterator[bytes]:
    array = np.empty(3, dtype=object)
    array[:] = [Trap(), 1, Trap()]
    for protocol in range(6):
        yield pickle.dumps(Trap(), protocol)
        yield pickle.dumps([Trap()], protocol)
        yield pickle.dumps(array, protocol)
        yield pickle.dumps({"u": Trap()}, protocol)
    for module, name, argument in (
        ("os", "system", "touch /tmp/flipsearch-trap"),
        ("builtins", "eval", "1"),
        ("posix", "system", "true"),
        ("subprocess", "Popen", "true"),
        ("numpy", "load", "x"),
        ("numpy.core.multiarray", "fromfile", "/etc/passwd"),
        ("flipsearch.files", "write_scheme", "x"),
    ):
        text = argument.encode()
        call = b"X" + struct.pack("<I", len(text)) + text + b"\x85R."
        yield f"c{module}\n{name}\n".encode() + call
        short = b"\x8c" + bytes([len(module)]) + module.encode()
        short += b"\x8c" + bytes([len(name)]) + name.encode()
        yield b"\x80\x04" + short + b"\x93" + call
        yield f"(S'{argument}'\ni{module}\n{name}\n.".encode()
        yield b"(" + short + b"o."
    yield b"cnumpy\nndarray\n)\x81."
    yield b"\x82\x01."
    yield b"Pevil\n."
    yield b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8K\x01K\x01t\x81."


def test_no_pickle_payload_runs() -> None:
    count = 0
    for payload in payloads():
        reason = rejected(_npy(b"|O", b"3,", payload))
        assert "pickled" in reason
        with pytest.raises(FormatError):
            pickled.read_object_array(payload)
        rejected(payload)
        count += 1
    assert count >= 50
    assert not hasattr(flipsearch.files, "SPRUNG")


def test_no_module_evaluates_or_unpickles() -> None:
    """No eval, exec, compile, pickle, allow_pickle or shell in the package that reads files."""
    banned = {"eval", "exec", "compile", "__import__", "literal_eval"}
    for path in Path(flipsearch.files.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in banned, path
            if isinstance(node, ast.keyword):
                assert node.arg != "allow_pickle", path
            if isinstance(node, ast.Import):
                assert not {a.name for a in node.names} & {"pickle", "marshal", "shelve"}, path
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ("pickle", "marshal", "shelve", "subprocess"), path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": [2, 2, 10**9]}, "size huge is out of range"),
        ({"n": [2, 2, 0]}, "out of range"),
        ({"n": [2, 2, True]}, "not three integers"),
        ({"n": [2, 2]}, "not three integers"),
        ({"format": "2x2x999"}, "out of range"),
        ({"format": ["2x2x2"]}, "not three integers"),
        ({"ring": {"a": 1}}, "unknown ring"),
        ({"m": 10**30}, "which has 10{30} rows"),
        ({"m": "7"}, "no integer"),
        ({"u": [[0, 0, 0]] * 7}, "no factors of 2x2x2, which has 7 rows of 4, 4 and 4 entries"),
        ({"u": [[0, 0, 0, 2**70]] * 7}, "64 bits"),
        ({"u": [[0, 0, 0, 2**62]] * 7}, "2\\^62"),
        ({"u": [[0, 0, 0, "1" * 10000]] * 7}, "no integer and no fraction"),
        ({"u": [[0, 0, 0, "1/0"]] * 7}, "divides by 0"),
        ({"u": [[0, 0, 0, 0.12345678]] * 7}, "U.0, 3.: .* not exact"),
        ({"u": [[0, 0, 0, None]] * 7}, "NoneType"),
        ({"u": [[0, 0, 0, [1]]] * 7}, "list instead of a number"),
        ({"u": {"0": 1}}, "not a list of rows"),
        ({"u": [[1, 0, 0, 0]] * 100}, "matrices of 100x4 and 7x4 and 7x4 are no factors"),
        ({"m": None, "u": [[1, 0, 0, 0]] * 8}, "matrices of 8x4 and 7x4"),
        ({"m": None} | {x: [[1, 0, 0, 0]] * 100 for x in "uvw"}, "rank 100 is absurd"),
        ({"u": [], "v": [], "w": [], "m": 0}, "no products|not a list of rows"),
        ({"u_fresh": [[{"index": 0, "value": 1}]] * 10**5}, "absurdly long"),
        ({"u_fresh": 1}, "no list"),
        ({"u_sparse": {"99999999999": {"i": [1], "c": [1]}}}, "out of range"),
        ({"u_sparse": {"0": {"i": [1], "c": [1, 2]}}}, "two lengths"),
        ({"u_sparse": {"0": {"i": [4], "c": [1]}}}, "row 0 or an index in it is out of range"),
        ({"hash": {"x": 1}, "provenance": [1], "u": 3}, "not a list"),
    ],
)
def test_hostile_json(change: dict[str, Any], message: str) -> None:
    reason = rejected(json.dumps(json.loads(GOOD) | change).encode())
    assert re.search(message, reason), reason


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"  \n ", "empty"),
        (b"\x00" * 100, "neither UTF-8"),
        (b"hello", "no scheme format"),
        ("{{{{1}}".encode("utf-16"), "neither UTF-8"),
        (b"\xff\xfe" + "{}".encode("utf-16-le"), "neither UTF-8"),
        (GOOD.replace(b"[1, 0", b"[NaN, 0", 1), "NaN"),
        (GOOD.replace(b'"m": 7', b'"m": -Infinity'), "Infinity"),
        (GOOD.replace(b"[1, 0, 0, 1]", b"[1, 0, 0, 1e400]", 1), "not finite"),
        (GOOD[:-3], "ends within an object"),
        (GOOD + b"}", "braces do not match"),
        (b'{"a": "' + b"x" * 1000, "ends within"),
        (b"[" * 100_000, "nest too deeply"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "too deeply"),
        (b'{"n": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "too deeply"),
        (b"{" * 200_000, "too deeply"),
        (b"{{{{" + b"1," * 500_000, "do not close"),
        (b"{" + b'"a":1' * 3 + b"}", "no JSON"),
        (b"2 2 2 7\n1 1", "needs 84 coefficients"),
        (b"2 2 2 1000000000\n1 1", "absurd"),
        (b"2 2 2 7\n1 1 x", "no integer"),
        (b"2 2 2 7\n1 1 9999999999999999999999999", "no integer"),
        (b"999999999\n2 2 2 7\n", "the most in one file is 100000"),
        (b"99999\n2 2 2 7\n", "ends before the last"),
        (b"2 2 2 7" + b" 0" * 1000, "left over"),
        (b"(a11)*(b11)*(c11)" * 2, "after the third factor"),
        (b"(a11)*(b11)*(c99)", "no output"),
        (b"(a99)*(b11)*(c11)", "not a scheme|no output|absurd"),
        (b"(a11)*(a11)*(c11)", "no entry of b"),
        (b"(a11)*(b11)*(c11)\n" * 100, "absurd"),
        (b"(a11" + b"+a12" * 40_000 + b")*(b11)*(c11)", "not a scheme"),
        (b"(a11" + b"+a12" * 400_000 + b")*(b11)*(c11)", "characters is no product"),
        (
            b"(" + b"+".join(b"1/%d a11" % (10**17 + k) for k in range(5000)) + b")*(b11)*(c11)",
            "2\\^62 or more",
        ),
        (b"m1 = (a1)(b1)\nc1 = m2", "none of m1 to m1"),
        (b"m1 = (a1)(b1025)\nc1 = m1", "none of b1 to b1024"),
        (b"Tensor:=TriadSet([" + b"Triad([" * 1000, "too deeply"),
        (
            b"T:=TriadSet(["
            + b"Triad([Matrix(1,1,[[1]]),Matrix(1,1,[[1]]),Matrix(1,1,[[1]])])" * 33_000
            + b"])",
            "rank 33000 is absurd",
        ),
        (b"PK\x03\x04" + b"x" * 100, "zip directory is broken"),
        (b"\x1f\x8b\x08" + b"x" * 100, "broken"),
        (b"BZh9" + b"x" * 100, "broken"),
        (b"\xfd7zXZ\x00" + b"x" * 100, "broken"),
        (gzip.compress(GOOD, mtime=0)[:-10], "broken"),
        (_npy(b"<i8", b"9999999999,", b""), "shape"),
        (_npy(b"<i8", b"999999999, 999999999,", b""), "not as long"),
        (_npy(b"<U8", b"1,", b"x" * 32), "no flat array of integers"),
        (_npy(b"<f8", b"1, 4,", struct.pack("<4d", *[np.nan] * 4)), "no flat array of integers"),
        (_npy(b"<i8", b"1, 4,", struct.pack("<4q", 1, 0, 1, 0)), "denominator is 0"),
        (_npy(b"<i8", b"1, 2,", struct.pack("<2q", 1, 1)), "fits no format"),
        (_npy(b"<i8", b"3, 4, 7,", b"\x7f" * 672), "2\\^62"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 70_000, "header"),
    ],
)
def test_hostile_bytes(data: bytes, message: str) -> None:
    (*_, read) = read_bytes(data)
    assert read.scheme is None
    assert re.search(message, read.reason), read.reason


def test_billion_laughs_in_a_pickle() -> None:
    """Lists that refer to lists: nothing is ever expanded."""
    body = b"\x80\x02]q\x00" + b"".join(
        b"](" + b"h" + bytes([k]) + b"h" + bytes([k]) + b"eq" + bytes([k + 1]) for k in range(200)
    )
    assert "pickled" in rejected(_npy(b"|O", b"3,", body + b"."))


def test_decompression_bombs() -> None:
    zeros = b" " * (LARGEST_PIECE + (1 << 20))
    assert "larger than 32 MiB" in rejected(gzip.compress(zeros, 1))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("big.json", zeros)
        archive.writestr("good.json", GOOD)
    reads = read_bytes(packed.getvalue())
    assert "larger than 32 MiB" in reads[0].reason
    assert reads[1].scheme == strassen()
    assert "larger than 32 MiB" in rejected(gzip.compress(gzip.compress(zeros)))


def test_bombs_are_told_by_their_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "LARGEST_PIECE", 1000)
    monkeypatch.setattr(unpack, "LARGEST_RATIO", 4)
    assert "bomb" in rejected(gzip.compress(b"[" + b" " * 50_000 + b"]"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}.json", b" " * 900)
    reads = read_bytes(packed.getvalue())
    assert len(reads) < 20
    assert "bomb" in reads[-1].reason


def test_a_proof_in_long_integers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    naive = naive_scheme(parse_format("2x2x2"), Ring.Z)
    u, v, w = (np.concatenate([m, np.full((2, 4), 2**18 + 1)]) for m in naive.factors)
    w[-1] *= -1
    large = Scheme(naive.format, Ring.Z, u, v, w)
    files = [to_bytes(large, to) for to in ("json", "scheme", "exp")]
    assert [read.scheme for data in files for read in read_bytes(data)] == [large] * 3
    monkeypatch.setattr(claims, "_MOST_LONG_PRODUCTS", 100)
    for data in files:
        assert "too large to be verified in time" in rejected(data)
    assert [read.scheme for read in read_bytes(GOOD)] == [strassen()]


def test_refused_members_of_a_zip_leave_the_others_alone() -> None:
    """Bzip2 members above all: zipfile unpacks them in steps without bound."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_BZIP2) as archive:
        for number in range(9):
            archive.writestr(f"{number}.json", GOOD)
        archive.writestr("good.json", GOOD, zipfile.ZIP_DEFLATED)
    *refused, last = read_bytes(packed.getvalue())
    assert [read.reason for read in refused] == ["its compression method 12 is not supported"] * 9
    assert last.scheme == strassen()


def test_a_collection_may_be_cut_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    text = rb'[{"a": "\\", "b": "}{\"", "c": {"d": "\\\"{"}}, {"e": "]"}]'
    whole = list(json_objects(io.BufferedReader(io.BytesIO(text))))  # type: ignore[type-var]
    assert [json.loads(piece) for piece in whole] == json.loads(text)
    for cut in range(1, len(text)):
        monkeypatch.setattr(stream, "_CHUNK", cut)
        assert list(json_objects(io.BufferedReader(io.BytesIO(text)))) == whole  # type: ignore[type-var]


def test_a_zip_that_lies_about_its_sizes() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b" " * (LARGEST_PIECE + 1))
    data = bytearray(packed.getvalue())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    (read,) = read_bytes(bytes(data))
    assert read.scheme is None


def test_nested_archives_end(tmp_path: Path) -> None:
    data = GOOD
    for _ in range(6):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("x", data)
        data = packed.getvalue()
    assert "nest too deeply" in rejected(data)


def test_names_in_archives_are_never_paths(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in ("../../evil.json", "/etc/x.json", "n" * 200 + ".json", "é\x1b[2J.json"):
            info = tarfile.TarInfo(name)
            info.size = len(GOOD)
            archive.addfile(info, io.BytesIO(GOOD))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    reads = list(read_schemes(path))
    assert [read.scheme for read in reads] == [strassen()] * 4
    assert all(read.source.isprintable() for read in reads)
    assert sorted(tmp_path.iterdir()) == [path]


def test_broken_tar_files() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("x" * 150)
        info.size = len(GOOD)
        archive.addfile(info, io.BytesIO(GOOD))
    data = packed.getvalue()
    assert read_bytes(data)[0].scheme == strassen()
    (*_, last) = read_bytes(data[: len(data) - 10240 + 2000])
    assert last.scheme is None or last.scheme == strassen()
    (*_, last) = read_bytes(data[:1700])
    assert "cut short" in last.reason


def test_mutated_files_give_nothing_but_a_verdict() -> None:
    """20,000 mutations of every file format: bytes flipped, cut, repeated, numbers swapped."""
    bases = _bases()
    generator = np.random.default_rng(20_000)
    accepted = reasons = 0
    for number in range(20_000):
        data = _mutated(bases[number % len(bases)], generator)
        for read in read_bytes(data):
            if read.scheme is None:
                reasons += 1
                assert read.reason
            else:
                accepted += 1
                assert number % 20 or is_valid(read.scheme)
    assert reasons > 10_000
    assert accepted > 500
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert peak < 2048


def _bases() -> list[bytes]:
    schemes = [strassen(), strassen(Ring.F2), naive_scheme(parse_format("1x2x2"), Ring.Z)]
    bases = [
        to_bytes(scheme, to)
        for scheme in schemes
        for to in ("json", "txt", "npz", "exp", "m", "mpl", "scheme", "sms", "slp")
    ]
    bases.append(to_bytes(schemes[0], "npy"))
    bases.append(b"[" + to_bytes(schemes[2], "json") + b"," + to_bytes(schemes[2], "json") + b"]")
    bases.append(b"2\n" + to_bytes(schemes[2], "txt") * 2)
    bases.append(b"m1 = (a2 - a1)(b1)\nm2 = (a1)(b1)\n\nc1 = m1 + m2\n")
    bases.append(gzip.compress(to_bytes(schemes[2], "txt")))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("x.txt")
        content = to_bytes(schemes[2], "txt")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    bases.append(packed.getvalue()[:2048])
    return bases


def _mutated(data: bytes, generator: np.random.Generator) -> bytes:
    out = bytearray(data)
    for _ in range(int(generator.integers(1, 4))):
        at = int(generator.integers(len(out))) if out else 0
        kind = int(generator.integers(7))
        if kind == 0 and out:
            out[at] = int(generator.integers(256))
        elif kind == 1 and out:
            out[at] ^= 1 << int(generator.integers(8))
        elif kind == 2:
            del out[at : at + int(generator.integers(1, 40))]
        elif kind == 3:
            out[at:at] = out[at : at + int(generator.integers(1, 40))]
        elif kind == 4:
            digits = [k for k, byte in enumerate(out) if 48 <= byte < 58]
            if digits:
                out[int(generator.choice(digits))] = 48 + int(generator.integers(10))
        elif kind == 5:
            junk = [b"9" * 30, b"[", b"{", b"-", b'"', b"1/0", b"NaN", b"\xff", b"e9", b"\\"]
            out[at:at] = junk[int(generator.integers(len(junk)))]
        else:
            out[at:] = b""
    return bytes(out)


def test_pieces_carry_their_errors() -> None:
    read = read_piece(Piece("x", b"", "no permission"))
    assert read.reason == "no permission"


def test_absurd_programs_are_refused_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipsearch.files.reduced.LARGEST_PROGRAM", 50)
    row = [{"index": k % 4, "value": 1} for k in range(60)]
    change = {"u_fresh": [row], "u": [row] * 7, "v": [row] * 7, "w": [row] * 4}
    reason = rejected(json.dumps(json.loads(GOOD) | change).encode())
    assert "absurdly many additions" in reason
    doubled = [[{"index": 3 + k if k else 0, "value": 2**40}] for k in range(3)]
    reason = rejected(json.dumps(json.loads(GOOD) | {"u_fresh": doubled}).encode())
    assert "2^62" in reason


DEEP = "h1 = " + "+".join(f"c{k}" for k in range(1, 200)) + "\n"
SLOW = {
    "equations": DEEP + "".join(f"h{k} = " + f"h{k - 1}+" * 9 + "c1\n" for k in range(2, 99)),
    "a bracket": "(" + "+".join(["a11"] * 9000) + ")*(b11)*(c11)\n",
    "lists": "{" + ",".join(f"{{{{{{1*{k}}}}},{{{{1}}}},{{{{1}}}}}}" for k in range(99)) + "}",
    "programs": "".join(
        f"# part {part}\n" + "".join(f"t{k}:=i0+i{k};\n" for k in range(1, 999)) for part in "LRP"
    ),
    "readings": json.dumps({"U": [[1] * 16] * 40, "V": [[1] * 16] * 40, "W": [[1] * 16] * 40}),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_piece_takes_bounded_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1 << 30))
    monkeypatch.setattr(limits, "PIECE_SECONDS", 20.0)
    monkeypatch.setattr(limits.time, "monotonic", lambda: next(clock))
    if name == "readings":
        monkeypatch.setattr(limits, "PIECE_SECONDS", 1.0)
    reason = read_piece(Piece("slow", SLOW[name].encode())).reason
    assert "reading it takes more than" in reason


def test_a_million_empty_objects_and_a_text_of_ones_end(tmp_path: Path) -> None:
    objects = tmp_path / "objects.json.gz"
    objects.write_bytes(gzip.compress(b"{}\n" * 1_000_000))
    *reads, last = read_schemes(objects)
    assert len(reads) == LARGEST_COLLECTION - 1
    assert {read.reason for read in reads} == {"it has no factors 'u', 'v', 'w'"}
    assert "more than 100000 objects" in last.reason
    assert "are left over" in rejected(b"1 " * (17 << 19))
    assert "follows the 1 schemes" in read_bytes(b"1\n" * (17 << 19))[-1].reason


def test_the_pieces_of_one_path_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LARGEST_PIECES", 5)
    for number in range(3):
        (tmp_path / f"{number}.json").write_bytes(b"{}" * 4)
    *reads, last = read_schemes(tmp_path)
    assert len(reads) == 5
    assert "more than 5 pieces: import parts of it" in last.reason
    assert len(list(read_schemes(tmp_path / "0.json"))) == 4


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says how much it takes")
def test_the_largest_json_takes_less_than_512_mib(tmp_path: Path) -> None:
    row = b"[" + b",".join([b"-1"] * 256) + b"],"
    whole = b'{"n":[16,16,16],"u":[' + row * (LARGEST_PIECE // len(row) - 1) + row[:-1] + b"]}"
    texts = b'{"u":[[' + b'"1/2",' * 1_500_000 + b'"1"]],"v":[[1]],"w":[[1]]}'
    objects = b'{"u":[' + b'{"a":1},' * 999_000 + b"{}]}"
    for number, data in enumerate((whole, texts, objects)):
        (tmp_path / f"{number}.json").write_bytes(data)
    program = (
        "import sys; from flipsearch.files import read_schemes\n"
        "assert not any(read.scheme for read in read_schemes(sys.argv[1]))\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, check=True, text=True
    )
    assert int(ran.stdout.split()[1]) / 1024 < 512
