"""evaluate_search on a catalogue in which only the order of words tells products apart, so that BM25 cannot rank it.

The fake encoder gives equal texts equal vectors: a query that is a title finds that product first.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shopbatch.cli import main as cli
from shopbatch.load import load_file
from shopbatch.warehouse.store import Store
from tests.engines.tiny_pairs import build as build_cross_encoder
from tests.jobs.test_embed_products import killed

pytestmark = [pytest.mark.usefixtures("ray_local"), pytest.mark.slow]
BAGS, ORDERS = 20, 12
EMBED = ("embed_products", "engine.kind=fake", "engine.dim=64")
EVALUATE = ("evaluate_search", "min_labelled=40", "max_tuning=60", "gates.min_queries=40")


def words(bag: int) -> list[str]:
    return ["bcdfghjklmnpqrtvwz"[(bag + i) % 18] + "aou"[i % 3] + "kmp"[bag // 18] + "lo" + "bdgt"[i] for i in range(4)]


def titles() -> Iterator[tuple[int, int, str]]:
    for bag in range(BAGS):
        for order, chosen in enumerate(itertools.islice(itertools.permutations(words(bag)), ORDERS)):
            yield bag, order, " ".join(chosen)


def write(path: Path, header: str, rows: Iterator[tuple[Any, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def judgements(judged: int, useful: bool = True) -> Iterator[tuple[Any, ...]]:
    """Each title is a query; its own product is worth most, the next one a little, all others of its bag nothing."""
    for bag, order, title in titles():
        for step in range(judged):
            other = (order + step) % ORDERS
            grade = (3, 1, 0)[min(step, 2)] if useful else 1
            yield title, f"p{bag:02}-{other:02}", grade


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, ray_local: None) -> Store:
    """A warehouse with an index. Tests replace its judgements and what was accepted."""
    folder = tmp_path_factory.mktemp("search")
    store = Store(str(folder / "warehouse"))
    rows = ((f"p{bag:02}-{order:02}", title, "en") for bag, order, title in titles())
    load_file(store, "products", write(folder / "products.csv", "product_id,title,language", rows))
    assert cli.main(["run", *EMBED, f"platform.warehouse={store.root}"]) == 0
    return store


def call(
    store: Store, capsys: pytest.CaptureFixture[str], job: str, *arguments: str
) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = cli.main(["run", job, *arguments, f"platform.warehouse={store.root}"])
    out, err = capsys.readouterr()
    return code, json.loads(out.splitlines()[-1]) if out.strip() else {}, err


def judge(store: Store, folder: Path, judged: int = ORDERS, useful: bool = True) -> None:
    path = write(folder / f"j{judged}{useful}.csv", "query,product_id,grade", judgements(judged, useful))
    load_file(store, "judgements", path, mode="replace")


def saved(store: Store, report: dict[str, Any]) -> tuple[dict[str, Any], str]:
    folder = Path(store.root) / "_runs" / "evaluate_search" / report["run_id"]
    return json.loads((folder / "report.json").read_text("utf-8")), (folder / "report.html").read_text("utf-8")


def test_accepted_weights_reach_the_next_index_and_a_worse_search_is_refused(
    shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(shop, tmp_path)
    events = [
        *(("search", "bakod mukel", "", f"s{n}") for n in range(4)),
        ("search", "bakod", '["p00-00"]', "s0"),
        *(("search", "call 13812345678", "", f"s{n}") for n in range(5)),
    ]
    rows = ((n, *event) for n, event in enumerate(events))
    load_file(shop, "events", write(tmp_path / "e.csv", "event_id,event_type,query,results_shown,session_id", rows))
    assert killed(shop, "quality_written", EVALUATE[0], EVALUATE[1:])
    assert shop.find("search_quality") is None
    code, report, err = call(shop, capsys, *EVALUATE)
    assert code == 0, err
    search = report["metrics"]["search"]
    assert (search["verdict"], search["candidate"]) == ("above", "hybrid, tuned")
    ours, theirs = search["methods"]["hybrid, tuned"], search["methods"][search["best_bm25"]]
    assert ours["ndcg_10"]["value"] > theirs["ndcg_10"]["value"] + 0.1
    assert ours["ndcg_10"]["low"] <= ours["ndcg_10"]["value"] <= ours["ndcg_10"]["high"]
    assert search["ndcg_10_against"][search["best_bm25"]]["low"] > 0
    assert {"RRF", "dense", "the search that is live", "BM25 of words", "BM25 of stems"} <= search["methods"].keys()
    assert search["fusion"]["judgements"] == str(shop.snapshot("judgements").version)

    quality = pl.read_delta(shop.uri("search_quality"))
    halves = report["metrics"]["judgements"]
    assert halves["tuning half"] + halves["test half"] == BAGS * ORDERS
    assert len(quality) == halves["test half"]
    assert quality["ndcg"].mean() == pytest.approx(ours["ndcg_10"]["value"], abs=1e-5)
    assert set(quality["judged"]) == {ORDERS}
    assert set(quality["useful"]) == {2}

    tree, page = saved(shop, report)
    assert report["metrics"]["searches"]["without result"] == 9
    titles_drawn = [figure["title"] for figure in tree["figures"]]
    assert {"nDCG@10 by method", "Queries won against BM25", "Searches without a result"} <= set(titles_drawn)
    assert "bakod mukel" in page
    assert "call [phone]" in page
    assert "13812345678" not in page + json.dumps(tree)
    assert "<svg" in page

    version = shop.snapshot("search_quality").version
    code, report, _ = call(shop, capsys, *EVALUATE)
    assert (code, report["outcome"]) == (0, "nothing to do")
    assert shop.snapshot("search_quality").version == version

    code, embedded, err = call(shop, capsys, *EMBED)
    assert code == 0, err
    assert embedded["rows"]["computed"] == 0
    key = shop.snapshot("product_embeddings").metadata["index"]
    manifest = json.loads((Path(shop.root) / "_indexes/search" / key / "manifest.json").read_text("utf-8"))
    assert manifest["fusion"] == search["fusion"]
    code, report, err = call(shop, capsys, *EVALUATE)
    assert code == 0, err
    against = report["metrics"]["search"]["ndcg_10_against"]["the search that is live"]
    assert against == {"value": 0, "low": 0, "high": 0}

    # an encoder that does not know the queries: the search that was accepted was better
    version = shop.snapshot("search_quality").version
    assert call(shop, capsys, *EMBED, "query_prefix=other-")[0] == 0
    code, report, err = call(shop, capsys, *EVALUATE)
    assert (code, report["metrics"]["search"]["verdict"]) == (3, "below live"), err
    assert "the search that was accepted last" in err
    assert shop.snapshot("search_quality").version == version
    assert call(shop, capsys, *EMBED)[0] == 0


def test_a_cross_encoder_that_does_not_help_is_refused(
    shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(shop, tmp_path)
    model = build_cross_encoder(tmp_path / "cross")  # random weights
    rerank = ("rerank.engine.kind=torch", "rerank.engine.max_tokens=60", "rerank.depth=5", "rerank.weight=1")
    code, report, err = call(shop, capsys, *EVALUATE, f"rerank.model={model}", *rerank)
    search = report["metrics"]["search"]
    assert (code, search["candidate"]) == (3, "reranked"), err
    assert search["methods"]["reranked"]["ndcg_10"]["value"] < search["methods"]["hybrid, tuned"]["ndcg_10"]["value"]
    gates = {gate["name"]: gate for gate in report["gates"]}
    assert (
        not gates["better with reranking"]["passed"] and "without reranking" in gates["better with reranking"]["detail"]
    )
    assert report["metrics"]["rerank"]["scored now"] == report["metrics"]["rerank"]["pairs"] > 100


def test_a_search_that_bm25_equals_is_refused(shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge(shop, tmp_path, useful=False)  # every product of the bag is worth the same, and BM25 finds them all
    code, report, err = call(shop, capsys, *EVALUATE, "min_labelled=100000")
    assert (code, report["metrics"]["search"]["verdict"]) == (3, "not above"), err
    assert report["metrics"]["search"]["candidate"] == "the search that is live"  # too few labels to tune weights
    assert "is not surely better than counting words" in err
    assert report["outcome"] == "refused"


def test_judgements_of_few_of_the_products_shown_cannot_tell(
    shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(shop, tmp_path, judged=3)
    code, report, err = call(shop, capsys, *EVALUATE)
    assert (code, report["metrics"]["search"]["verdict"]) == (3, "cannot tell"), err
    assert report["metrics"]["search"]["methods"]["hybrid, tuned"]["unjudged_10"] == pytest.approx(0.7, abs=0.05)
    assert "gates.max_unjudged" in err
    folder = Path(shop.root) / "_runs" / "evaluate_search" / report["run_id"]
    pairs = pl.read_csv(folder / "to_judge.csv")
    known = set(pl.read_delta(shop.uri("judgements")).select("query", "product_id").iter_rows())
    assert len(pairs) > 500
    assert not known & set(pairs.select("query", "product_id").iter_rows())
    filled = pairs.with_columns(grade=pl.lit(0))
    filled.write_csv(tmp_path / "filled.csv")
    load_file(shop, "judgements", tmp_path / "filled.csv")
    assert call(shop, capsys, *EVALUATE)[1]["metrics"]["search"]["methods"]["hybrid, tuned"]["unjudged_10"] < 0.6
    judge(shop, tmp_path, judged=3)
    code, report, _ = call(shop, capsys, *EVALUATE, "gates.max_unjudged=0.9", "gates.min_queries=100000")
    assert (code, report["metrics"]["search"]["verdict"]) == (3, "cannot tell")
    code, _, err = call(shop, capsys, *EVALUATE, "gates.max_unjudged=0.9")
    assert code == 3 and "judgements has 720 rows" in err, "a quarter of what the live verdict is made of"
    code, report, err = call(shop, capsys, *EVALUATE, "gates.max_unjudged=0.9", "gates.rows=any")
    assert (code, report["metrics"]["search"]["verdict"]) == (0, "above"), err


def test_judgements_of_other_products_are_the_users_mistake(
    shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_file(
        shop,
        "judgements",
        write(tmp_path / "o.csv", "query,product_id,grade", iter([("coat", "z", 1)])),
        mode="replace",
    )
    code, _, err = call(shop, capsys, *EVALUATE)
    assert code == 2
    assert "no judgement is of a product that the search index holds" in err


def test_without_an_index_it_is_the_users_mistake(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(store, tmp_path)
    code, _, err = call(store, capsys, *EVALUATE)
    assert code == 2
    assert "embed_products" in err
