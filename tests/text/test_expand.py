"""Names of a catalogue in plain words: abbreviations written out, codes left out, capitals calmed."""

import pytest

from shopbatch.text.expand import expand, is_plural, title_case


@pytest.mark.parametrize(
    ("value", "joiner", "written"),
    [
        ("BREAD:ITALIAN/FRENCH", "or", "bread (Italian or French)"),
        ("SFT DRNK MLT-PK BTL CARB (EXCP", "and", "soft drink multi-pack bottle carbonated"),
        ("FRZN FRENCH FRIES", "and", "frozen French fries"),
        ("PLSTC CUPS", "and", "plastic cups"),
        ("CANDY OTHER", "and", "other candy"),
        ("Fine Gauge/Knits", "and", "fine gauge and knits"),
        ("", "and", ""),
    ],
)
def test_a_name_is_written_out(value, joiner, written):
    assert expand(value, joiner) == written


def test_titles_keep_their_codes():
    assert title_case("VELMORA LAMP XJ-200 -") == "Velmora Lamp XJ-200"
    assert title_case("Quiet Lamp!!") == "Quiet Lamp"


def test_plurals():
    assert [is_plural(name) for name in ("potato chips", "apples Gala", "asparagus", "glass", "bread")] == [
        True, True, False, False, False,
    ]  # fmt: skip
