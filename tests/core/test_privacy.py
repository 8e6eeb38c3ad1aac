"""Personal data goes, ordinary numbers stay, secrets of a configuration do not reach a report."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.core.privacy import HIDDEN, mask, mask_tree, redact_config, redact_text

HIDES = [
    ("write to jane.doe+shop@mail.example.co.uk!", "write to [email]!"),
    ("请联系wang_88@qq.com谢谢", "请联系[email]谢谢"),
    ("jane＠example.com", "[email]"),
    ("+86 138 1234 5678", "[phone]"),
    ("+8613812345678", "[phone]"),
    ("+1 (555) 234-5678 after six", "[phone] after six"),
    ("+44 20 7946 0958", "[phone]"),
    ("0044 20 7946 0958", "[phone]"),
    ("我的手机是13812345678,快点", "我的手机是[phone],快点"),
    ("电话：138-1234-5678。", "电话：[phone]。"),
    ("全角１３８１２３４５６７８号", "全角[phone]号"),
    ("86-13812345678", "[phone]"),
    ("(555) 234-5678", "[phone]"),
    ("555.234.5678", "[phone]"),
    ("1-555-234-5678", "[phone]"),
    ("call 1.555.234.5678 now", "call [phone] now"),
    ("1.800.555.1234", "[phone]"),
    ("0151/12345678", "[phone]"),
    ("+49 30\u201312345678", "[phone]"),
    ("4111\u20131111\u20131111\u20131111", "[card]"),
    ("4111  1111  1111  1111", "[card]"),
    ("客服400-123-4567", "客服[phone]"),
    ("010-12345678", "[phone]"),
    ("(021) 6123 4567", "[phone]"),
    ("07911 123456", "[phone]"),
    ("06.12.34.56.78", "[phone]"),
    ("Call me at 5552345678 please", "Call me at [phone] please"),
    ("tel: 234-5678", "tel: [phone]"),
    ("加我微信号 123456789", "加我微信号 [phone]"),
    ("paid with 4111 1111 1111 1111 ok", "paid with [card] ok"),
    ("4111111111111111", "[card]"),
    ("4111-1111-1111-1111.", "[card]."),
    ("378282246310005", "[card]"),
    ("3782 822463 10005", "[card]"),
    ("4222222222222", "[card]"),
    ("银联6222021234567890128卡", "银联[card]卡"),
    ("2 x 4111 1111 1111 1111", "2 x [card]"),
    ("身份证11010519491231002X", "身份证[id]"),
    ("id 110105 19491231 002x", "id [id]"),
    ("from 192.168.10.254, today", "from [ip], today"),
]

KEEPS = [
    "Size 34 36 38 40 42 44 46, bought 3 for $29.99 each, 2 returned",
    "in 2019, 2020 and 2021; 2018 2019 2020 2021",
    "on 2023-01-02 at 12:34:56, and 01/02/2023, 2.1.2023, 20230102",
    "2024-01-02T10:00:00+08:00",
    "order 1234567 of 10,000,000 units, total 1,234,567.89",
    "5'4\" 130 lbs 34-26-36, 36C, 32 x 30",
    "EAN 4006381333931, ISBN 978-3-16-148410-0",
    "order 2024010112345674",
    "4111 1111 1111 1112",  # one digit off: the check digit says that it is no card
    "6222021234567890123 is a tracking number",
    "110105194912310021 has the wrong check digit",
    "SKU13812345678 and digest a3f01381234567801234567890123456",
    "version 1.2.3, 300.400.500.600, 0.13812345678, pi 3.14159265358979",
    "iphone 12 128 256 512, phone 7 plus, call 911",
    "衣服质量很好，买了3件，花了299元，尺码165/88A，2021年5月6日收到",
    "recall 1234567 and 100% cotton, 5 stars, 24/7, @home, a@b",
    "room 101-202, aisle 12-34-56",
]


@pytest.mark.parametrize(("text", "masked"), HIDES)
def test_personal_data_is_masked_and_the_rest_stays_readable(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("text", KEEPS)
def test_ordinary_numbers_are_left_alone(text: str) -> None:
    assert mask(text) == text


numbers = st.one_of(
    st.integers(0, 99_999).map(str),
    st.integers(0, 9_999_999).map(lambda n: f"{n:,}"),
    st.decimals(0, 9_999, places=2).map(str),
    st.decimals(0, 9_999, places=2).map(lambda d: f"${d}"),
    st.integers(1900, 2099).map(str),
    st.dates().map(lambda d: d.isoformat()),
    st.dates().map(lambda d: f"{d.day:02d}/{d.month:02d}/{d.year:04d}"),
    st.dates().map(lambda d: f"{d.day}.{d.month}.{d.year}"),
    st.times().map(lambda t: t.strftime("%H:%M:%S")),
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda p: f"{p[0]}x{p[1]}"),
    st.integers(-40, 120).map(lambda n: f"{n}°"),
    st.integers(0, 100).map(lambda n: f"{n}%"),
)


@given(st.lists(numbers, max_size=12), st.sampled_from([", ", "; ", " and ", "，", " / "]))
def test_lists_of_sizes_prices_years_and_dates_are_left_alone(words: list[str], between: str) -> None:
    text = between.join(words)
    assert mask(text) == text


@given(st.lists(st.integers(0, 60).map(str), max_size=30))
def test_a_run_of_sizes_with_only_spaces_is_no_number(sizes: list[str]) -> None:
    assert mask(" ".join(sizes)) == " ".join(sizes)


@given(st.text(string.ascii_letters + string.digits + " .-+@()[]:，电话号手机", max_size=200))
@settings(max_examples=300)
def test_masking_twice_is_masking_once(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@st.composite
def card(draw: st.DrawFn) -> str:
    body = draw(st.sampled_from(["4", "51", "6222", "34"])) + draw(st.text(string.digits, min_size=11, max_size=11))
    body = body[:15]
    total = sum(int(c) if i % 2 else sum(divmod(2 * int(c), 10)) for i, c in enumerate(reversed(body)))
    digits = body + str(-total % 10)
    separator = draw(st.sampled_from(["", " ", "-"])) if len(digits) == 16 else ""
    return separator.join(digits[i : i + 4] for i in range(0, len(digits), 4))


words = st.text(string.ascii_lowercase + "好很的 ,.!", max_size=30)


@given(card(), words, words)
def test_no_card_number_survives_in_any_sentence(number: str, before: str, after: str) -> None:
    assert number not in mask(f"{before} {number} {after}")


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), words, words)
def test_no_chinese_mobile_survives_in_any_sentence(number: str, before: str, after: str) -> None:
    assert number not in mask(f"{before} {number} {after}")


@given(st.emails(domains=st.just("example.com")).filter(lambda a: a.replace("@", "").replace(".", "").isalnum()))
def test_no_plain_address_survives(address: str) -> None:
    assert "@" not in mask(f"mail {address}, thanks")


@pytest.mark.parametrize("piece", ["a", "1", "1 ", "a.-", "a@a.", "+1-", "电话", "0.0.", "phone me "])
def test_long_adversarial_text_takes_linear_time(piece: str) -> None:
    start = time.process_time()
    mask(piece * 100_000)
    assert time.process_time() - start < 5  # quadratic time would be minutes


def test_mask_tree_reaches_every_string() -> None:
    tree = {"text": "me@x.org", "rows": [("13812345678", 3)], "n": 1, "none": None}
    assert mask_tree(tree) == {"text": "[email]", "rows": [["[phone]", 3]], "n": 1, "none": None}


@pytest.mark.parametrize(
    "key",
    ["password", "hf_token", "TOKEN", "api_key", "apiKey", "aws_secret_access_key", "client-secret", "private_key"],
)
def test_values_of_secret_keys_are_hidden_at_any_depth(key: str) -> None:
    assert redact_config({"a": [{key: "s3cr3t"}]}) == {"a": [{key: HIDDEN}]}
    assert redact_config({key: {"value": "s3cr3t"}}) == {key: HIDDEN}
    assert redact_config({key: None}) == {key: None}


@pytest.mark.parametrize(
    "key", ["max_tokens", "tokens_in", "tokenizer", "token_budget", "key", "api_key_env", "monkey", "author"]
)
def test_harmless_keys_are_shown(key: str) -> None:
    assert redact_config({key: "value"}) == {key: "value"}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("s3://user:pa55word@bucket/tables", "pa55word"),
        ("abfss://c@a.example/t?sig=Zm9vYmFy&se=1", "Zm9vYmFy"),
        ("engine.api_key=sk12345", "sk12345"),
        ("Authorization: Bearer abcdefgh12345", "abcdefgh12345"),
        ("sk-abcdefghijklmnop", "sk-abcdefghijklmnop"),
    ],
)
def test_secrets_inside_ordinary_strings_are_hidden(text: str, secret: str) -> None:
    assert secret not in redact_config({"warehouse": text})["warehouse"]
    assert secret not in redact_text(f"could not open {text}")


def test_redaction_leaves_its_input_and_ordinary_strings_alone() -> None:
    tree = {"platform": {"warehouse": "s3://bucket/tables", "token": "x"}, "limit": 3}
    assert redact_config(tree)["platform"]["warehouse"] == "s3://bucket/tables"
    assert tree["platform"] == {"warehouse": "s3://bucket/tables", "token": "x"}
