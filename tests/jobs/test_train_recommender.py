"""train_recommender whole: what is published once, what is refused, and what a killed run leaves to the next one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deltalake import DeltaTable

from shopbatch.capabilities.recommendations.recommender import NEIGHBOURS, Recommender
from shopbatch.capabilities.recommendations.sequences_reader import read_sequences
from shopbatch.models import registry
from shopbatch.training import workers
from shopbatch.warehouse.store import Store
from tests.capabilities.recommendations.sequences import Row, of_habit, of_paths, put_products, put_sequences
from tests.jobs.command_line import messages, run_job
from tests.training import in_process

pytestmark = pytest.mark.usefixtures("ray_local")
JOB = "train_recommender"
NO_TEXT, NO_SEQUENCE = "text.encoder=off", "sequence.enabled=off"


def models(store: Store) -> list[str]:
    return [registry.reference(manifest) for manifest, _ in registry.listed(f"{store.root}/_models")]


def live(store: Store) -> Recommender:
    return Recommender.load(Path(registry.find(f"{store.root}/_models", "recommender@live").path))


def neighbours(store: Store) -> dict[tuple[str, str], dict[str, float]]:
    rows = store.snapshot("product_neighbours").read().to_pylist()
    out = {(r["product_id"], r["kind"]): dict(zip(r["neighbours"], r["weights"], strict=True)) for r in rows}
    assert len(out) == len(rows)
    return out


def habits() -> list[Row]:
    """A shop with one user of 100,000 lines, fuel, and a rare product that like-minded users buy late."""
    rows = of_habit(0)
    rows += [("u999", f"q{n % 400:03}", 80 + n // 400) for n in range(100_000)]
    return rows + [(f"u{n:03}", "fuel", day) for n in range(120) for day in range(n, 330, 30)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A warehouse after its first training, by counting alone, and the report of that run."""
    store = Store(str(tmp_path_factory.mktemp("trained") / "warehouse"))
    put_sequences(store, habits(), ["nobody"])
    names = {row[1] for row in habits()} | {"never bought"}
    put_products(store, {n: (f"title {n[:2]}", "FUEL" if n == "fuel" else "FOOD") for n in names})
    code, report, err = run_job(store, JOB, NO_SEQUENCE)
    assert code == 0, err
    return Path(store.root), report


@pytest.fixture
def shop(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> Store:
    """A copy of one's own."""
    return Store(str(shutil.copytree(trained[0], tmp_path / "warehouse")))


def test_a_recommender_and_its_neighbours_are_published(trained: tuple[Path, dict[str, Any]]) -> None:
    store, report = Store(str(trained[0])), trained[1]
    assert report["outcome"] == "published" and all(gate["passed"] for gate in report["gates"])
    quality = report["metrics"]["quality"]
    assert quality["window"]["n"] == 121
    for question, base in (("window", "frequency"), ("window, new", "popularity")):
        own, other = quality[question], quality[question]["baselines"][base]
        assert own["gain of ndcg@10"]["low"] > 0 and own["ndcg@10"]["value"] > other["ndcg@10"]["value"]
        assert {"coverage", "gini", "popularity", "popularity_wanted"} <= own.keys() & other.keys()
    assert "49 users" not in json.dumps(report["metrics"]["parts"]) and len(report["metrics"]["parts"]) == 3
    page = Path(trained[0], "_runs", JOB, report["run_id"], "report.html").read_text("utf-8")
    assert page.count("<svg") == 2 and "Exposure of the products" in page
    recommender = live(store)
    assert "fuel" not in recommender.product_ids and "never bought" in recommender.product_ids
    assert list(recommender.product_ids) == sorted(recommender.product_ids)
    named = read_sequences(store.snapshot("user_sequences").read(), [1], recommender.product_ids)
    got = recommender.candidates("discover", named.history, 10)
    mine = np.flatnonzero(got.user == named.users.index("u001"))
    by_count = [got.item[n] for n in mine if got.source[n] == NEIGHBOURS]
    assert by_count and {recommender.product_ids[i][:2] for i in by_count[:3]} <= {"p2", "p3"}  # the user's kind
    manifest = registry.find(f"{store.root}/_models", "recommender@live").manifest
    assert len(manifest["rows"]) == 122 and "u001" not in json.dumps(manifest)


def test_neighbours_are_what_is_bought_on_the_same_day_and_next(trained: tuple[Path, dict[str, Any]]) -> None:
    """Against counting by dictionaries: the cosine of the baskets that hold two products."""
    got = neighbours(Store(str(trained[0])))
    baskets: dict[tuple[str, int], set[str]] = {}
    for user, product, day in habits():
        if product != "fuel" and product[0] == "p":  # the others have too few buyers
            baskets.setdefault((user, day), set()).add(product)
    single = Counter(product for basket in baskets.values() for product in basket)
    pairs = Counter(pair for basket in baskets.values() for pair in combinations(sorted(basket), 2))
    together = {key: row for key, row in got.items() if key[1] == "together"}
    assert sum(map(len, together.values())) == 2 * len(pairs)
    for (a, b), count in pairs.items():
        assert together[a, "together"][b] == pytest.approx(count / (single[a] * single[b]) ** 0.5, rel=1e-5)
    assert "p11" in got["p01", "next"] and not {"fuel", "q001"} & {key[0] for key in got}
    assert all(list(row.values()) == sorted(row.values(), reverse=True) for row in got.values())


def test_a_second_run_has_nothing_to_do_and_puts_a_changed_table_right(shop: Store) -> None:
    before, there = neighbours(shop), models(shop)
    version = shop.snapshot("product_neighbours").version
    code, report, _ = run_job(shop, JOB, NO_SEQUENCE, "workers.count=2", "gates.users=30")  # no part of the origin
    assert code == 0 and report["outcome"] == "nothing to do"
    assert shop.snapshot("product_neighbours").version == version
    DeltaTable(shop.uri("product_neighbours")).delete("kind = 'next'")
    code, report, _ = run_job(shop, JOB, NO_SEQUENCE)
    assert code == 0 and report["outcome"] == "published" and "DELETE" in report["message"]
    assert neighbours(shop) == before and models(shop) == there
    (path,) = DeltaTable(shop.uri("product_neighbours")).file_uris()[:1]
    data = bytearray(Path(path).read_bytes())
    data[len(data) // 2] ^= 0xFF
    Path(path).write_bytes(data)
    code, report, _ = run_job(shop, JOB, NO_SEQUENCE)
    assert code == 0 and "damaged" in report["message"] and neighbours(shop) == before and models(shop) == there
    assert run_job(shop, JOB, NO_SEQUENCE)[1]["outcome"] == "nothing to do"


def test_other_rows_or_settings_train_again(shop: Store) -> None:
    code, report, _ = run_job(shop, JOB, NO_SEQUENCE, NO_TEXT, "habit.half_life_days=[7]")
    assert code == 0 and report["outcome"] == "published" and "again by its settings" in report["metrics"]["live"]
    put_sequences(shop, [*habits(), ("u000", "p00", 331)])
    code, report, _ = run_job(shop, JOB, NO_SEQUENCE, NO_TEXT, "habit.half_life_days=[7]")
    assert code == 0 and report["outcome"] == "published" and len(models(shop)) == 3


def test_what_is_no_better_than_counting_is_refused(store: Store) -> None:
    put_sequences(store, of_habit(1, rule=False))
    code, report, err = run_job(store, JOB, NO_SEQUENCE, NO_TEXT)
    assert code == 3 and report["outcome"] == "refused" and "no list is better than its baseline" in messages(err)[-1]
    assert not models(store) and not store.exists("product_neighbours")


def test_what_is_clearly_worse_than_the_live_model_is_refused(shop: Store) -> None:
    """New days, which the live model has not seen. Habits of a shop change once; a slow half life never notices."""
    before, table = models(shop), neighbours(shop)
    put_sequences(shop, [r for r in of_habit(0, until=360)])
    slow = "habit.half_life_days=[100000]"
    code, report, err = run_job(shop, JOB, NO_SEQUENCE, NO_TEXT, "gates.certain=false", "gates.worse=0", slow)
    assert code == 3 and "buy_again is not worse than the live one" in messages(err)[-1]
    assert "has not seen the held-out days" in report["metrics"]["live"]
    gains = [g["value"] for g in report["gates"] if g["name"] == "buy_again is not worse than the live one"]
    assert gains[0] < 0 and models(shop) == before and neighbours(shop) == table


@pytest.mark.parametrize("place", ["recommender_registered", "neighbours_written"])
def test_a_kill_between_model_and_table_is_made_good_by_the_next_run(shop: Store, place: str) -> None:
    shutil.rmtree(shop.uri("product_neighbours"))
    shutil.rmtree(f"{shop.root}/_models/recommender")
    crash = {"SHOPBATCH_CRASH_AT": place, "SHOPBATCH_WAREHOUSE": shop.root}
    command = [sys.executable, "-m", "shopbatch", "run", JOB, NO_SEQUENCE]
    killed = subprocess.run(command, env=os.environ | crash, capture_output=True, check=False)
    assert killed.returncode == 4 and b"SIGKILL" in killed.stderr, killed.stderr
    (model,) = models(shop)
    assert not shop.exists("product_neighbours")
    code, report, _ = run_job(shop, JOB, NO_SEQUENCE)
    assert code == 0 and report["outcome"] == "published" and models(shop) == [model]
    assert neighbours(shop) and run_job(shop, JOB, NO_SEQUENCE)[1]["outcome"] == "nothing to do"


QUICK = ["sequence.hidden=16", "sequence.max_items=12", "loop.block_tokens=16", "loop.schedule.peak=0.02",
         "sequence.dropout=0", "sequence.least_users=100", "sequence.min_steps=120", "loop.eval_steps=60",
         "neighbours.ways=[ease]", "items.min_users=2", NO_TEXT]  # fmt: skip


def test_the_order_of_time_is_learnt_and_kept_where_it_pays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Purchases follow a path that no count of common buyers tells."""
    monkeypatch.setattr(workers, "run_workers", in_process.run_workers)
    put_sequences(store, of_paths(0, 300))
    code, report, err = run_job(store, JOB, *QUICK)
    assert code == 0, err
    kept = report["metrics"]["parts"]["sequence in discover"]
    assert kept["weight"] > 0 and kept["gain"]["low"] > 0
    new = report["metrics"]["quality"]["window, new"]
    assert new["ndcg@10"]["value"] > new["baselines"]["neighbours"]["ndcg@10"]["value"] + 0.05
    assert {name for name in report["metrics"] if name.startswith("training")} == {
        "training of the sequence",
        "training of the sequence on everything",
    }
    assert live(store).sequence is not None and live(store).sequence.discover == kept["weight"]
    assert not list(Path(store.root, "_training", JOB).iterdir())
    assert run_job(store, JOB, *QUICK)[1]["outcome"] == "nothing to do"


ONE = [("u1", "a", day) for day in range(0, 100, 10)]


@pytest.mark.parametrize(
    ("rows", "arguments", "code", "said"),
    [
        ([], [], 2, "user_sequences has no purchase of any user"),
        (ONE, [], 3, "1 users bought something on the held-out days"),
        (ONE, ["holdout_days=60", "validation_days=60"], 2, "need purchases of more days than the 91 that are there"),
        (ONE, ["loop.block_tokens=16", "sequence.enabled=auto"], 2, "loop.block_tokens=16 is less than sequence.max_i"),
        (ONE, ["items.exclude.department=[FOOD]"], 2, "every product that was bought is excluded by items.exclude"),
        (ONE, ["items.exclude={shelf: [A]}"], 2, "items.exclude: products has no column 'shelf'"),
        ([(f"u{n}", f"{d}", d) for n in range(30) for d in range(0, 100, 9)], [], 3, "no list is better"),
    ],
    ids=["no user", "one user", "window too long", "block too short", "all excluded", "no such column", "no overlap"],
)
def test_what_cannot_be_trained_is_said_in_one_line(
    store: Store, rows: list[Row], arguments: list[str], code: int, said: str
) -> None:
    put_sequences(store, rows, ["somebody"])
    put_products(store, {"a": ("a coat", "FOOD")})
    got, _, err = run_job(store, JOB, NO_SEQUENCE, *arguments)
    assert got == code and said in messages(err)[-1]
    assert not models(store) and not store.exists("product_neighbours")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
