"""Harmful texts are found with their place, in disguise too; what only looks like one is not; no text takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shopbatch.core.privacy import find_personal
from shopbatch.text.moderation.find import Finding, find, masked
from shopbatch.text.moderation.generated import is_harmful
from shopbatch.text.moderation.lexicon import expand


def kinds(text: str) -> set[str]:
    return {finding.kind for finding in find(text)}


@pytest.mark.parametrize(
    "text",
    [
        "f u c k", "f.u.c.k", "fu-ck", "fu ck", "f**k", "sh1t", "$hit", "fuuuuck", "ｆｕｃｋ", "𝓯𝓾𝓬𝓴",
        "fu\u200bck", "fцсk", "🅵🆄🅲🅺",
        "f\u0336u\u0336c\u0336k\u0336", "ꜰᴜᴄᴋ", "傻 逼", "傻*逼", "傻🐶逼",
        "煞笔", "傻b", "他媽的", "操你🐎", "cao你妈", "卧 槽",
    ],
)  # fmt: skip
def test_a_disguise_is_undone_and_the_place_is_that_of_the_original(text: str) -> None:
    whole = f"Well,\n{text}\nsaid I"
    found = [finding for finding in find(whole) if finding.kind == "profanity"]
    assert [whole[f.start : f.end] for f in found] == [text]
    assert masked(whole, found) == "Well,\n[profanity]\nsaid I"


@pytest.mark.parametrize(
    ("kind", "harmful", "harmless"),
    [
        ("threat", "I will kill you", "This will kill germs, not you"),
        ("threat", "老子弄死你", "打死我也不买"),
        ("insult", "The seller is an idiot", "I felt like an idiot, the zipper is stupid"),
        ("insult", "客服就是个废物", "东西就是个废物利用"),
        ("slander", "All Muslims are terrorists", "All Muslims are welcome, the Indian spices are hot"),
        ("slander", "河南人都是骗子", "河南人觉得味道很正宗，骗子店铺"),
        ("contact", "call me at 555-234-5678", "order number 555-234-5678"),
        ("contact", "加薇信 abcd8866", "微信支付了8866元，订单号13800000000"),
        ("contact", "扣扣：一二三四五六七八", "QQ弹弹的，一二三四五六七八都数完了"),
        ("contact", "joe (at) gmail dot com", "look at the dot on the box"),
        ("advert", "Earn $500 a day from home, no experience needed", "Worn at home every day, no experience"),
        ("advert", "兼职刷单，日赚三百", "兼职的时候穿，怀疑评论是刷单"),
        ("profanity", "What a shitty lid", "Scunthorpe has shiitake, cock glass and pussy willows"),
        ("profanity", "妈的，又坏了", "妈妈的生日，操作简单，做体操，日用品"),
    ],
)  # fmt: skip
def test_the_context_decides(kind: str, harmful: str, harmless: str) -> None:
    assert kind in kinds(harmful)
    assert not kinds(harmless)


def test_places_lie_in_the_text_and_are_the_same_each_time() -> None:
    text = "ﬁne ½ 傻 逼卖家! ＣＡＬＬ me: 🅵🆄🅲🅺 5 5 5 - 2 3 4 - 5 6 7 8 \U0001f44d\U0001f3fb"
    found = find(text)
    assert found == find(text) and {f.kind for f in found} >= {"insult", "profanity", "contact"}
    assert [text[f.start : f.end] for f in found if f.kind == "insult"] == ["傻 逼卖家"]


ODD = "fuck你sh1t傻 逼.@/5\u200b\u0336＋🐎v信ａ(女马\n"


@given(st.text(st.sampled_from(ODD) | st.characters(), max_size=60))
@example("ﷺﬃ㍿fuck")
def test_any_text_has_findings_within_it(text: str) -> None:
    found = find(text)
    assert all(0 <= f.start < f.end <= len(text) and f.kind != "unfit" for f in found)
    assert found == sorted(found, key=lambda f: (f.start, -f.end, f.kind, f.rule))
    assert masked(text, []) == text


@given(st.text(st.sampled_from("abc 你好,.123"), max_size=20), st.sampled_from(["f u c k", "傻*逼", "sh1t"]))
def test_what_stands_around_does_not_hide_a_word(around: str, word: str) -> None:
    text = f"{around}\n\n{word}\n\n{around}"
    spans = [(f.start, f.end) for f in find(text) if f.kind == "profanity"]
    assert (len(around) + 2, len(around) + 2 + len(word)) in spans


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "a", "fuck", "f ", "f.u.c.k ", "kill you ", "you ", "1", "1 ", "@a.", "a@b.com ", "www.", "http://",
        "操作", "操", "加微信", "你 ",
        "傻*", "我要", "一", "13800138000 ", "$", "*", "aa", "ab-",
        "\u200b", "🐎", "ﷺ", "“", "call me 5 5 5 5 ", "i will ", "women are ",
    ],
)  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    find(text)
    assert time.process_time() - began < 8  # linear: the slowest takes about 2 s on an idle core


def test_masking_hides_each_place_once() -> None:
    found = [Finding(0, 4, "insult", "x"), Finding(2, 6, "profanity", "x"), Finding(8, 9, "contact", "x")]
    assert masked("abcdefghij", found) == "[insult]gh[contact]j"


def test_personal_data_is_found_where_it_stands() -> None:
    text = "mail a.b@c.de or call 555-234-5678"
    assert [(label, text[a:b]) for label, a, b in find_personal(text)] == [
        ("[email]", "a.b@c.de"),
        ("[phone]", "555-234-5678"),
    ]


@pytest.mark.parametrize(
    "text", ["A fucking good thing", "傻逼都说好", "s h i t happens", "For naked people", "kill yourself"]
)
def test_a_shop_says_no_such_thing(text: str) -> None:
    assert is_harmful(text, ())


def test_a_shop_may_say_what_it_sells() -> None:
    assert not is_harmful("Extra virgin olive oil, order now: 50% off, call us", (), "Extra Virgin Olive Oil")
    assert is_harmful("Extra virgin olive oil", ()) and not is_harmful("Extra virgin olive oil", ("virgin",))
    assert not is_harmful("This cock glass from Scunthorpe is simple, 操作简单的日用品", ())


def test_a_pattern_is_a_list_of_texts() -> None:
    assert expand("f(u|oo)l[a-c]?x") == ["fulax", "fulbx", "fulcx", "fulx", "foolax", "foolbx", "foolcx", "foolx"]
    assert expand("a(b|c(d|)e)?") == ["ab", "acde", "ace", "a"] and expand("\\$5") == ["$5"]
    for wrong in ("a(b", "a)b"):
        with pytest.raises(ValueError, match="no pattern"):
            expand(wrong)
