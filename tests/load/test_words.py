"""words.yaml: it fits the tables, no word means two things, and words are found however they are written."""

from collections.abc import Callable, Iterable, Mapping

import pytest

from shopbatch.load import words
from shopbatch.load.words import normal_name, normal_value
from shopbatch.tables import TABLES

WORDS = words.words()
TABLES_NAMED = list(WORDS.columns)


def repeated(lists: Mapping[str, Iterable[str]], normal: Callable[[str], str]) -> list[str]:
    """The words that stand in two lists, or twice in one, or are the name of a list."""
    every = [normal(word) for name, listed in lists.items() for word in (name, *listed)]
    return sorted({word for word in every if every.count(word) > 1})


def test_a_total_of_an_order_comes_after_the_names_of_a_lines_amount() -> None:
    names = [name for name, column in words.column_synonyms("transactions").items() if column == "sales_value"]
    assert [name in words.totals() for name in names] == sorted(name in words.totals() for name in names)
    assert words.totals() <= {*names}


def test_no_word_means_two_things() -> None:
    for column, lists in WORDS.values.items():
        assert not repeated(lists, normal_value), column
    assert not repeated(WORDS.booleans, normal_value)
    assert not repeated({"": WORDS.product_codes}, normal_name)
    assert not repeated(WORDS.languages, normal_value)
    symbols = [*WORDS.currencies.codes, *WORDS.currencies.symbols]
    assert len({symbol.casefold() for symbol in symbols}) == len(symbols)


def test_values_are_those_that_their_column_allows() -> None:
    for place, lists in WORDS.values.items():
        table, column = place.split(".")
        allowed = next(c.one_of for c in TABLES[table].columns if c.name == column)
        assert set(lists) == set(allowed), place


@pytest.mark.parametrize("table", TABLES_NAMED)
def test_synonyms_name_columns_that_exist_and_only_one_each(table: str) -> None:
    lists = WORDS.columns[table]
    assert set(lists) <= set(TABLES[table].names)
    others = {name: () for name in TABLES[table].names if name not in lists}
    assert not repeated({**lists, **others}, normal_name)


@pytest.mark.parametrize(
    ("table", "column", "word", "value"),
    [
        ("products", "availability", "In Stock", "in_stock"),
        ("products", "availability", "1", "in_stock"),
        ("products", "availability", "OUT-OF-STOCK", "out_of_stock"),
        ("products", "availability", "有货", "in_stock"),
        ("products", "availability", " Auf Lager ", "in_stock"),
        ("products", "availability", "backorder", "backorder"),
        ("transactions", "order_status", "partially_refunded", "paid"),
        ("transactions", "order_status", "wc-completed", "paid"),
        ("transactions", "order_status", "Canceled", "cancelled"),
        ("transactions", "order_status", "pending_payment", "cancelled"),
        ("transactions", "order_status", "refunded", "refunded"),
        ("transactions", "order_status", "closed", None),
        ("events", "event_type", "pv", "view"),
        ("events", "event_type", "add_to_cart", "cart"),
        ("events", "event_type", "buy", None),
        ("events", "event_type", "fav", None),
        ("events", "event_type", "purchase", None),
        ("reviews", "label", "差评", "negative"),
        ("reviews", "label", "POS", "positive"),
        ("reviews", "label", "1", None),
        ("reviews", "text", "good", None),
    ],
)
def test_words_for_values(table: str, column: str, word: str, value: str | None) -> None:
    assert words.values(table, column).get(normal_value(word)) == value


def test_words_for_yes_and_no() -> None:
    known = words.booleans()
    for yes in ("Yes", "TRUE", "y", "1", "T", "subscribed", "ja", "Oui", "sí", "是"):
        assert known[normal_value(yes)] is True, yes
    for no in ("No", "FALSE", "n", "0", "F", "not_subscribed", "nein", "non", "否", "pending"):
        assert known[normal_value(no)] is False, no
    assert "maybe" not in known


def test_languages_by_name_code_and_locale() -> None:
    named = {
        "English": "en", "en_US.UTF-8": "en", "Deutsch": "de", "DE": "de", "deu": "de", "français": "fr",
        "chinese": "zh", "zh-CN": "zh", "zh_Hans_CN": "zh", "中文": "zh", "pt-BR": "pt", "Norwegian": "no",
    }  # fmt: skip
    for word, code in named.items():
        assert words.language(word) == code, word
    for word in ("", "xx", "xx-YY", "it works", "unknown"):
        assert words.language(word) is None, word
    assert all(len(code) == 2 for code in WORDS.languages) and len(WORDS.languages) == 183


def test_words_for_null_by_the_kind_of_column() -> None:
    for kind in ("text", "words"):
        assert {"NULL", r"\N", "nan", "#N/A", "<NA>", "-", ""} <= words.null_words(kind)
    assert not {"None", "none", "NA", "NAN", "Null", "no", "0"} & words.null_words("text")
    assert "此用户未填写评价内容" in words.null_words("text")
    assert {"None", "NA"} <= words.null_words("words", "products.brand")
    assert "NA" not in words.null_words("words", "users.market")
    assert {"none", "n/a", "#div/0!"} <= words.null_words("numbers") < words.null_words("moments")
    assert {"0000-00-00 00:00:00", "never"} <= words.null_words("moments") - words.null_words("numbers")
    assert "0" not in words.null_words("numbers")
    for place in WORDS.null_words.kept:
        table, column = place.split(".")
        assert column in TABLES[table].names
    every = [*WORDS.null_words.text, *WORDS.null_words.words]
    assert len(set(every)) == len(every) and all(word == word.strip() for word in every)


def test_no_value_is_also_a_word_for_null() -> None:
    for place in WORDS.values:
        known = words.values(*place.split("."))
        assert not known.keys() & {normal_value(word) for word in words.null_words("words", place)} - {""}
    assert not words.booleans().keys() & words.null_words("numbers")
    assert not words.languages().keys() & {normal_value(word) for word in words.null_words("words")} - {"na"}  # Nauru


def test_currencies_and_their_decimals() -> None:
    known = words.currencies()
    assert (known["€"], known["r$"], known["eur"], known["zł"], known["人民币"]) == ("EUR", "BRL", "EUR", "PLN", "CNY")
    for shared in ("$", "¥", "kr", "元"):
        assert known[shared] is None, shared
    codes = set(WORDS.currencies.codes)
    assert {code for code in known.values() if code} == codes
    assert {*WORDS.currencies.decimals, *WORDS.currencies.whole_in_shops} <= codes
    wanted = {"EUR": 2, "JPY": 0, "KRW": 0, "IDR": 0, "KWD": 3, "TND": 3, None: 2}
    assert {code: words.decimals(code) for code in wanted} == wanted


@pytest.mark.parametrize(
    ("table", "name", "column"),
    [
        ("reviews", "Review Text", "text"),
        ("reviews", "Stars", "rating"),
        ("reviews", "评论内容", "text"),
        ("transactions", "Order Number", "basket_id"),
        ("transactions", "InvoiceNo", "basket_id"),
        ("transactions", "Bestellnummer", "basket_id"),
        ("transactions", "order_item_id", "line_number"),
        ("transactions", "Total", "sales_value"),
        ("products", "Nom", "title"),
        ("users", "Accepts Marketing", "email_consent"),
        ("events", "behavior_type", "event_type"),
        ("support_dialogs", "Answer", "reply"),
        ("reviews", "verified_purchase", None),
    ],
)
def test_names_that_other_shops_give_to_columns(table: str, name: str, column: str | None) -> None:
    assert words.column_synonyms(table).get(normal_name(name)) == column
