"""Generated customer service: the same for a seed, varied, and never at odds with the policies or the question."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shopbatch.core.errors import UserError
from shopbatch.sample import dialogs as generator
from shopbatch.sample import fill_generated, fill_real
from shopbatch.sample.dialog_words import LANGUAGES, Case, intents, phrases, policies
from shopbatch.sample.dialogs import count, dialogs, length
from shopbatch.sample.templates import Dice, choose, fill, slots
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS
from shopbatch.warehouse.store import Store, conform

ORDER = re.compile(r"#\d{6}|SB-\d{6}|(?<!\d)\d{6}(?!\d)")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return dialogs(6_000, 3)


@pytest.fixture(scope="module")
def rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.to_pylist()


def cases() -> Iterator[tuple[str, str, Case]]:
    for language in LANGUAGES:
        for name, intent in intents(language).items():
            for case in intent.cases:
                yield language, name, case


def test_the_table_is_as_declared(table: pa.Table) -> None:
    assert conform(SUPPORT_DIALOGS, table).num_rows == 6_000
    assert len(set(table["dialog_id"].to_pylist())) == 6_000
    for column in ("intent", "language", "created_at"):
        assert table[column].null_count == 0
    users = table["user_id"].drop_null().to_pylist()
    assert 0.67 < len(users) / 6_000 < 0.73
    assert all(re.fullmatch(r"u-\d+", user) for user in users)


def test_a_row_depends_on_its_seed_and_number_alone(table: pa.Table) -> None:
    assert dialogs(300, 3).equals(table.slice(0, 300))
    assert dialogs(100, 3, first=200).equals(table.slice(200, 100))
    assert not dialogs(300, 4)["reply"].equals(table["reply"].slice(0, 300))
    assert dialogs(0, 3).num_rows == 0


def test_the_words_of_a_seed_are_known() -> None:
    """On every machine and Python. If this differs, raise `dialogs.VERSION` and note the new digest."""
    told = json.dumps(dialogs(200, 1).select(["question", "reply", "user_id"]).to_pydict(), ensure_ascii=False)
    assert hashlib.blake2b(told.encode(), digest_size=8).hexdigest() == "e959188e4c82d6df"


def test_variety(rows: list[dict[str, Any]]) -> None:
    assert len({(r["question"], r["reply"]) for r in rows}) > 0.97 * len(rows)
    assert len({r["reply"] for r in rows}) > 0.9 * len(rows)
    assert len({r["question"] for r in rows}) > 0.9 * len(rows)
    for language in LANGUAGES:
        found = Counter(r["intent"] for r in rows if r["language"] == language)
        assert sum(found.values()) == len(rows) // 2
        assert set(found) == set(intents(language))
        assert min(found.values()) > 40


def test_both_languages_have_the_same_intents() -> None:
    assert set(intents("en")) == set(intents("zh"))
    assert len(intents("en")) >= 24
    for name, intent in intents("en").items():
        other = intents("zh")[name]
        assert (intent.about, intent.goods) == (other.about, other.goods)
        assert [(c.limit, c.beyond) for c in intent.cases] == [(c.limit, c.beyond) for c in other.cases]


def test_words_are_of_their_language_and_clean(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        for text in (row["question"], row["reply"]):
            assert bool(re.search(r"[\u4e00-\u9fff]", text)) == (row["language"] == "zh"), text
            assert not re.search(r"[{}\[\]|]|  | [,.!?]|。。|，。|^\s|\s$", text), text
            assert "@" not in text
        least, most = phrases(row["language"]).span
        assert least <= length(row["language"], row["reply"]) <= most, row["reply"]


def test_every_fact_states_a_policy_and_templates_hold_no_number() -> None:
    for language, name, case in cases():
        policy = set(policies(language))
        for fact in case.fact:
            assert slots(fact) & policy, fact
        for template in (*case.fact, *case.step, *case.more):
            assert not re.search(r"\d", fill(template, dict.fromkeys(slots(template), ""))), template
            assert slots(template) <= policy | {"n"}, template
            assert "n" not in slots(template) or case.limit, template
        for question in case.ask:
            assert slots(question) <= {"item"} | ({"n"} if case.limit else set()), (name, question)
            assert ("n" in slots(question)) == bool(case.limit), question
        assert not case.limit or case.limit in policy


def test_numbers_of_a_reply_are_policies_of_its_intent_or_the_question_s(rows: list[dict[str, Any]]) -> None:
    allowed: dict[tuple[str, str], set[str]] = {}
    for language, name, case in cases():
        used = {s for t in (*case.fact, *case.step, *case.more) for s in slots(t)} - {"n"}
        allowed.setdefault((language, name), set()).update(policies(language)[s] for s in used)
    for row in rows:
        stated = set(NUMBER.findall(row["reply"]))
        mine = allowed[row["language"], row["intent"]]
        assert stated <= mine | set(NUMBER.findall(row["question"])), row
        assert stated & mine, row


def test_an_order_in_a_reply_is_that_of_the_question(rows: list[dict[str, Any]]) -> None:
    named = 0
    for row in rows:
        asked, told = ORDER.findall(row["question"]), ORDER.findall(row["reply"])
        assert len(asked) <= 1
        assert told in ([], asked), row
        named += bool(told)
    assert named > 300


@pytest.mark.parametrize(
    ("intent", "limit", "yes"),
    [
        ("return_window", "return_days", ("Yes,", "no problem", "in time", "可以退的", "来得及", "没问题")),
        ("order_cancel", "cancel_minutes", ("Yes,", "That works", "in time", "可以取消，", "没问题", "来得及")),
        ("warranty", "warranty_months", ("Yes,", "covered:", "在保的", "可以保修", "免费维修", "可以免费修")),
        ("price_match", "match_days", ("Yes:", "That works", "in time", "可以退差价", "没问题", "来得及")),
        ("shipping_cost", "free_over", ("below", "pays", "还不到", "运费是", "要加运费")),
    ],
)
def test_what_a_question_states_decides_the_answer(
    rows: list[dict[str, Any]], intent: str, limit: str, yes: tuple[str, ...]
) -> None:
    unit = re.compile(r"(?:\$(\d+)|(\d+)(?: days| minutes| months|天|分钟|个月|元))", re.IGNORECASE)
    sides = Counter[bool]()
    for row in (r for r in rows if r["intent"] == intent):
        stated = unit.search(row["question"])
        if stated is None:
            continue
        n, most = int(stated[1] or stated[2]), int(policies(row["language"])[limit])
        within = n <= most
        reply = row["reply"].replace("yes", "Yes").replace("that works", "That works")
        assert any(word in reply for word in yes) == within, row
        assert str(n) in NUMBER.findall(reply)
        sides[within] += 1
    assert min(sides[True], sides[False]) > 10


def test_how_many() -> None:
    assert [count(None), count(3_000), count(10**6)] == [6_000, 3_000, 6_000]


def test_a_generated_shop_has_dialogs(store: Store) -> None:
    report = fill_generated(store, 40, 7)
    lines = report.lines(notes=True)
    place = next(i for i, line in enumerate(lines) if line.split()[:3] == ["support_dialogs", "40", "rows"])
    assert "the generator (seed 7) [Apache-2.0]" in lines[place + 1]
    assert store.snapshot("support_dialogs").read().equals(dialogs(40, 7))
    assert not fill_generated(store, 40, 7).written


def test_a_changed_generator_fills_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_generated(store, 40, 7)
    monkeypatch.setattr(generator, "VERSION", generator.VERSION + 1)
    assert fill_generated(store, 40, 7).written


def test_the_real_sample_has_dialogs(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    try:
        report = fill_real(store, 200)
    except UserError as error:
        if "could not fetch" in str(error):
            pytest.skip(str(error))
        raise
    assert {t.table: t.rows for t in report.tables}["support_dialogs"] == 200
    assert store.snapshot("support_dialogs").rows == 200
    assert not fill_real(store, 200).written


def test_templates() -> None:
    dice = Dice(0, "x", 1)
    seen = {choose(dice, ["[a|b] {n}", "c{unknown}"], {"n": "1"}) for _ in range(50)}
    assert seen == {"a {n}", "b {n}"}
    assert choose(dice, ["{unknown}"], {}) == choose(dice, [], {}) == ""
    assert fill("so  {n} days , are  {n}:00 ", {"n": "2"}) == "so 2 days, are 2:00"
    assert {dice.between(3, 5) for _ in range(50)} == {3, 4, 5}
    assert [Dice(0, "x", 1).below(1000) for _ in range(2)] == [Dice(0, "x", 1).below(1000)] * 2
