"""embed_products with the fake engine: vectors and index are shown together, and only what changed is computed.

The first run is made once; a test that begins with a published table works on a copy of that warehouse.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from shopbatch.capabilities.search.index_files import FOLDER
from shopbatch.capabilities.search.live import live_index
from shopbatch.inference.candidate import VOLATILE
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.synonyms import SYNONYMS
from shopbatch.warehouse.store import Store
from tests.jobs.command_line import run_job

pytestmark = pytest.mark.usefixtures("ray_local")
ROOT = Path(__file__).parents[2]
ARGUMENTS = ("engine.kind=fake", "engine.dim=16")
WORDS = ("red", "blue", "winter", "summer", "coat", "dress", "kettle", "toner", "冬天", "羽绒服")


def catalogue(rows: int = 120) -> list[dict[str, Any]]:
    draw = np.random.default_rng(0)
    return [
        {"product_id": f"p{n:03d}", "title": f"{n} {' '.join(draw.choice(WORDS, 4))}", "brand": "Acme"}
        | {"language": "zh" if n % 4 == 0 else None, "attributes": [("colour", "red")] if n % 3 else None}
        for n in range(rows)
    ] + [{"product_id": "empty"}]


def put(store: Store, rows: list[dict[str, Any]], name: str) -> None:
    columns = {c.name: pa.array([row.get(c.name) for row in rows], c.type) for c in PRODUCTS.columns}
    file = store.write_file(PRODUCTS, pa.table(columns, PRODUCTS.schema()), name, 0)
    store.commit(PRODUCTS, [file], "replace", name)


def run(store: Store, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, report, _ = run_job(store, "embed_products", *ARGUMENTS, *arguments)
    return code, report


def published(store: Store) -> pl.DataFrame:
    return pl.DataFrame(store.snapshot("product_embeddings").read()).drop(*VOLATILE).sort("product_id")


def keys(store: Store) -> list[str]:
    return sorted(p.name for p in Path(store.root, FOLDER).iterdir() if not p.name.startswith("_"))


@pytest.fixture(scope="module")
def first(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("embedded") / "warehouse"))
    put(store, catalogue(), "first")
    code, report = run(store)
    assert (code, report["rows"]["published"], report["rejects"]) == (0, 120, {"empty": 1})
    return store


@pytest.fixture
def shop(first: Store, tmp_path: Path) -> Store:
    shutil.copytree(first.root, tmp_path / "shop")
    return Store(str(tmp_path / "shop"))


def test_the_table_and_its_index_are_of_the_same_rows(first: Store) -> None:
    live = live_index(first)
    index, rows = live.open(), published(first)
    assert index.products["product_id"].to_pylist() == rows["product_id"].to_list()
    assert live.manifest.products == 120
    assert live.manifest.languages["zh"] >= 30
    assert keys(first) == [live.manifest.key]
    vectors = np.stack([np.frombuffer(v, np.int8) for v in rows["vector"]]) * rows["scale"].to_numpy()[:, None]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.02)
    memo = pl.read_delta(first.uri("embed_products_memo"))
    assert {len(v) for v in memo["vector"]} == {32}, "float16 in the memo"
    snapshot = first.snapshot("product_embeddings")
    assert snapshot.bounds("title") and not snapshot.bounds("vector")


def test_a_second_run_computes_and_commits_nothing(shop: Store) -> None:
    version, index = shop.snapshot("product_embeddings").version, live_index(shop)
    code, report = run(shop)
    assert (code, report["outcome"], report["engine"]["calls"]) == (0, "nothing to do", 0)
    assert (shop.snapshot("product_embeddings").version, live_index(shop)) == (version, index)


def test_a_changed_product_recomputes_only_itself(shop: Store) -> None:
    before, old = published(shop), live_index(shop).manifest.key
    rows = catalogue()
    rows[7]["title"] = "zebra crossing"
    rows[9]["price"] = 5  # not read by the encoder
    put(shop, rows, "second")
    code, report = run(shop)
    assert (code, report["rows"]["computed"]) == (0, 1)
    after = published(shop)
    same = before["vector"] == after["vector"]
    assert after.filter(~same)["product_id"].to_list() == ["p007"]
    assert after.filter(pl.col("price").is_not_null())["product_id"].to_list() == ["p009"]
    index = live_index(shop).open()
    found, _ = index.lexical.top(index.lexical.look_up(["zebra"])[0], 5)
    assert index.products["product_id"].take(found).to_pylist() == ["p007"]
    assert keys(shop) == sorted([old, live_index(shop).manifest.key]), "the index before stays for its readers"


def test_other_settings_of_the_index_compute_no_vector(shop: Store) -> None:
    before, old = published(shop), live_index(shop).manifest.key
    code, report = run(shop, "fusion.method=convex", "fusion.dense={'*': 0.3}", "lexical.b=0.2")
    assert (code, report["outcome"], report["rows"]["computed"]) == (0, "published", 0)
    live = live_index(shop)
    assert (live.manifest.key != old, live.manifest.fusion.dense, live.manifest.lexical.b) == (True, {"*": 0.3}, 0.2)
    assert published(shop).equals(before)
    code, report = run(shop, "fusion.method=convex", "fusion.dense={'*': 0.3}", "lexical.b=0.2")
    assert report["outcome"] == "nothing to do"


def test_vectors_in_lists_are_measured_and_compute_no_vector(shop: Store) -> None:
    assert live_index(shop).open().dense.lists is None  # a small catalogue is searched exactly
    code, report = run(shop, "vectors.kind=ivf", "vectors.nearest=10", "vectors.recall=0.9")
    assert (code, report["outcome"], report["rows"]["computed"]) == (0, "published", 0)
    said, live = report["metrics"]["index"], live_index(shop)
    lists = live.open().dense.lists
    assert lists is not None and sorted(lists.members) == list(range(120))
    assert (said["lists"], said["lists read"]) == (len(lists.centres), live.manifest.nprobe)
    assert min(said["recall"][f"{kind}, 10 nearest"] for kind in ("products", "reference queries")) >= 0.9


def test_a_lost_index_is_made_again_with_the_same_bytes(shop: Store) -> None:
    key = live_index(shop).manifest.key
    folder = Path(shop.root, FOLDER, key)
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "manifest.json"}
    shutil.rmtree(folder)
    assert run(shop)[0] == 0
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "manifest.json"} == before


@pytest.mark.chaos
@pytest.mark.parametrize("place", ["index_written", "between_commits"])
def test_killed_at_a_commit_table_and_index_are_of_one_version(shop: Store, place: str) -> None:
    old = live_index(shop)
    rows = catalogue()
    rows[7]["title"] = "zebra crossing"
    put(shop, rows, "second")
    assert killed(shop, place)
    assert live_index(shop) == old
    assert live_index(shop).open().products["title"].to_pylist() == published(shop)["title"].to_list()
    code, report = run(shop)
    assert (code, report["rows"]["computed"]) == (0, 0)
    live = live_index(shop)
    assert live.manifest.key != old.manifest.key
    assert live.open().products["title"].to_pylist() == published(shop)["title"].to_list()
    assert "zebra crossing" in published(shop)["title"].to_list()


def killed(store: Store, place: str, job: str = "embed_products", arguments: tuple[str, ...] = ARGUMENTS) -> bool:
    """Run the job in a process of its own, which is killed there."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {"SHOPBATCH_CRASH_AT": place, "SHOPBATCH_WAREHOUSE": store.root, "SHOPBATCH_HOME": str(ROOT)}
    command = [sys.executable, "-m", "shopbatch", "run", job, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode == 4 and "killed by SIGKILL" in done.stderr


def test_new_synonyms_make_a_new_index_and_compute_no_vector(shop: Store) -> None:
    old = keys(shop)
    columns = {"term": ["teapot"], "synonym": ["kettle"]}
    rows = SYNONYMS.fill(1, **{name: pa.array(values, pa.string()) for name, values in columns.items()})
    shop.commit(SYNONYMS, [shop.write_file(SYNONYMS, rows, "first", 0)], "replace", "first")
    code, report = run(shop)
    assert (code, report["outcome"], report["engine"]["calls"]) == (0, "published", 0)
    assert set(keys(shop)) - set(old)
    assert live_index(shop).open().synonyms.of("a teapot", None) == ("kettle",)
    assert run(shop)[1]["outcome"] == "nothing to do"
