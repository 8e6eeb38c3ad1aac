"""Columns matched by name or by --map; errors about missing or ambiguous columns name what is there."""

import pytest

from shopbatch.core.errors import UserError
from shopbatch.load.match import match
from shopbatch.load.options import Options, parse_dates, parse_decimal, parse_encoding, parse_mapping, parse_names
from shopbatch.tables import table

REVIEWS, TRANSACTIONS = table("reviews"), table("transactions")


def test_case_spaces_and_separators_do_not_count() -> None:
    matched = match(REVIEWS, ["Review ID", "TEXT", "created-at", "Product_Id", "Stars"], Options())
    assert matched.columns == {
        "review_id": "Review ID",
        "product_id": "Product_Id",
        "text": "TEXT",
        "created_at": "created-at",
    }
    assert matched.ignored == ("Stars",)
    assert not matched.makes_key


def test_a_mapping_wins_over_names() -> None:
    matched = match(REVIEWS, ["text", "Review Text"], Options({"text": "Review Text", "title": "text"}))
    assert (matched.columns["text"], matched.columns["title"]) == ("Review Text", "text")


def test_reviews_without_ids_get_them_and_transactions_do_not() -> None:
    assert match(REVIEWS, ["text"], Options()).makes_key
    with pytest.raises(
        UserError, match=r"table 'transactions' needs the column\(s\) product_id; the file has: basket_id"
    ):
        match(TRANSACTIONS, ["basket_id", "quantity"], Options())


def test_what_is_missing_is_named_with_what_is_near() -> None:
    with pytest.raises(UserError, match=r'needs the column\(s\) text; .*did you mean --map text="Review Text"\?'):
        match(REVIEWS, ["Extra", "Review Text"], Options())
    with pytest.raises(UserError, match=r"the file has: a, b$"):
        match(REVIEWS, ["a", "b"], Options())


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"txt": "body"}, "has no such column; did you mean 'text'"),
        ({"text": "boddy"}, "the file has no such column; did you mean 'body'"),
        ({"text": "zzz"}, r"the file has no such column \(it has: body, n\)"),
    ],
)
def test_a_mapping_of_what_is_not_there(mapping: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        match(REVIEWS, ["body", "n"], Options(mapping))


def test_two_columns_for_one_are_not_chosen_between() -> None:
    with pytest.raises(UserError, match="'Text', 'te xt' could all be 'text'"):
        match(REVIEWS, ["te xt", "Text"], Options())
    assert match(REVIEWS, ["text", "Text"], Options()).columns == {"text": "text"}  # spelled the same: no doubt
    with pytest.raises(UserError, match="the file has 2 columns 'text'"):
        match(REVIEWS, ["text", "text"], Options())


def test_what_other_shops_call_a_column_is_proposed_and_taken_if_asked() -> None:
    proposed = match(REVIEWS, ["Comment", "text"], Options())
    assert "Comment" in proposed.ignored
    with pytest.raises(UserError, match=r"--map text=\"review_body\"\? \(--map auto takes these\)"):
        match(REVIEWS, ["review_body", "n"], Options())
    mapping, auto = parse_mapping(["auto", "title="])
    taken = match(REVIEWS, ["review_body", "title"], Options(mapping, auto))
    assert taken.columns == {"text": "review_body"}


def test_a_column_can_be_left_out_and_attributes_be_added() -> None:
    products = table("products")
    mapping, _ = parse_mapping(["title=", "attributes.fit=Cut", "attributes.fabric=Cloth"])
    matched = match(products, ["product_id", "title", "Cut", "Cloth"], Options(mapping))
    assert matched.columns == {"product_id": "product_id", "attributes.fit": "Cut", "attributes.fabric": "Cloth"}
    assert matched.ignored == ("title",)
    with pytest.raises(UserError, match="has no such column"):
        match(REVIEWS, ["text", "Cut"], Options({"attributes.fit": "Cut"}))


def test_mistakes_in_options() -> None:
    with pytest.raises(UserError, match="expected COLUMN="):
        parse_mapping(["text"])
    for text in ("ymd", "%d.%m", "epoch"):
        with pytest.raises(UserError, match="expected dmy, mdy, epoch_s"):
            parse_dates([text])
    assert parse_dates(["dmy", "a=%d.%m.%Y"]) == {"": "dmy", "a": "%d.%m.%Y"}
    assert (parse_decimal("comma"), parse_decimal("."), parse_encoding("GBK")) == (",", ".", "gbk")
    for wrong in (lambda: parse_decimal(";"), lambda: parse_encoding("klingon"), lambda: parse_names("a,,b")):
        with pytest.raises(UserError, match=r"expected|no such encoding"):
            wrong()


def test_a_preset_spells_columns_as_the_file_does() -> None:
    names = ["URL handle", "Title", "Vendor", "Option1 name", "Option1 value", "Price"]
    preset = match(table("products"), names, Options()).preset
    assert preset is not None
    assert (preset.pairs, preset.carry) == ((("Option1 name", "Option1 value"),), ("Option1 name",))
