"""Lengths: SMS against the specification's figures, columns against another library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from shopbatch.text.lengths import columns, cut_to_columns, graphemes, has_emoji, sms, to_gsm, without_emoji


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("€" * 153, "GSM-7", 306, 3),  # 76 fit in a part, since none may be divided
        ("中" * 70, "UCS-2", 70, 1),
        ("中" * 71, "UCS-2", 71, 2),
        ("中" * 134, "UCS-2", 134, 2),
        ("中" * 135, "UCS-2", 135, 3),
        ("😀" * 35, "UCS-2", 70, 1),
        ("😀" * 67, "UCS-2", 134, 3),  # 33 fit in a part
        ("ç", "UCS-2", 1, 1),  # only the capital is in the alphabet
        ("Ç", "GSM-7", 1, 1),
    ],
)
def test_an_sms_is_measured_as_the_specification_says(text: str, encoding: str, units: int, parts: int) -> None:
    assert sms(text) == (encoding, units, parts)


@given(st.text(st.sampled_from("abcé ü中文（）。，，ｱ$€")))
def test_columns_are_those_of_a_terminal(text: str) -> None:
    assert columns(text) == cell_len(text)
    assert columns(cut_to_columns(text, 7)) <= 7 and text.startswith(cut_to_columns(text, 7))


def test_readers_count_a_family_as_one_and_see_two_columns() -> None:
    family = "👨‍👩‍👧"
    assert (graphemes(family), columns(family), graphemes("e\u0301"), columns("e\u0301")) == (1, 2, 1, 1)
    assert has_emoji(f"a{family}") and not has_emoji("Acme™ ©") and without_emoji(f"Mug {family} red") == "Mug red"


def test_typography_does_not_double_an_sms() -> None:
    assert to_gsm("Crème “château” – it’s 20 × 30") == 'Crème "chateau" - it\'s 20 x 30'
    assert to_gsm("欢迎“光临”") == "欢迎“光临”"
