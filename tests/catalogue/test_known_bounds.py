from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipsearch.catalogue.bounds import LARGEST_TABLE_BYTES, parse_table, read_table, shipped_table
from flipsearch.errors import FormatError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring

HEADER = "format,ZT,Z,Q,F2,F3,source,later\n"


def test_the_shipped_table_is_consistent() -> None:
    _, _, entries = shipped_table()
    table = {(name, ring): value for name, ring, value, _ in entries}
    general = {name for name, _ in table if ":" not in name}
    assert len(general) == 680 + 136  # all n <= m <= p up to 16
    for name in general:
        f2, f3, ternary, whole, rational = (table[name, ring] for ring in Ring)
        assert rational <= whole <= ternary <= parse_format(name).naive_rank
        assert f2 <= whole
        assert f3 <= whole
    for name, ring in table:
        if ":" in name and ring in (Ring.ZT, Ring.Z):
            smaller = {Ring.ZT: (Ring.Z, Ring.F2, Ring.F3), Ring.Z: (Ring.Q, Ring.F2, Ring.F3)}
            for over in smaller[ring]:
                assert table[name, over] <= table[name, ring], (name, over)
    assert all(source for *_, source in entries)


def test_landmarks() -> None:
    table = {(name, ring): (value, source) for name, ring, value, source in shipped_table()[2]}
    ranks = {name: [table[name, ring][0] for ring in Ring] for name in ("4x4x4", "5x5x5", "8x8x8")}
    assert ranks == {  # F2, F3, ZT, Z, Q
        "4x4x4": [47, 48, 49, 49, 48],
        "5x5x5": [93, 93, 93, 93, 93],
        "8x8x8": [329, 336, 343, 343, 336],
    }
    assert table["4x4x4", Ring.F2][1].startswith("AlphaTensor")
    assert table["13x13x13", Ring.Q] == (1379, "LITA@472a79f")
    assert table["13x13x13", Ring.Z][0] == 1426
    assert table["11x13x15", Ring.F2][0] == 1362  # a later ZT scheme holds everywhere
    assert table["12x12x15", Ring.ZT][0] == 1326
    assert table["12x12x15", Ring.Q][0] == 1280


def test_known_isomorphisms_of_structured_formats_agree() -> None:
    table = {(name, ring): value for name, ring, value, _ in shipped_table()[2]}
    for n in (3, 4, 5):
        for ring in (Ring.Z, Ring.Q):
            for first, second in (("gt", "ug"), ("ut", "uu")):
                size = f"{n}x{n}x{n}"
                assert table[f"{first}:{size}", ring] == table[f"{second}:{size}", ring]


def test_sides_are_sorted_and_gaps_allowed() -> None:
    assert parse_table(HEADER + "5x4x3,,47,,,,me,\n", "t") == [("3x4x5", Ring.Z, 47, "me")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a table"),
        ("a,b\n1,2\n", "not a table"),
        (HEADER + "4x4,1,1,1,1,1,x,\n", "line 2"),
        (HEADER + "4x4x4,many,1,1,1,1,x,\n", "line 2"),
        (HEADER + "4x4x4,0,1,1,1,1,x,\n", "positive"),
        (HEADER + "4x4x4,9999999999,1,1,1,1,x,\n", "below"),
        (HEADER + "4x4x4,1\n", "line 2"),
        (HEADER + "4x4x4,1,1,1,1,1,x,soon better\n", "cannot read"),
        ("format,n,best_rank,best_ring,best_rank_Z\nss,2,5,R,6\n", "best_ring"),
        (HEADER + "4x4x4,1,1,1,1,1,x,\n\x00", "line"),
    ],
)
def test_what_is_no_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_table(text, "t.csv")


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_an_error(text: str) -> None:
    try:
        entries = parse_table(HEADER + text, "t.csv")
    except FormatError:
        return
    assert all(value > 0 for _, _, value, _ in entries)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(FormatError, match="UTF-8"):
        read_table(path)
    with path.open("wb") as file:
        file.truncate(LARGEST_TABLE_BYTES + 1)
    with pytest.raises(FormatError, match="too large"):
        read_table(path)
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + "2x2x2,7,7,7,7,7,x,\n").encode())
    name, _, entries = read_table(path)
    assert name == "t.csv"
    assert len(entries) == 5
