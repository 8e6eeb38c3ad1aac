"""judge_by_clicks on simulated visits of known truth, and evaluate_search by its judgements alone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable

from shopbatch.load import load_file
from shopbatch.tables import TABLES
from shopbatch.warehouse.store import Store
from tests.jobs.command_line import run_job
from tests.jobs.test_embed_products import killed

pytestmark = pytest.mark.slow
QUERIES, PLACES, VISITS = 60, 4, 60
EXAMINED = (1.0, 0.6, 0.4, 0.25)
PARAMETERS = ("least_looks=8",)


def truth() -> np.ndarray:
    """How likely each product is clicked where it is looked at, by query and place in the usual list."""
    return np.sort(np.random.default_rng(5).beta(1, 3, (QUERIES, PLACES)), axis=1)[:, ::-1]


def write_visits(path: Path, moved: float = 0.5) -> Path:
    """Write visits: half of them see the list in another order; one product in three that was clicked is bought."""
    rng, attractive, rows = np.random.default_rng(6), truth(), []
    for query in range(QUERIES):
        for visit in range(VISITS):
            order = rng.permutation(PLACES) if rng.random() < moved else np.arange(PLACES)
            for place, product in enumerate(order.tolist()):
                clicked = rng.random() < EXAMINED[place] * attractive[query, product]
                bought = clicked and rng.random() < 1 / 3
                name = f"Lamp model{query} " if visit % 2 else f"lamp model{query}"
                rows.append((name, f"p{query}-{product}", place + 1, clicked, bought, f"{query}/{visit}"))
    rows += [("anna's own query", "p0-0", 1, True, False, "v1")] * 2
    names = ["query", "product_id", "position", "clicked", "purchased", "session_id"]
    pl.DataFrame(rows, schema=names, orient="row").write_csv(path)
    return path


@dataclass(frozen=True)
class Learnt:
    """A warehouse with judgements from clicks, and the report."""

    store: Store
    code: int
    report: dict[str, Any]
    error: str


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    folder = tmp_path_factory.mktemp("clicks")
    store = Store(str(folder / "warehouse"))
    load_file(store, "search_events", write_visits(folder / "visits.csv"))
    return Learnt(store, *run_job(store, "judge_by_clicks", *PARAMETERS))


@pytest.fixture
def copied(learnt: Learnt, tmp_path: Path) -> Store:
    """A copy of that warehouse, which a test may change."""
    shutil.copytree(learnt.store.root, tmp_path / "warehouse")
    return Store(str(tmp_path / "warehouse"))


def rows(store: Store) -> pl.DataFrame:
    return pl.read_delta(store.uri("search_judgements")).with_columns(pl.col("grade").cast(pl.Float64))


def test_grades_follow_the_products_and_not_their_places(learnt: Learnt) -> None:
    assert learnt.code == 0, learnt.error
    found = rows(learnt.store)
    number = found["product_id"].str.slice(1).str.split("-")
    true = np.array([truth()[int(q), int(p)] for q, p in number.to_list()])
    naive = (found["clicked"] / found["shown"]).to_numpy()
    wrong, naive_wrong = (np.abs(each - true).mean() for each in (found["attraction"].to_numpy(), naive))
    assert wrong < 0.06 and naive_wrong > 1.5 * wrong, (wrong, naive_wrong)
    assert np.corrcoef(found["grade"].to_numpy(), true)[0, 1] > 0.9
    places = learnt.report["metrics"]["clicks"]["places"]
    assert [places[str(n + 1)] for n in range(PLACES)] == pytest.approx(EXAMINED, abs=0.1)


def test_what_too_few_visits_typed_or_looked_at_is_not_judged(learnt: Learnt) -> None:
    found = rows(learnt.store)
    assert "anna's own query" not in found["query"].to_list()
    assert set(found["query"]) == {f"lamp model{n}" for n in range(QUERIES)}  # two spellings are one query
    assert found["looks"].min() >= 8 and set(found["source"]) == {"clicks"}
    assert found["shown"].max() == VISITS
    assert found.filter(pl.col("attraction") < 0.02)["grade"].sum() == 0


def test_a_purchase_is_worth_more_than_a_click(copied: Store) -> None:
    code, _, error = run_job(copied, "judge_by_clicks", *PARAMETERS, "purchase_weight=0")
    assert code == 0, error
    found = rows(copied).filter(pl.col("grade") > 0)
    assert np.abs(found["grade"] - found["attraction"]).max() < 1e-4
    assert run_job(copied, "judge_by_clicks", *PARAMETERS, "purchase_weight=3")[0] == 0
    found = rows(copied).filter(pl.col("grade") > 0).with_columns(buys=pl.col("purchased") / pl.col("clicked"))
    ratio = found.with_columns(ratio=pl.col("grade") / pl.col("attraction")).filter(pl.col("clicked") >= 8)
    assert np.corrcoef(ratio["ratio"], ratio["buys"])[0, 1] > 0.9


def test_a_second_run_does_nothing(copied: Store) -> None:
    version = copied.snapshot("search_judgements").version
    assert run_job(copied, "judge_by_clicks", *PARAMETERS)[1]["outcome"] == "nothing to do"
    assert copied.snapshot("search_judgements").version == version


def test_what_others_did_is_named_and_undone(copied: Store) -> None:
    before = copied.snapshot("search_judgements").rows
    DeltaTable(copied.uri("search_judgements")).delete("grade >= 0")
    code, report, err = run_job(copied, "judge_by_clicks", *PARAMETERS)
    assert (code, report["outcome"]) == (0, "published"), err
    assert "search_judgements" in report["message"] and copied.snapshot("search_judgements").rows == before


def test_showings_that_were_cut_are_refused(copied: Store) -> None:
    before = copied.snapshot("search_judgements")
    rows = copied.snapshot("search_events").read()
    table = TABLES["search_events"]
    written = copied.write_file(table, rows.slice(0, rows.num_rows // 3), "cut", 0)
    copied.commit(table, [written], "replace", "cut")
    code, _, err = run_job(copied, "judge_by_clicks", *PARAMETERS, "gates.better=false", "gates.min_moved=0")
    assert code == 3 and "gates.rows=any" in err, err
    assert copied.snapshot("search_judgements").version == before.version


@pytest.mark.chaos
def test_killed_before_the_commit_nothing_is_shown(learnt: Learnt, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "warehouse"))
    load_file(store, "search_events", write_visits(tmp_path / "visits.csv"))
    assert killed(store, "clicks_written", "judge_by_clicks", PARAMETERS)
    assert store.find("search_judgements") is None
    assert run_job(store, "judge_by_clicks", *PARAMETERS)[0] == 0
    assert rows(store).drop("run_id").equals(rows(learnt.store).drop("run_id"))


def test_products_that_never_moved_are_refused(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "warehouse"))
    load_file(store, "search_events", write_visits(tmp_path / "still.csv", moved=0))
    code, _, error = run_job(store, "judge_by_clicks", *PARAMETERS)
    assert code == 3 and "nobody can tell a good place from a good product" in error
    assert store.find("search_judgements") is None
    code, _, error = run_job(store, "judge_by_clicks", "least_visits=1000")
    assert code == 2 and "least_visits=1000" in error


@pytest.mark.usefixtures("ray_local")
def test_a_search_is_judged_by_people_or_by_clicks_and_never_by_both(copied: Store, tmp_path: Path) -> None:
    products = [(f"p{q}-{p}", f"Lamp model{q} number{p}", "en") for q in range(QUERIES) for p in range(PLACES)]
    pl.DataFrame(products, schema=["product_id", "title", "language"], orient="row").write_csv(tmp_path / "p.csv")
    load_file(copied, "products", tmp_path / "p.csv")
    assert run_job(copied, "embed_products", "engine.kind=fake")[0] == 0
    asked = ("evaluate_search", "gates.min_queries=2")
    code, _, error = run_job(copied, *asked)
    assert code == 2 and "judgements" in error  # clicks do not stand in for people
    pl.DataFrame({"query": ["lamp model1", "lamp"], "product_id": ["p1-3", "p2-1"], "grade": [3, 1]}).write_csv(
        tmp_path / "j.csv"
    )
    load_file(copied, "judgements", tmp_path / "j.csv")
    for judged_by, table, count in (("people", "judgements", 2), ("clicks", "search_judgements", len(rows(copied)))):
        _, report, error = run_job(copied, *asked, f"judged_by={judged_by}")
        assert report["metrics"]["judgements"]["judgements"] == count, error
        assert table in report["tables"] and len({"judgements", "search_judgements"} & set(report["tables"])) == 1
