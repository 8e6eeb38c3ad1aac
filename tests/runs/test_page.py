"""The page shows the report, works without any part of it, and never executes what a customer wrote."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.runs.page import render
from shopbatch.runs.report import Figure, Report, Rows, Stage
from shopbatch.runs.summary import summary
from shopbatch.warehouse.gates import Gate

MALICIOUS = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"
    "${1237*1237}{{1237*1237}}</style></svg>]]>--><svg onload=alert(3)>"
)
FORBIDDEN = {"script", "img", "iframe", "object", "embed", "link", "base", "form", "image", "foreignobject"}


class Page(HTMLParser):
    """What a browser would make of the page: its text, its tags, its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def block(labels: list[str]) -> dict[str, Any]:
    """A language's quality, as the model's manifest has it."""
    bins = [(i + 0.5) / 15 for i in range(15)]
    return {
        "accuracy": {"value": 0.931, "low": 0.92, "high": 0.942},
        "recall_negative": {"value": 0.742, "low": 0.7, "high": 0.78},
        "ece": {"value": 0.0134, "low": 0.009, "high": 0.017},
        "calibration": {"confidence": bins, "accuracy": [*bins[:14], None], "count": [*range(14), 0]},
        "confusion": {"labels": labels, "matrix": [[1234 + i + 3 * j for j in range(3)] for i in range(3)]},
        "baselines": {"vader": {"accuracy": {"value": 0.889, "low": 0.87, "high": 0.9}}, "always_positive": {}},
    }


@pytest.fixture
def report() -> Report:
    report = Report("score_reviews", "run-1", config={"engine": {"kind": "fake", "batch": 32}})
    report.rows = Rows(
        read=23486, distinct=22000, reused=21000, computed=1000, rejected=845, pending=0, published=22641
    )
    report.rejects = {"empty": 845}
    report.tables = {"reviews": {"read": 3}, "review_sentiment": {"written": 5}}
    report.models, report.recipe = {"sentiment": "sha256:abc"}, "9b1f"
    report.stages = {"compute": Stage(187.0, 1000)}
    report.gates = [Gate("label_drift", 0.034, 0.1, True, "moved little"), Gate("keys_unique", 2, 0, False)]
    report.gates.append(Gate("en: drift", 0.01, 0.1, True))
    labels = ["negative", "neutral", "positive"]
    report.metrics = {
        "mix": {"en": dict.fromkeys(labels, 7), "zh": {"negative": 3, "positive": 9}},
        "quality": {"en": block(labels), "zh": block(labels)},
    }
    report.samples = [{"review_id": "r1", "label": "positive", "text": "质量很好, call 13812345678", "p": 0.0000003}]
    report.figures = [
        Figure("bars", "Per department", {"groups": ["Tops"], "series": {"reviews": [12]}}, "a caption"),
        Figure("calibration", "A curve", block(labels)["calibration"]),
        Figure("confusion", "A matrix", block(labels)["confusion"]),
        Figure("table", "A table", {"columns": ["product"], "rows": [["A-1"]]}),
        Figure("histograms", "Shapes", {"panels": {"sales_90d": {"low": -3.5, "high": 1250.4, "counts": [3, 0, 9]}}}),
        Figure(
            "intervals", "Ranges", {"panels": {"a window": {"a rival": [0.2, 0.1, 0.3], "our list": [0.3, 0.2, 0.4]}}}
        ),
        Figure("curves", "Rises", {"series": {"our curve": [[1, 10], [0.2, 1]]}, "labels": ["how many", "how much"]}),
    ]
    report.finish("published", 0)
    return report


def test_the_page_shows_the_run(report: Report) -> None:
    page = Page(render(report.to_dict()))
    for words in (
        "score reviews",
        "22,641 of 23,486 rows have a result; 1,000 were computed by this run and 21,000 taken from earlier ones.",
        "23,486 read = 22,641 published + 845 rejected + 0 pending adds up",
        "A result beyond it is not published. (moved little) passed 0.034 0.1",
        "drift The result must not differ much from the one before.",
        "refused 2 0",
        "negative neutral positive English · 21 33 % 33 % 33 % Chinese · 12 25 % 75 %",
        "this model 93.1 % 92.0 – 94.2 74.2 % 70.0 – 78.0 0.013 0.009 – 0.017",
        "vader 88.9 % 87.0 – 90.0",
        "model, ECE 0.013",
        "compute 3 min 07 s 5.3",
        "empty There is no text, or none with a word in it. 845",
        "Per department",
        "sales_90d -3.5 1,250",
        "a rival our list",
        "how much our curve",
        "positive review id r1 text 质量很好, call [phone] p 0 ",
        "table read reviews version 3",
        "engine.kind fake",
    ):
        assert words in page.text
    assert page.tags.count("svg") == 2 + 2 + 5  # calibration and confusion of two languages, five figures
    order = [
        page.text.index(title) for title in ("Labels per language", "Examples", "Why rows", "Quality of", "Checks")
    ]
    assert order == sorted(order)


def test_labels_keep_their_order_and_languages_come_by_rows(report: Report) -> None:
    labels = {"positive": 1, "negative": 2, "neutral": 3}
    report.metrics = {"mix": {"en": labels, "zh": {"positive": 40}}}
    text = Page(render(report.to_dict())).text
    assert "negative neutral positive Chinese · 40 100 % English · 6 33 % 50 % 17 %" in text


def test_a_report_names_what_it_counts(report: Report) -> None:
    report.unit = "users"
    text = Page(render(report.to_dict())).text
    assert "22,641 of 23,486 users have a result" in text and "What became of the users" in text
    report.rows = Rows(read=700, published=12)
    text = Page(render(report.to_dict())).text
    assert "rows read 700 users published 12" in text and "have a result" not in text


@pytest.mark.parametrize(
    ("outcome", "says"), [("running", "still going on"), ("lost", "without saying how"), ("failed", "The run failed")]
)
def test_a_run_without_a_result_shows_its_log_and_the_command_that_goes_on(outcome: str, says: str) -> None:
    log = [f"line {i}" for i in range(99)] + ["mail jane@example.com", "token=abcdef", 7]
    tree = {"job": "score_reviews", "outcome": outcome, "message": "ValueError: bad", "log_tail": log}
    tree["diagnosis"] = ["compute: no progress for 41 s: the disk of <b>/data is full"]
    assert "41 s: the disk of &lt;b&gt;/data is full" in render(tree)
    text = Page(render({**tree, "command": "shopbatch run score_reviews <x>"})).text
    assert says in text and "ValueError: bad" in text and "shopbatch run score_reviews <x>" in text
    assert "mail [email] token=[hidden]" in text and "line 98" in text and "line 5 " not in text


@pytest.mark.parametrize("name", ["https://example.com/a.html", "../a.html", "javascript:a.b", ".hidden", "a", None, 3])
def test_links_lead_to_files_beside_the_report_only(name: Any) -> None:
    html = render({"links": {"good": "merchant.html", "bad": name}})
    assert [v for k, v in Page(html).attributes if k == "href"] == ["merchant.html"]


def test_rows_that_do_not_add_up_are_shown_as_such(report: Report) -> None:
    report.rows.rejected = 840
    assert "does not add up: off by 5" in Page(render(report.to_dict())).text


@pytest.mark.slow
def test_a_refused_run_does_not_claim_to_have_published(report: Report) -> None:
    for use in report.tables.values():
        use.pop("written", None)
    report.finish("refused", 3, "gate label_drift refused")
    text = Page(render(report.to_dict())).text
    assert "nothing was published" in text and "gate label_drift refused" in text
    assert "22,641 held back" in text and "22,641 published" not in text


def test_a_run_of_which_one_list_was_refused_says_that_the_other_is_published(report: Report) -> None:
    report.tables["recommendations"] = {"read": 3, "written": 4}
    report.finish("refused", 3, "discover: gate refused")
    text = Page(render(report.to_dict())).text
    assert "A check refused a part of the result" in text and "recommendations version 4" in text
    assert "nothing was published" not in text and "22,641 published or held back" in text
    lines = "\n".join(summary(report.to_dict(), "folder"))
    assert "recommendations version 4" in lines and "published or held back" in lines


@pytest.mark.parametrize(("outcome", "code"), [("refused", 3), ("failed", 2), ("stopped", 4)])
def test_a_command_that_would_end_in_the_same_way_is_not_called_the_way_on(
    report: Report, outcome: Literal["refused", "failed", "stopped"], code: int
) -> None:
    refused = Gate("share", 0.5, 0.1, False, "half of it is wrong; it matters; load other rows")
    report.gates, report.command = [refused] if code == 3 else [], "shopbatch run toy"
    report.finish(outcome, code, "why")
    text = Page(render(report.to_dict())).text
    printed = summary(report.to_dict(), "folder")[-1].split(maxsplit=1)[1]
    first = {3: "change what the refusing gate names", 2: "put right what the message names"}.get(code)
    assert ("This command continues from here" in text) == (first is None)
    assert printed == (f"{first}, then: shopbatch run toy" if first else "shopbatch run toy")
    assert first is None or f"So first {first}" in text
    assert ("load other rows" in text[text.index("How to go on") :].split("Checks")[0]) == (code == 3)


def assert_inert(html: str) -> None:
    """No tag, attribute or address in the page acts or fetches."""
    page = Page(html)
    assert not FORBIDDEN & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "srcset", "action")]
    links = [value for name, value in page.attributes if name.endswith("href")]
    assert all(link is not None and link.startswith("#") for link in links)
    assert not re.search(r"@import|url\((?!#)", html)


def test_malicious_text_is_inert_everywhere(report: Report) -> None:
    report.env = report.message = report.recipe = MALICIOUS
    report.samples = [{MALICIOUS: MALICIOUS}, {"n": [MALICIOUS]}]
    report.rejects, report.models, report.tables = {MALICIOUS: 3}, {MALICIOUS: MALICIOUS}, {MALICIOUS: {MALICIOUS: 1}}
    report.stages, report.gates = {MALICIOUS: Stage(1.0, 1)}, [Gate(MALICIOUS, MALICIOUS, MALICIOUS, True, MALICIOUS)]
    report.config = {MALICIOUS: {MALICIOUS: [MALICIOUS]}}
    quality = block([MALICIOUS, "$\\frac{$", "\x00\x1b\n"])
    quality["baselines"] = {MALICIOUS: {"accuracy": 0.5}}
    report.metrics = {"mix": {MALICIOUS: {MALICIOUS: 3, "b": 1}}, "quality": {MALICIOUS: quality}}
    report.figures = [
        Figure("bars", MALICIOUS, {"groups": [MALICIOUS], "series": {MALICIOUS: [3]}}, MALICIOUS),
        Figure("table", MALICIOUS, {"columns": [MALICIOUS], "rows": [[MALICIOUS]]}, MALICIOUS),
        Figure("histograms", MALICIOUS, {"panels": {MALICIOUS: {"low": 0, "high": 1, "counts": [1]}}}, MALICIOUS),
        Figure("intervals", MALICIOUS, {"panels": {MALICIOUS: {MALICIOUS: [0.2, 0.1, 0.3]}}}, MALICIOUS),
        Figure("curves", MALICIOUS, {"series": {MALICIOUS: [[1], [1]]}, "labels": [MALICIOUS] * 2}, MALICIOUS),
    ]
    html = render(report.to_dict())
    assert_inert(html)
    page = Page(html)
    assert page.tags.count("svg") == 5
    assert "<script>alert(1)</script>" in page.text  # readable, as text
    assert "{{1237*1237}}" in page.text and "1530169" not in page.text


def test_nothing_is_fetched_and_scripts_are_forbidden(report: Report) -> None:
    html = render(report.to_dict())
    assert_inert(html)
    assert "default-src 'none'" in html


def paths(tree: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of the tree and of the trees in it, as the path to it."""
    for key, value in tree.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


def assert_every_part_may_be_missing(whole: dict[str, Any]) -> None:
    for path in paths(whole):
        for gone in (True, False):
            tree = copy.deepcopy(whole)
            at = tree
            for key in path[:-1]:
                at = at[key]
            if gone:
                del at[path[-1]]
            else:
                at[path[-1]] = None
            assert "</html>" in render(tree), path


@pytest.mark.slow
def test_every_single_part_may_be_missing_or_null(report: Report) -> None:
    whole = report.to_dict()
    assert_every_part_may_be_missing({**whole, "figures": [], "metrics": {}})
    drawn = {key: whole["metrics"]["quality"]["en"].pop(key) for key in ("calibration", "confusion")}
    del whole["metrics"]["quality"]["zh"]  # as good as English, and drawing takes its time
    assert_every_part_may_be_missing({"metrics": whole["metrics"]})
    assert_every_part_may_be_missing({"metrics": {"quality": {"en": {**drawn, "ece": {"value": 0.1}}}}})
    assert "</html>" in render({})


PANEL = {"low": 0, "high": 1, "counts": [1, 2]}


@pytest.mark.parametrize(
    "panels",
    [None, [], {}, [PANEL], {"a": None}, {"a": PANEL, "b": {}}]
    + [{"a": {**PANEL, "counts": counts}} for counts in (None, [], 3, ["x"], [1, None], [[1]], [1, -1], [10**400])]
    + [{"a": {**PANEL, "low": low}} for low in (None, "0", 1, 2, -(10**400))],
)
def test_histograms_of_wrong_numbers_are_left_out(panels: Any) -> None:
    figure = {"kind": "histograms", "title": "Shapes", "data": {"panels": panels}}
    assert "Shapes" not in Page(render({"figures": [figure]})).text


@pytest.mark.parametrize(
    ("kind", "data"),
    [("intervals", {"panels": panels}) for panels in (None, {}, {"a": {}}, {"a": {"b": [1, 2]}}, {"a": {"b": None}})]
    + [("curves", {"series": series, "labels": ["x", "y"]}) for series in ({}, {"a": [[0], [1]]}, {"a": [[1], [1, 2]]})]
    + [("curves", {"series": {"a": [[1], [1]]}, "labels": []})]
    + [
        ("lines", {"series": series, "labels": ["x", "y"]})
        for series in (None, {}, {"a": [[], []]}, {"a": [[1], [1, 2]]})
    ],
)
def test_charts_of_wrong_numbers_are_left_out(kind: str, data: Any) -> None:
    assert "Shapes" not in Page(render({"figures": [{"kind": kind, "title": "Shapes", "data": data}]})).text


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (
            "lines",
            {"series": {"control": [[-1, 1], [2, 3]], "email": [[-1, 1], [2, -4.5]]}, "labels": ["weeks", "sales"]},
        ),
        ("intervals", {"panels": {"mail": {"difference": [-1.0, -2.0, 0.5], "cuped": [0.5, 0.1, 0.9]}}}),
    ],
)
def test_numbers_below_zero_are_drawn(kind: str, data: Any) -> None:
    page = render({"figures": [{"kind": kind, "title": "Shapes", "data": data}]})
    assert 'aria-label="Shapes"' in page and "\N{MINUS SIGN}" in page


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text(max_size=8), t, max_size=3),
    max_leaves=8,
)
KEYS = sorted(Report("job").to_dict())


def test_languages_without_a_measured_quality_are_named() -> None:
    report = Report("score_reviews")
    labels = ["negative", "neutral", "positive"]
    report.metrics = {
        "mix": {x: dict.fromkeys(labels, 7) for x in ("de", "en", "fr")},
        "quality": {"en": block(labels)},
    }
    assert "Not measured for German, French:" in Page(render(report.to_dict())).text
    report.metrics["mix"] = {"en": dict.fromkeys(labels, 7)}
    assert "Not measured" not in Page(render(report.to_dict())).text


@given(st.dictionaries(st.sampled_from(KEYS), junk), st.dictionaries(st.sampled_from(["mix", "quality"]), junk))
@settings(max_examples=60, deadline=None)
def test_a_report_of_the_wrong_shape_still_makes_a_page(tree: dict[str, Any], metrics: dict[str, Any]) -> None:
    assert "</html>" in render({**tree, "metrics": metrics})


def test_the_same_report_makes_the_same_page(report: Report) -> None:
    assert render(report.to_dict()) == render(report.to_dict())


@pytest.mark.parametrize("outcome", ["incomplete", "superseded", "refused"])
def test_rows_of_a_run_that_published_nothing_are_held_back(
    report: Report, outcome: Literal["incomplete", "superseded", "refused"]
) -> None:
    for use in report.tables.values():
        use.pop("written", None)
    report.finish(outcome, 3 if outcome == "refused" else 0, "")
    assert "22,641 held back" in Page(render(report.to_dict())).text
    assert "22,641 held back" in "\n".join(summary(report.to_dict(), "folder"))
