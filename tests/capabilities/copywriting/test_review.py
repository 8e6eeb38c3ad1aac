"""Copy goes to a person as a sheet, the verdicts come back, and the next run publishes what they say."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter
from deltalake import DeltaTable

from shopbatch.capabilities.copywriting.config import Banned, Rules
from shopbatch.capabilities.copywriting.contents import contents_of
from shopbatch.capabilities.copywriting.copy_format import Copy
from shopbatch.capabilities.copywriting.review_sheet import COLUMNS, READ, read_sheet, write_sheet
from shopbatch.capabilities.copywriting.review_texts import facts_of
from shopbatch.capabilities.copywriting.reviews import judge_edit, latest_reviews
from shopbatch.cli import main as cli
from shopbatch.core.errors import UserError
from shopbatch.tables.copy_reviews import COPY_REVIEWS
from shopbatch.tables.product_copy import PRODUCT_COPY
from shopbatch.warehouse.store import Store
from tests.capabilities.copywriting import writer
from tests.jobs.command_line import run_job

Cells = dict[str, str]
SINK = "product_descriptions"
SHOP = [
    *(writer.product(i, title=f"Dill pickles no {i}", attributes=[("colour", "green")]) for i in range(10)),
    {
        "product_id": "=z",
        "title": "竹纤维毛巾",
        "category": "毛巾",
        "attributes": [("颜色", "白色"), ("材质", "竹纤维")],
        "source": "test",
    },
]
HOSTILE = (
    *("=1+1", "'=1+1", "''+x", "-5", "@SUM(A1)", "＝1", 'say "yes"; or, no', "'tis fine", "two\nlines, and ;", "0012"),
    *("竹纤维毛巾，白色", "\\N", "a|b\tc"),
)


@pytest.fixture(scope="module")
def described(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A shop whose products have planned copy in English and Chinese."""
    store = Store(str(tmp_path_factory.mktemp("reviewed") / "warehouse"))
    writer.put(store, SHOP)
    code, report, err = run_job(store, "describe_products", "languages=[en,zh]", "workers=1")
    assert (code, report["outcome"]) == (0, "published"), err
    return store


@pytest.fixture
def shop(described: Store, store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    shutil.copytree(described.root, store.root)
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    return store


Review = Callable[..., str]


@pytest.fixture
def review(shop: Store, capsys: pytest.CaptureFixture[str]) -> Review:
    """Call `shopbatch review product_descriptions`: what it prints."""

    def call(*words: str, code: int = 0) -> str:
        assert cli.main(["review", SINK, *words]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    return call


@pytest.fixture
def sheet(review: Review, tmp_path: Path) -> dict[str, Cells]:
    """What is to be reviewed, by product and language."""
    return exported(review, tmp_path / "sheet.csv")


def exported(review: Review, file: Path, *words: str) -> dict[str, Cells]:
    review("--output", str(file), *words)
    text = file.read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert file.read_bytes().startswith(b"\xef\xbb\xbf") and tuple(rows[0]) == COLUMNS
    return {f"{row['product_id']} {row['language']}": row for row in rows}


def saved(file: Path, rows: Mapping[str, Cells], said: Mapping[str, Cells]) -> str:
    """Save the sheet as Western Excel does, with what a person wrote into these rows."""
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        writer_ = csv.DictWriter(out, COLUMNS, delimiter=";")
        writer_.writeheader()
        writer_.writerows(row | said.get(key, {}) for key, row in rows.items())
    return str(file)


def run(store: Store, *arguments: str) -> dict[str, Any]:
    code, report, err = run_job(store, "describe_products", "languages=[en,zh]", "workers=1", *arguments)
    assert code == 0, err
    return report


def table(store: Store, name: str) -> list[dict[str, Any]]:
    frame = pl.read_delta(store.uri(name))
    return frame.sort("copy_id" if name == PRODUCT_COPY.name else "product_id").to_dicts()


def texts(store: Store) -> dict[str, dict[str, Any]]:
    return {f"{row['product_id']} {row['language']}": row for row in table(store, SINK)}


def rows_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("  row ")]


@pytest.mark.parametrize("how", ["as written", "semicolons", "workbook"])
def test_cells_come_back_as_they_were_and_none_is_a_formula(tmp_path: Path, how: str) -> None:
    rows = [dict.fromkeys(READ, cell) | {"product_id": cell} for cell in HOSTILE]
    out = io.StringIO(newline="")
    write_sheet(out, rows)
    cells = list(csv.reader(io.StringIO(out.getvalue().removeprefix("\ufeff"), newline="")))
    assert not [c for row in cells for c in row if c.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))]
    file = tmp_path / ("sheet.xlsx" if how == "workbook" else "sheet.csv")
    if how == "as written":
        file.write_text(out.getvalue(), "utf-8", newline="")
    elif how == "semicolons":
        with file.open("w", encoding="gb18030", newline="") as stream:
            csv.writer(stream, delimiter=";").writerows(cells)
    else:
        with xlsxwriter.Workbook(str(file), {"strings_to_numbers": False}) as book:
            page = book.add_worksheet()
            for number, row in enumerate(cells):
                for place, cell in enumerate(row):
                    page.write_string(number, place, cell)
    back, broken = read_sheet(file)
    assert not broken and [row.number for row in back] == list(range(2, 2 + len(HOSTILE)))
    assert [row.cells for row in back] == [dict.fromkeys(READ, cell) for cell in HOSTILE]


def test_a_sheet_of_western_excel_is_read(tmp_path: Path) -> None:
    file = tmp_path / "sheet.csv"
    cells = dict.fromkeys(READ, "") | {"verdict": "OK.", "headline": "Gurken süß-sauer", "reason": "schön – très bon"}
    lines = [";".join(READ), *[";".join(cells.values())] * 2]
    file.write_bytes("\r\n".join([*lines, ""]).encode("cp1252"))
    rows, broken = read_sheet(file)
    assert [(row.verdict, row.cells) for row in rows] == [("accept", cells)] * 2 and not broken
    file.write_bytes("\n".join([*lines, lines[1].replace("Gurken", "黄瓜")]).encode()[:-5] + b"\xff\n")
    rows, broken = read_sheet(file)  # a row with damaged letters is listed, and never loaded with other ones
    assert len(rows) == 2 and [number for number, _ in broken] == [4]


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("y", "accept"), ("接受", "accept"), ("Edit", "edit"), ("修改。", "edit"), ("NO", "refuse"), ("拒绝", "refuse"),
     ("maybe", None)],
)  # fmt: skip
def test_verdicts_may_be_said_in_other_words(tmp_path: Path, word: str, verdict: str | None) -> None:
    file = tmp_path / "sheet.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        write_sheet(out, [{"verdict": word}])
    assert read_sheet(file)[0][0].verdict == verdict


def test_the_sheet_has_the_facts_beside_the_text_in_order(
    shop: Store, review: Review, sheet: dict[str, Cells], tmp_path: Path
) -> None:
    published = texts(shop)
    assert list(sheet) == sorted(f"{'' if k[0] != '=' else chr(39)}{k}" for k in published)[: len(published)]
    first, row = sheet["p0 en"], published["p0 en"]
    assert first["facts"].split("\n")[0] == "title: Dill pickles no 0" and "colour: green" in first["facts"]
    assert first["bullets"].split("\n") == row["bullets"] and first["headline"] == row["headline"]
    assert first["meta_description"] == row["meta_description"] and first["verdict"] == first["new_headline"] == ""
    two = exported(review, tmp_path / "two.csv", "-n", "2", "--where", "language=en", "--where", "product_id>=p4")
    assert list(two) == ["p4 en", "p5 en"]


def test_verdicts_are_published_by_the_next_run_without_computing(
    shop: Store, review: Review, sheet: dict[str, Cells], tmp_path: Path
) -> None:
    before, zh = texts(shop), "'=z zh"
    own = PRODUCT_COPY.schema().empty_table().to_pylist()
    new = "These dill pickles come in a 4 oz pack, and they are green."
    file = saved(tmp_path / "back.csv", sheet, {
        "p0 en": {"verdict": "ok", "reason": "=nice"},
        "p2 en": {"verdict": "edit", "new_description": new, "new_bullets": "- Colour: green\r\n- Pack size: 4 oz"},
        "p3 en": {"verdict": "refuse", "reason": "dull"},
        "p4 en": {"verdict": "edit", "new_description": "Green pickles in a jar of solid oak, made in Italy. Really."},
        zh: {"verdict": "修改", "new_headline": "白色竹纤维毛巾"},
    })  # fmt: skip
    said = review("--load", file)
    assert said.startswith("1 accepted, 2 edited, 1 refused, ") and "next: shopbatch run describe_products" in said
    (lie,) = rows_of(said)
    number = 2 + list(sheet).index("p4 en")
    assert (
        lie.startswith(f"row {number}: product p4, en: nothing in the product's facts backs ") and '"solid oak"' in lie
    )
    loaded = table(shop, "copy_reviews")
    assert {(r["product_id"], r["verdict"], r["reason"], r["trusted"]) for r in loaded} == {
        ("p0", "accept", "=nice", False), ("p2", "edit", None, False), ("p3", "refuse", "dull", False),
        ("=z", "edit", None, False),
    }  # fmt: skip
    examples = table(shop, "product_copy")
    assert own == [] and {(e["source"], e["language"]) for e in examples} == {("review", "en"), ("review", "zh")}
    assert {json.loads(e["copy"])["description"] for e in examples if e["language"] == "en"} == {
        before["p0 en"]["description"], new,
    }  # fmt: skip
    assert any("title: Dill pickles no 2" in e["attributes"] for e in examples)

    report = run(shop)
    assert (report["outcome"], report["rows"]["computed"]) == ("published", 0)
    assert report["rejects"]["refused_by_reviewer"] == 1 and report["tables"]["copy_reviews"] == {"read": 1}
    after = texts(shop)
    assert set(before) - set(after) == {"p3 en"}
    edited = after["p2 en"]
    assert (edited["description"], edited["bullets"]) == (new, ["Colour: green", "Pack size: 4 oz"])
    assert (edited["headline"], edited["writer"]) == (before["p2 en"]["headline"], "review")
    assert "green" in json.loads(edited["evidence"])["attributes.colour"].lower()
    assert after["=z zh"]["headline"] == "白色竹纤维毛巾"
    same = [k for k in after if k not in ("p2 en", "=z zh")]
    assert [after[k]["description"] for k in same] == [before[k]["description"] for k in same]
    assert (report := run(shop))["outcome"] == "nothing to do" and report["rows"]["computed"] == 0

    versions = [shop.snapshot(name).version for name in ("copy_reviews", "product_copy")]
    assert review("--load", file).startswith("0 accepted, 0 edited, 0 refused, 4 loaded before")
    assert [shop.snapshot(name).version for name in ("copy_reviews", "product_copy")] == versions
    left = exported(review, tmp_path / "left.csv")
    assert set(sheet) - set(left) == {"p0 en", "p2 en", "p3 en", zh}


def test_a_verdict_can_be_taken_back_and_a_trusted_edit_teaches_nothing(
    shop: Store, review: Review, sheet: dict[str, Cells], tmp_path: Path
) -> None:
    lie = "Green dill pickles, made in Italy by our friends there."
    first = {"p1 en": {"verdict": "refuse"}, "p2 en": {"verdict": "accept"}, "p3 en": {"verdict": "accept"}}
    review("--load", saved(tmp_path / "first.csv", sheet, first))
    of_user = {"copy_id": "c-1", "attributes": "title: x", "copy": "{}", "source": "review"}
    columns = {n: pl.Series([of_user.get(n)], dtype=pl.String).to_arrow().cast("string") for n in PRODUCT_COPY.names}
    file = shop.write_file(PRODUCT_COPY, PRODUCT_COPY.fill(1, **columns), "of-user", 0)
    shop.commit(PRODUCT_COPY, [file], "append", "load/x")
    assert len(table(shop, "product_copy")) == 3
    assert "p1 en" not in texts_after(shop, "gates.min_rejects=1", "gates.reject_share=0.1")  # a person may refuse many
    second = {
        "p1 en": {"verdict": "accept"},
        "p2 en": {"verdict": "refuse"},
        "p3 en": {"verdict": "edit", "new_description": lie},
    }
    said = review("--load", saved(tmp_path / "second.csv", sheet, second), "--trust")
    assert said.startswith("1 accepted, 1 edited, 1 refused") and "1 trusted" in said and not rows_of(said)
    assert review("--load", str(tmp_path / "second.csv")).startswith("0 accepted, 0 edited, 0 refused, 3 loaded before")
    ids = [e["copy_id"] for e in table(shop, "product_copy")]
    assert ids[0] == "c-1" and len(ids) == 2  # p1 alone
    after = texts_after(shop)
    assert "p1 en" in after and "p2 en" not in after and after["p3 en"]["description"] == lie
    shop.commit(PRODUCT_COPY, [], "replace", "lost")  # as if the load had been killed between its commits
    review("--load", str(tmp_path / "second.csv"))
    assert [e["copy_id"] for e in table(shop, "product_copy")] == ids[1:]


def texts_after(store: Store, *arguments: str) -> dict[str, dict[str, Any]]:
    assert run(store, *arguments)["rows"]["computed"] == 0
    return texts(store)


def test_a_verdict_on_what_is_not_published_any_more_is_not_loaded(
    shop: Store, review: Review, sheet: dict[str, Cells], tmp_path: Path
) -> None:
    headline = "Green dill pickles no 0 in a pack of 2 oz"
    said = {"p0 en": {"verdict": "edit", "new_headline": headline}, "p2 en": {"verdict": "n"}}
    assert review("--load", saved(tmp_path / "0.csv", sheet, said)).startswith("0 accepted, 1 edited, 1 refused")
    after = texts_after(shop)
    assert after["p0 en"]["headline"] == headline and "p2 en" not in after
    assert run(shop, "rules.headline=35")["rejects"]["too_long"] == 1  # an edit keeps to the rules of today, too
    assert "p0 en" not in texts(shop)
    changed = [row | ({"package_size": "40 OZ"} if row["product_id"] in ("p0", "p1", "p2") else {}) for row in SHOP]
    writer.put(shop, changed)
    file = saved(tmp_path / "1.csv", sheet, {"p1 en": {"verdict": "y"}})
    assert "its product has changed since" in rows_of(review("--load", file))[0]
    assert "left out" in review("--output", str(tmp_path / "2.csv"))
    assert run(shop)["rows"]["computed"] == 3  # in English: their facts are in no Chinese
    assert texts(shop)["p0 en"]["writer"] == "plan"  # the edit was about another content
    assert "p2 en" in texts(shop)  # another text than the refused one
    assert "is not published (any more)" in rows_of(review("--load", file))[0]
    assert {"p0 en", "p1 en"} <= set(exported(review, tmp_path / "3.csv"))


def test_each_mistake_is_named_with_its_row(
    shop: Store, review: Review, sheet: dict[str, Cells], tmp_path: Path
) -> None:
    said = review("--load", saved(tmp_path / "s.csv", sheet, {
        "p0 en": {"verdict": "maybe"},
        "p1 en": {"verdict": "edit"},
        "p2 en": {"verdict": "accept", "new_headline": "Better pickles"},
        "p3 en": {"new_headline": "Better pickles"},
        "p4 en": {"verdict": "accept", "headline": "Pickles, changed in place"},
        "p5 en": {"verdict": "edit", "new_bullets": "only one"},
        "p6 en": {"verdict": "accept", "text_digest": sheet["p7 en"]["text_digest"]},
        "p8 en": {"verdict": "edit", "new_headline": "Green <b>pickles</b>"},
        "p9 en": {"verdict": "accept", "product_id": "9", "bullets": sheet["p9 en"]["bullets"].replace("\n", "\r\n")},
    }))  # fmt: skip
    assert said.startswith("1 accepted, 0 edited, 0 refused, ") and "8 not loaded" in said
    reasons = [line.partition(": ")[2].partition(": ")[2] for line in rows_of(said)]
    wanted = ["'maybe' is not known", "no new text", "but the verdict is accept", "but no verdict", "changed in place",
              "2 to 6 bullets", "changed in place", "breaks the rule markup"]  # fmt: skip
    assert all(part in whole for part, whole in zip(wanted, [*reasons], strict=True)), reasons
    versions = shop.snapshot("copy_reviews").version
    for rows, part in (({}, "no row has a verdict"), ({"p0 en": {"text_digest": "x"}}, "no row has a verdict")):
        assert part in review("--load", saved(tmp_path / "t.csv", sheet, rows), code=2)
    (tmp_path / "u.csv").write_text("verdict,headline\nok,x\n", "utf-8")
    assert "no column 'description'" in review("--load", str(tmp_path / "u.csv"), code=2)
    assert "no file or folder" in review("--load", str(tmp_path / "none.csv"), code=2)
    assert "say --output" in review(code=2) and "--trust" in review("--output", "x.csv", "--trust", code=2)
    assert shop.snapshot("copy_reviews").version == versions


def test_trust_frees_no_banned_claim() -> None:
    copy = Copy(
        headline="Dill pickles", description="These pickles are the best in town.", bullets=("Green", "Dill pickles")
    )
    facts = {"title": "Dill pickles", "attributes.colour": "green"}
    banned = Rules(market="us", banned=(Banned(market="us", language="en", patterns=("the best",)),))
    assert judge_edit(Rules(), "en", copy, facts, trusted=False).reason is not None
    assert judge_edit(Rules(), "en", copy, facts, trusted=True).reason is None
    assert judge_edit(banned, "en", copy, facts, trusted=True).reason is not None


def test_a_sheet_without_rows_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        read_sheet(tmp_path / "empty.csv")


def test_what_others_did_to_the_verdicts_is_undone_and_named(
    shop: Store, review: Review, sheet: dict[str, Cells], tmp_path: Path
) -> None:
    refused = saved(tmp_path / "refused.csv", sheet, {"p1 en": {"verdict": "refuse"}})
    review("--load", refused)
    before = pl.read_delta(shop.uri("copy_reviews"))
    DeltaTable(shop.uri("copy_reviews")).update(updates={"verdict": "'accept'"}, predicate="verdict = 'refuse'")
    assert "others changed copy_reviews after our version 1 (version 2: UPDATE)" in review("--load", refused)
    assert pl.read_delta(shop.uri("copy_reviews")).equals(before)
    DeltaTable(shop.uri("copy_reviews")).delete("verdict = 'refuse'")
    report = run(shop)
    assert "others changed copy_reviews" in report["message"] and "p1 en" not in texts(shop)


def test_a_verdict_of_an_older_version_counts_on(store: Store) -> None:
    writer.put(store, SHOP[:2])
    row: dict[str, Any] = dict.fromkeys(COPY_REVIEWS.names) | {
        "language": "en",
        "headline": "Dill pickles",
        "description": "Green pickles.",
    }
    row |= {
        "bullets": ["Green", "Sour", "Crisp"],
        "attributes": "",
        "verdict": "edit",
        "trusted": False,
        "reviewed_at": datetime.now(UTC),
    }
    (now,), (former,) = (getattr(contents_of(store, ["p0"]), name) for name in ("hashes", "former"))
    said = [("p0", former, "t0"), ("p1", former, "t1"), ("p0", "f" * 32, "t2")]
    rows = [row | {"product_id": p, "content_hash": h, "text_digest": t} for p, h, t in said]
    data = pa.Table.from_pylist(rows, COPY_REVIEWS.schema())
    store.commit(COPY_REVIEWS, [store.write_file(COPY_REVIEWS, data, "r", 0)], "append", "r")
    assert {t: r.content_hash for t, r in latest_reviews(store).items()} == {"t0": now, "t1": former, "t2": "f" * 32}
    assert {("p0", now), ("p0", former)} < set(facts_of(store, ["p0", "p1"]))
