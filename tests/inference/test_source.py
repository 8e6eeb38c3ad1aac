"""Sources as they come: odd rows, odd keys, odd files. Each row is published or rejected with its reason."""

from datetime import UTC, datetime

import polars as pl
import pytest

from shopbatch.core.errors import GateRefused
from tests.inference import oracle, toy

pytestmark = pytest.mark.usefixtures("ray_local")

BAD = b"caf\xe9 \xff"  # Latin-1, as it comes out of old shops

ROWS = [
    {"review_id": "plain", "title": "Nice", "text": "nothing odd here", "language": "en"},
    {"review_id": "null text", "title": "a title alone"},
    {"review_id": "empty", "text": ""},
    {"review_id": "blank", "title": "x", "text": " \t\r\n "},
    {"review_id": "wide blank", "title": "x", "text": "\u3000\xa0\u2003"},
    {"review_id": "zero width", "title": "x", "text": "\u200b\ufeff \u200b"},
    {"review_id": "indented", "text": "  indented"},
    {"review_id": "10 MB", "text": "x" * 10_000_000},
    {"review_id": "as long as may be", "text": "é" * 50_000},
    {"review_id": "one byte more", "text": "é" * 50_000 + "x"},
    {"review_id": "long title", "title": "y" * 100_001, "text": "short"},
    {"review_id": "nul inside", "text": "before\0after"},
    {"review_id": "nul alone", "text": "\0"},
    {"review_id": "nul before", "text": "before"},
    {"review_id": "emoji", "title": "🙃", "text": "👨‍👩‍👧‍👦 🇪🇺"},
    {"review_id": "right to left", "text": "\u202eمنتج رائع"},
    {"review_id": "bad text", "text": BAD},
    {"review_id": "bad text too", "text": BAD + b"2"},
    {"review_id": "bad title", "title": BAD, "text": "fine"},
    {"review_id": "bad title, no text", "title": BAD},
    {"review_id": "bad product", "product_id": BAD, "text": "scored all the same"},
    {"review_id": "bad language", "language": BAD, "text": "scored all the same"},
    {"review_id": BAD, "text": "nobody can name this one"},
    {"review_id": BAD, "text": "nor this"},
    {"text": "no key at all"},
    {},
    {"review_id": "", "text": "an empty key is a key"},
    {"review_id": "twice", "text": BAD},
    {"review_id": "twice", "text": "the later row wins"},
    {"review_id": "twice the other way", "text": "the later row is broken"},
    {"review_id": "twice the other way", "text": BAD},
]
KEYS = ["a/b", "../../x", "%2F", "a=b", "key with space", "'; DROP TABLE", '"', "\\", "\n", "a\0", "a", "ключ", "💥"]
KEYS += ["None", "null", "nan", "-1", "k" * 5_000, "é", "e\u0301", "A", " a", "a "]


@pytest.fixture(autouse=True)
def small(cut_small):
    """All of this in several parts and shards."""


@pytest.mark.parametrize("group", [1_000, 2], ids=["one row group", "tiny row groups"])
def test_every_odd_row_is_scored_or_rejected_with_its_reason(store, group, monkeypatch):
    monkeypatch.setattr("shopbatch.inference.parts.PART_ROWS", 10)
    toy.put(store, ROWS[:11], ROWS[11:20], ROWS[20:], group=group)
    report = toy.run(store, toy.spec())
    want = oracle.expect(ROWS[:11], ROWS[11:20], ROWS[20:])
    assert set(want.reasons) == {"empty", "too_long", "invalid_utf8", "no_key", "duplicate_key"}
    oracle.check(store, toy.spec(), want)
    oracle.check_report(report, want, computed=len(want.contents))
    assert toy.run(store, toy.spec()).outcome == "nothing to do"


def test_strange_keys_are_keys(store):
    rows = [{"review_id": k, "text": f"text {i % 9}"} for i, k in enumerate(KEYS)]
    toy.put(store, rows[:12], rows[12:])
    toy.run(store, toy.spec())
    want = oracle.expect(rows[:12], rows[12:])
    assert len(want.published) == len(KEYS) and not want.rejects
    oracle.check(store, toy.spec(), want)


def at(hour):
    return datetime(2026, 1, 1, hour, tzinfo=UTC)


def test_of_one_key_the_latest_wins_then_the_later_row(store):
    tables = [
        [{"review_id": "a", "text": "a latest", "created_at": at(9)}, {"review_id": "b", "text": "b 1"}],
        [
            {"review_id": "a", "text": "a old", "created_at": at(3)},
            {"review_id": "c", "text": "c", "created_at": at(5)},
        ],
        [{"review_id": "b", "text": "b 2"}, {"review_id": "c", "text": "c later row", "created_at": at(5)}],
        [{"review_id": "a", "text": "a undated"}, {"review_id": "b", "text": "b dated", "created_at": at(0)}],
        [{"review_id": "b", "text": "b 3"}, {"review_id": "c", "text": None, "created_at": at(4)}],
        [{"review_id": "d", "text": "d", "created_at": at(1)}, {"review_id": "d", "text": "", "created_at": at(2)}],
    ]
    toy.put(store, *tables)
    toy.run(store, toy.spec())
    rows = pl.read_delta(store.uri(toy.SINK))
    texts = {"a": "a latest", "b": "b dated", "c": "c later row"}  # d's latest has nothing to score
    assert dict(rows.select("review_id", "content_hash").iter_rows()) == {
        k: oracle.content_hash(None, t) for k, t in texts.items()
    }
    oracle.check(store, toy.spec(), oracle.expect(*tables))


@pytest.mark.parametrize("layout", ["many tiny files", "tiny row groups", "one part"])
def test_how_the_rows_lie_in_files_does_not_matter(store, layout, monkeypatch):
    rows = [row for table in toy.shop(120, seed=5) for row in table]
    tables, group = [rows], 65_536
    if layout == "many tiny files":
        tables = [rows[i : i + 3] for i in range(0, len(rows), 3)]
    elif layout == "tiny row groups":
        group = 1
    else:
        monkeypatch.undo()  # the sizes that ship
    toy.put(store, *tables, group=group)
    report = toy.run(store, toy.spec(), flush_rows=32)
    want = oracle.expect(*tables)
    assert report.outcome == "published"
    oracle.check(store, toy.spec(), want)
    oracle.check_report(report, want, computed=len(want.contents))


@pytest.mark.parametrize("tables", [[], [[]], [[], []]], ids=["no file", "an empty file", "empty files"])
def test_a_source_without_rows(store, tables):
    toy.put(store, *tables)
    with pytest.raises(GateRefused, match="'shrinking': reviews has no rows"):
        toy.run(store, toy.spec())
    meant = {"rows": "any"}
    report = toy.run(store, toy.spec(), gates=meant)
    assert report.outcome == "published"
    oracle.check(store, toy.spec(), oracle.expect(*tables))
    oracle.check_report(report, oracle.expect(*tables), computed=0)
    before = toy.versions(store)
    assert toy.run(store, toy.spec(), gates=meant).outcome == "nothing to do"
    assert toy.versions(store) == before


def test_a_source_with_nothing_to_score(store):
    rows = [{"review_id": f"r{i}", "text": [None, "", " "][i % 3]} for i in range(100)]
    toy.put(store, rows)
    report = toy.run(
        store, toy.spec(), gates={"reject_share": 0.0, "min_rejects": 0}
    )  # nothing to score is nobody's fault
    oracle.check(store, toy.spec(), oracle.expect(rows))
    oracle.check_report(report, oracle.expect(rows), computed=0)
    assert toy.run(store, toy.spec(), gates={"reject_share": 0.0}).outcome == "nothing to do"
