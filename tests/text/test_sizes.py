"""Package sizes as a person would write them, and the units that texts and catalogues share."""

import pytest

from shopbatch.text.sizes import size_phrases
from shopbatch.text.units import units


def test_packs_are_no_fraction():
    assert size_phrases("4/187 ML").shown == ("4/187 ml",)
    assert size_phrases("4/187 ML").amounts == ()
    assert size_phrases("3/4 OZ").amounts == ("3/4 ounce",)


@pytest.mark.parametrize(
    ("value", "shown", "sized"),
    [
        ("24 OZ", ("24 oz", "24 ounces"), ("24 oz", "24-ounce")),
        ("12 CT", ("12-count", "12 count", "a pack of 12", "12 pieces"), ("12-count", "12-count")),
        ("PT", ("a pint", "pint"), ("pint",)),
        ("X-LARGE", ("extra large",), ("extra large",)),
        ("EU 38", ("EU 38",), ("EU 38",)),
        ("16 OZ/24 CT", ("16 oz, 24-count", "16 ounces / 24 pieces"), ()),
    ],
)
def test_ways_to_write_a_size(value, shown, sized):
    assert size_phrases(value).shown == shown
    assert size_phrases(value).sized == sized


def test_a_unit_that_a_catalogue_labels_can_be_written_out_and_recognised():
    for label, unit in units().by_label.items():
        assert unit.short and all(unit.long), label
        if unit.factors:
            assert all(name in units().factors for name in (word.replace(" ", "") for word in unit.long)), label
