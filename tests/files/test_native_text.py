from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheme_samples import changed_basis, samples, strassen

from flipsearch.errors import FormatError
from flipsearch.files.native import from_text, is_native, read_native, to_text
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme


@pytest.mark.parametrize("scheme", samples(), ids=repr)
def test_parse_print_parse_is_the_identity(scheme: Scheme) -> None:
    meta = {"found-by": "flipsearch 0.1", "seed": "12", "lifted-from": "0" * 64}
    text = to_text(scheme, meta)
    again, found = from_text(text)
    assert again == scheme
    assert again.ring is scheme.ring
    assert all((a == b).all() for a, b in zip(again.factors, scheme.factors, strict=True))
    assert found == meta
    assert to_text(again, found) == text
    assert is_native(text)


def test_what_it_looks_like() -> None:
    lines = to_text(strassen(), {"date": "2026-01-31"}).splitlines()
    assert lines[0] == "format: 2x2x2"
    assert lines[1:3] == ["ring: ZT", "rank: 7"]
    assert lines[4:6] == ["date: 2026-01-31", ""]
    assert lines[6] == "(a11 + a22) * (b11 + b22) * (c11 + c22)"
    assert lines[7] == "(a21 + a22) * (b11) * (c21 - c22)"


def test_third_factor_names_output_entries() -> None:
    text = to_text(naive_scheme(parse_format("2x1x3"), Ring.Z))
    assert "(a21) * (b13) * (c23)" in text


def test_rational_terms_carry_their_denominator_in_front() -> None:
    scheme = changed_basis(strassen(Ring.Q), 5)
    assert "1/8 * (" in to_text(scheme)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_coefficients_come_back(data: st.DataObject) -> None:
    form = parse_format(data.draw(st.sampled_from(["1x2x2", "sk:2x2x2", "12x1x1"])))
    rank = data.draw(st.integers(1, 3))
    numbers = st.integers(-(2**62) + 1, 2**62 - 1) | st.integers(-3, 3)
    factors = []
    for d in form.dimensions:
        entries = data.draw(st.lists(numbers, min_size=rank * d, max_size=rank * d))
        factors.append(np.array(entries, dtype=np.int64).reshape(rank, d))
    below = data.draw(st.lists(st.integers(1, 10**6), min_size=rank, max_size=rank))
    try:
        scheme = Scheme(form, Ring.Q, *factors, denominators=np.array(below))
        scheme.content_hash  # noqa: B018 - may not fit once normalised
    except FormatError:
        return
    again, _ = from_text(to_text(scheme))
    assert again == scheme


def test_comments_and_spacing_do_not_matter() -> None:
    text = "# a comment\n\n" + to_text(strassen()).replace(" * ", "*").replace(" + ", "+")
    assert from_text(text)[0] == strassen()
    starred = to_text(naive_scheme(parse_format("1x1x1"), Ring.Z)).replace("(a11)", "(1*a11)")
    assert from_text(starred)[0].rank == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format: 2x2x2", "format: 2x2", "unknown format"),
        ("format: 2x2x2\n", "", "no 'format' line"),
        ("ring: ZT", "ring: R", "unknown ring"),
        ("rank: 7", "rank: 6", "rank 6 but 7 products"),
        ("rank: 7", "rank: 7\nrank: 7", "twice"),
        ("a11 + a22) * (b11", "a11 - a22) * (b11", "changed, or cut short"),
        ("(a11 + a22)", "(a11 + a33)", "no entry of A in 2x2x2"),
        ("(a11 + a22)", "(a11 + b22)", "no entry of A"),
        ("(a11 + a22)", "(a11 + )", "expected a variable"),
        ("(a11 + a22)", "(a11 a22)", "line 6: expected"),
        ("(a11 + a22)", "(2 a11 + a22)", "outside ZT"),
        ("(a11 + a22)", "(1/2 a11 + a22)", "in front of a product"),
        ("(a11 + a22)", "(99999999999999999999 a11)", "20 digits"),
        ("(a11 + a22)", "(4611686018427387904 a11)", "2\\^62"),
        ("(a11 + a22) *", "1/2 * (a11 + a22) *", "no denominators"),
        ("(a11 + a22) *", "3 * (a11 + a22) *", "is 1/d"),
        ("(a11 + a22) *", "1/0 * (a11 + a22) *", "denominator is 0"),
        ("(a11 + a22)", "(__import__('os'))", "unexpected '_'"),
        ("(c11 + c22)", "(c11 + c22) * (c11)", "after the third factor"),
        ("(c11 + c22)", "(c11 + c22", "expected '\\)'"),
    ],
)
def test_refuses(old: str, new: str, message: str) -> None:
    text = to_text(strassen())
    assert old in text
    with pytest.raises(FormatError, match=message):
        from_text(text.replace(old, new, 1))


def test_refuses_an_absurd_number_of_products() -> None:
    text = "format: 1x1x1\nring: Z\n\n" + "(a11) * (b11) * (c11)\n" * 100
    with pytest.raises(FormatError, match="rank 100 is absurd"):
        from_text(text)


@pytest.mark.parametrize("meta", [{"format": "x"}, {"Found By": "x"}, {"note": "a\nb"}])
def test_refuses_to_print_what_would_not_come_back(meta: dict[str, str]) -> None:
    with pytest.raises(FormatError):
        to_text(strassen(), meta)


def test_reading_a_file_names_it(tmp_path: Path) -> None:
    path = tmp_path / "scheme.txt"
    path.write_text(to_text(strassen(), {"seed": "1"}))
    assert read_native(path) == (strassen(), {"seed": "1"})
    path.write_bytes(b"format: \xff\xfe")
    with pytest.raises(FormatError, match=r"scheme\.txt: not UTF-8"):
        read_native(path)
    path.write_text("format: 2x2x2\nring: ZT\n")
    with pytest.raises(FormatError, match=r"scheme\.txt: it has no products"):
        read_native(path)
