"""search_products and `shopbatch search` with the fake engine: answers, rejects, and what a second run does."""

from __future__ import annotations

import json
import random
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from shopbatch.capabilities.search.index_files import FOLDER
from shopbatch.cli import main as cli
from shopbatch.core.errors import UserError
from shopbatch.tables.queries import QUERIES
from shopbatch.warehouse.checksums import DamagedFile
from shopbatch.warehouse.store import Store
from tests.engines.tiny_pairs import build as build_cross_encoder
from tests.jobs.command_line import messages, run_job
from tests.jobs.test_embed_products import catalogue, killed, put, run
from tests.warehouse.rot import flip

pytestmark = pytest.mark.usefixtures("ray_local")
QUERY: list[dict[str, Any]] = [
    {"query_id": "plain", "query": "red winter coat"},
    {"query_id": "few", "query": "红 羽绒服", "k": 3},
    {"query_id": "filtered", "query": "coat", "filters": "title~kettle; brand=Acme", "k": 1000},
    {"query_id": "none", "query": "coat", "filters": "price<1"},
    {"query_id": "long", "query": "x" * 10_000},
    {"query_id": "control", "query": "coat\x00"},
    {"query_id": "script", "query": "𓀀𓀁"},
    {"query_id": "blank", "query": "  "},
    {"query_id": "wrong", "query": "coat", "filters": "colour=red"},
]


def ask(store: Store, rows: list[dict[str, Any]], name: str) -> None:
    columns = {c.name: pa.array([row.get(c.name) for row in rows], c.type) for c in QUERIES.columns}
    file = store.write_file(QUERIES, pa.table(columns, QUERIES.schema()), name, 0)
    store.commit(QUERIES, [file], "replace", name)


def results(store: Store) -> dict[str, Any]:
    rows = store.snapshot("search_results").read().to_pylist()
    return {row["query_id"]: row["products"] for row in rows}


@pytest.fixture(scope="module")
def answered(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("answered") / "warehouse"))
    put(store, catalogue(), "first")
    assert run(store)[0] == 0
    ask(store, QUERY, "first")
    code, report, _ = run_job(store, "search_products")
    assert (code, report["outcome"]) == (0, "published")
    assert report["rejects"] == {
        "too_long": 1,
        "control_characters": 1,
        "unknown_script": 1,
        "empty": 1,
        "bad_filter": 1,
    }
    return store


@pytest.fixture
def shop(answered: Store, tmp_path: Path) -> Store:
    shutil.copytree(answered.root, tmp_path / "shop")
    return Store(str(tmp_path / "shop"))


def test_answers_have_parts_and_reasons_and_filters_hold(answered: Store) -> None:
    found, rows = results(answered), [row for row in catalogue() if "title" in row]
    titles = {row["product_id"]: row["title"] for row in rows}
    texts = {row["product_id"]: f"{row['title']} {'red' if row['attributes'] else ''}".split() for row in rows}
    assert sorted(found) == ["few", "filtered", "none", "plain"]
    assert [len(found[name]) for name in ("plain", "few", "none")] == [10, 3, 0]
    assert {hit["product_id"] for hit in found["filtered"]} == {p for p, title in titles.items() if "kettle" in title}
    for hit in found["plain"]:
        held = [word for word in ("red", "winter", "coat") if word in texts[hit["product_id"]]]
        assert hit["reason"].split("; ")[0] == (f"says {', '.join(held)}" if held else "near in meaning")
        assert (hit["lexical"] is not None) == bool(held)
    scores = [hit["score"] for hit in found["plain"]]
    assert scores == sorted(scores, reverse=True)
    rejects = pl.read_delta(answered.uri("query_embeddings_rejects"))
    assert dict(rejects.select("query_id", "reason").iter_rows())["wrong"] == "bad_filter"


def test_what_a_query_demands_is_published_and_holds_unless_queries_are_literal(shop: Store) -> None:
    titles = {row["product_id"]: row.get("title", "") for row in catalogue() if not row.get("attributes")}
    blue = {name for name, title in titles.items() if "blue" in title and "red" not in title}
    rows = {row["query_id"]: row for row in shop.snapshot("search_results").read().to_pylist()}
    demands = [(c["kind"], c["op"], c["value"], c["start"], c["end"]) for c in rows["plain"]["constraints"]]
    assert demands == [("colour", "=", "red", 0, 3), ("season", "=", "winter", 4, 10)]
    assert (rows["filtered"]["constraints"], rows["filtered"]["unknown"]) == ([], [])
    ask(shop, [{"query_id": "all", "query": "red winter coat", "k": 1000}], "second")
    for argument, shown in (("literal=false", set()), ("literal=true", blue)):
        code, report, _ = run_job(shop, "search_products", argument)
        assert (code, report["outcome"]) == (0, "published")
        assert {hit["product_id"] for hit in results(shop)["all"]} & blue == shown and blue
        assert run_job(shop, "search_products", argument)[1]["outcome"] == "nothing to do"


def test_a_second_run_embeds_and_answers_nothing(shop: Store) -> None:
    version = shop.snapshot("search_results").version
    code, report, _ = run_job(shop, "search_products")
    assert (code, report["outcome"], report["engine"]["calls"]) == (0, "nothing to do", 0)
    assert shop.snapshot("search_results").version == version


def test_a_damaged_file_of_the_answers_is_named_and_they_are_made_anew(shop: Store) -> None:
    before = results(shop)
    (file,) = shop.snapshot("search_results").files
    flip(Path(file.uri), random.Random(3))
    with pytest.raises(DamagedFile):
        results(shop)
    code, report, _ = run_job(shop, "search_products")
    assert (code, report["outcome"], report["engine"]["calls"]) == (0, "published", 0)
    assert "search_results" in report["message"] and "made anew" in report["message"]
    assert results(shop) == before and not Path(file.uri).exists()
    assert run_job(shop, "search_products")[1]["outcome"] == "nothing to do"


def test_a_new_index_answers_again_and_embeds_no_query(shop: Store) -> None:
    rows = catalogue()
    rows[7]["title"] = "red winter coat, red winter coat"
    put(shop, rows, "second")
    assert run(shop)[0] == 0
    before = results(shop)
    code, report, _ = run_job(shop, "search_products")
    assert (code, report["outcome"], report["engine"]["calls"]) == (0, "published", 0)
    assert results(shop) != before
    assert "p007" in {hit["product_id"] for hit in results(shop)["plain"]}


def test_a_new_query_embeds_only_itself(shop: Store) -> None:
    ask(shop, [*QUERY, {"query_id": "new", "query": "blue dress"}], "second")
    code, report, _ = run_job(shop, "search_products")
    assert (code, report["rows"]["computed"]) == (0, 1)
    assert "new" in results(shop)


def command(store: Store, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPBATCH_WAREHOUSE", store.root)
        code = cli.main(["search", *arguments])
    said = capsys.readouterr()
    return code, said.out.splitlines(), messages(said.err)


@pytest.fixture
def fake_conf(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's configuration names the engine that the index is of."""
    text = "encoder: e5-small-search\nengine:\n  kind: fake\n  dim: 16\n"
    (project / "conf" / "base" / "embed_products.yaml").write_text(text, "utf-8")


@pytest.mark.usefixtures("fake_conf")
def test_the_command_gives_the_answers_of_the_job(answered: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = command(answered, capsys, "red winter coat", "--json")
    assert code == 0
    assert [json.loads(line)["product_id"] for line in out] == [h["product_id"] for h in results(answered)["plain"]]
    code, out, _ = command(answered, capsys, "red coat", "--where", "title~kettle", "-k", "2", "--explain")
    assert code == 0
    assert sum("kettle" in line for line in out if line.startswith("title")) == 2
    assert any(line.startswith("lexical") for line in out)
    assert command(answered, capsys, "coat", "--where", "price<1")[1] == ["no product meets these conditions"]


TITLE = "A dress whose title is far longer than the eighty columns of an ordinary terminal could ever show of it"


@pytest.fixture
def sale(ray_local: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A shop with reduced prices and with products that are not in stock, as a terminal of 80 columns shows it."""
    monkeypatch.setenv("COLUMNS", "80")
    store = Store(str(tmp_path / "sale"))
    row = {"title": TITLE, "brand": "A brand with a long name", "currency": "EUR", "availability": "in_stock"}
    prices: dict[str, dict[str, Any]] = {
        "reduced": {"price": Decimal("39.9"), "sale_price": Decimal("29.9")},
        "full": {"price": Decimal(20), "availability": "out_of_stock"},
        "dear": {"price": Decimal(90)},
        "yen": {"price": Decimal(30), "currency": "JPY"},
        "dinar": {"price": Decimal("3.125"), "currency": "KWD"},
    }
    put(store, [{"product_id": name, **row, **price} for name, price in prices.items()], "sale")
    assert run(store)[0] == 0
    return store


@pytest.mark.usefixtures("fake_conf")
def test_the_price_that_is_paid_stands_beside_a_condition_and_no_reason_is_lost(
    sale: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = command(sale, capsys, "dress under 35")
    assert code == 0
    assert "(--literal: take it as words)" in " ".join(" ".join(out).split())
    head, *lines = out[-5:]
    assert head.split() == ["rank", "product_id", "title", "brand", "price", "stock", "reason"]
    assert all(len(line) <= 80 and "says dress; price<=35" in line for line in lines)
    said = {line.split()[1]: line for line in lines}
    assert sorted(said) == ["dinar", "full", "reduced", "yen"]
    assert " 29.90 " in said["reduced"] and "39.9" not in said["reduced"]
    assert " 20.00  out " in said["full"] and " 30 " in said["yen"] and " 3.125 " in said["dinar"]

    rows = {row["product_id"]: row for row in map(json.loads, command(sale, capsys, "dress under 35", "--json")[1])}
    assert sorted(row["rank"] for row in rows.values()) == [1, 2, 3, 4]
    assert (rows["reduced"]["price"], rows["reduced"]["sale_price"]) == ("39.90", "29.90")
    assert (rows["full"]["sale_price"], rows["full"]["availability"]) == (None, "out_of_stock")

    out = command(sale, capsys, "dress", "--where", "price>35", "--where", "availability=in_stock")[1]
    assert "stock" not in out[0].split() and "sale_price" in out[0].split()
    assert {line.split()[1]: "39.90" in line for line in out[1:]} == {"reduced": True, "dear": False}


@pytest.mark.usefixtures("fake_conf")
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("kettel", ["no product has kettel: these are the nearest by meaning; did you mean kettle?"]),
        ("the zebra", ["no product has zebra: these are the nearest by meaning"]),
        (
            "我想买 天冬",
            ["no product has 天冬: these are the nearest by meaning"],
        ),  # 冬天 is there
        ("zebra kettle", []),
        ("the", []),
        ("冬天", []),
    ],
)
def test_it_is_said_when_no_product_has_any_word(
    answered: Store, capsys: pytest.CaptureFixture[str], query: str, said: list[str]
) -> None:
    for arguments in ((), ("--json",)):
        code, out, err = command(answered, capsys, query, "-k", "5", *arguments)
        assert (code, len(out) >= 5) == (0, True)
        assert [line.removeprefix("shopbatch: ") for line in err] == said
    if said:
        assert not command(answered, capsys, query, "--where", "price<1")[2]  # nothing is shown: nothing is near


@pytest.mark.usefixtures("fake_conf")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x" * 10_000,), "too_long"),
        (("coat\x1b[2J",), "control_characters"),
        (("𓀀",), "unknown_script"),
        (("coat", "--where", "colour=red"), "no column 'colour'"),
    ],
    ids=["long", "control", "script", "filter"],
)
def test_what_cannot_be_answered_is_one_line(
    answered: Store, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    code, out, lines = command(answered, capsys, *arguments)
    assert (code, out, len(lines)) == (2, [], 1)
    assert said in lines[0]


@pytest.mark.chaos
def test_killed_before_its_commit_the_old_answers_stay_and_the_next_run_answers(shop: Store) -> None:
    old = results(shop)
    ask(shop, [*QUERY, {"query_id": "new", "query": "kettle"}], "second")
    assert killed(shop, "search_written", "search_products", ())
    assert results(shop) == old
    code, report, _ = run_job(shop, "search_products")
    assert (code, report["outcome"], report["rows"]["computed"]) == (0, "published", 0)
    assert results(shop).keys() == old.keys() | {"new"}


def test_no_index_another_encoder_and_a_damaged_index_are_one_line(
    answered: Store, store: Store, shop: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for where, said in ((store, "no search index"), (answered, "the search index is of encoder")):
        code, _, lines = command(where, capsys, "coat")
        assert (code, len(lines)) == (2, 1)
        assert said in lines[0]
        assert "shopbatch run embed_products" in lines[0]
    put(store, catalogue(3), "first")
    ask(store, QUERY, "first")
    code, _, err = run_job(store, "search_products")
    assert code == 2
    assert "shopbatch run embed_products" in messages(err)[-1] or "product_embeddings" in messages(err)[-1]
    for path in Path(shop.root, FOLDER).glob("*/manifest.json"):
        path.unlink()
    code, _, lines = command(shop, capsys, "coat")
    assert (code, len(lines)) == (2, 1)
    assert "damaged" in lines[0]


def test_a_query_row_is_loaded_from_a_file(store: Store, tmp_path: Path) -> None:
    from shopbatch.load import load_file

    (tmp_path / "q.csv").write_text("query_id,query,filters,k\n1,winter coat,price<50,5\n", "utf-8")
    load_file(store, "queries", str(tmp_path / "q.csv"))
    assert store.snapshot("queries").read().to_pylist()[0]["filters"] == "price<50"
    (tmp_path / "bad.csv").write_text("query_id,note\n1,x\n", "utf-8")
    with pytest.raises(UserError, match="query"):
        load_file(store, "queries", str(tmp_path / "bad.csv"))


@pytest.mark.slow
def test_a_cross_encoder_reranks_and_reads_no_pair_twice(shop: Store, tmp_path: Path) -> None:
    before = results(shop)
    model = build_cross_encoder(tmp_path / "cross")
    arguments = ("rerank.engine.kind=torch", "rerank.engine.max_tokens=48", "rerank.depth=8", "rerank.weight=1")
    reranking = (f"rerank.model={model}", *arguments)
    assert killed(shop, "pairs_written", "search_products", reranking)
    assert results(shop) == before
    code, report, error = run_job(shop, "search_products", *reranking)
    assert (code, report["outcome"]) == (0, "published"), error
    assert report["metrics"]["rerank"]["pairs"] == report["metrics"]["rerank"]["scored now"] > 8
    after, texts = results(shop), dict(pairs_of_query(shop, "red winter coat"))
    for name, hits in after.items():
        assert {h["product_id"] for h in hits[:8]} == {h["product_id"] for h in before[name][:8]} or name == "few"
        assert [h["score"] for h in hits] == sorted((h["score"] for h in hits), reverse=True)
    assert after["plain"][8:] and [h["product_id"] for h in after["plain"]] != [
        h["product_id"] for h in before["plain"]
    ]
    assert [h["product_id"] for h in after["plain"][8:]] == [h["product_id"] for h in before["plain"][8:]]
    titles = {row["product_id"]: row.get("title", "") for row in catalogue()}
    by_score = sorted(before["plain"][:8], key=lambda hit: -scored(texts, titles[hit["product_id"]]))
    assert [h["product_id"] for h in after["plain"][:8]] == [h["product_id"] for h in by_score]
    assert len(after["few"]) == 3

    assert run_job(shop, "search_products", *reranking)[1]["outcome"] == "nothing to do"
    code, report, _ = run_job(shop, "search_products", *reranking, "rerank.weight=0.5")
    assert (code, report["outcome"], report["metrics"]["rerank"]["scored now"]) == (0, "published", 0)
    code, report, _ = run_job(shop, "search_products")
    assert (code, results(shop)) == (0, before)


def pairs_of_query(store: Store, query: str) -> list[tuple[str, float]]:
    """The texts that were read beside a query, with their scores."""
    pairs = pl.read_delta(store.uri("rerank_pairs")).join(pl.read_delta(store.uri("pair_scores")), on="pair_id")
    return list(pairs.filter(pl.col("query") == query).select("text", "score").iter_rows())


def scored(texts: dict[str, float], title: str) -> float:
    """The score of the text that begins with a title."""
    (score,) = {score for text, score in texts.items() if text.startswith(title)}
    return score
