"""Columns matched by name or by --map; errors about missing or ambiguous columns name what is there."""

import pytest

from shopbatch.core.errors import UserError
from shopbatch.load.match import match
from shopbatch.tables import table

REVIEWS, TRANSACTIONS = table("reviews"), table("transactions")


def test_case_spaces_and_separators_do_not_count() -> None:
    matched = match(REVIEWS, ["Review ID", "TEXT", "created-at", "Product_Id", "Stars"], {})
    assert matched.columns == {
        "review_id": "Review ID",
        "product_id": "Product_Id",
        "text": "TEXT",
        "created_at": "created-at",
    }
    assert matched.ignored == ("Stars",)
    assert not matched.makes_key


def test_a_mapping_wins_over_names() -> None:
    matched = match(REVIEWS, ["text", "Review Text"], {"text": "Review Text", "title": "text"})
    assert (matched.columns["text"], matched.columns["title"]) == ("Review Text", "text")


def test_reviews_without_ids_get_them_and_transactions_do_not() -> None:
    assert match(REVIEWS, ["text"], {}).makes_key
    with pytest.raises(
        UserError, match=r"table 'transactions' needs the column\(s\) product_id; the file has: basket_id"
    ):
        match(TRANSACTIONS, ["basket_id", "quantity"], {})


def test_what_is_missing_is_named_with_what_is_near() -> None:
    with pytest.raises(UserError, match=r'needs the column\(s\) text; .*did you mean --map text="Review Text"\?'):
        match(REVIEWS, ["Extra", "Review Text"], {})
    with pytest.raises(UserError, match=r"the file has: a, b$"):
        match(REVIEWS, ["a", "b"], {})


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
        match(REVIEWS, ["body", "n"], mapping)


def test_two_columns_for_one_are_not_chosen_between() -> None:
    with pytest.raises(UserError, match="'Text', 'te xt' could all be 'text'"):
        match(REVIEWS, ["te xt", "Text"], {})
    assert match(REVIEWS, ["text", "Text"], {}).columns == {"text": "text"}  # spelled the same: no doubt
    with pytest.raises(UserError, match="the file has 2 columns 'text'"):
        match(REVIEWS, ["text", "text"], {})
