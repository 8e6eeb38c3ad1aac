"""finetune_retriever whole, on a tiny random encoder, in a shop whose queries and products share no telling word.

Every query has a word of its kind and one that misleads: it stands in products of other kinds. BM25 finds only these.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shopbatch.cli import main as cli
from shopbatch.load import load_file
from shopbatch.models import registry
from shopbatch.training import workers
from shopbatch.warehouse.store import Store
from tests.engines import tiny
from tests.training import in_process

pytestmark = [pytest.mark.usefixtures("ray_local"), pytest.mark.slow]
KINDS, OF_KIND, QUERIES = 8, 6, 240
ENGINE = ["engine.kind=torch", "engine.max_tokens=40", "engine.dtype=float32", "workers=1"]
QUICK = ["embedders=1", "workers.count=1", "workers.threads=1", "encoder.freeze=[]", "encoder.dropout=0.0",
         "encoder.mix=1.0", "encoder.temperature=0.1", "pairs.hard=1", "pairs.per_query=4", "least_pairs=100",
         "min_labelled=20", "loop.block_tokens=512", "loop.batch_blocks=2", "loop.micro_blocks=2", "loop.epochs=4",
         "loop.eval_steps=20", "loop.precision=fp32", "loop.schedule.peak=0.003"]  # fmt: skip
draw = random.Random(0)
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
WORDS = draw.sample([a + b + a for a in SYLLABLES for b in SYLLABLES], 40 + QUERIES)


def products() -> Iterable[tuple[str, str, str]]:
    for kind in range(KINDS):
        for number in range(OF_KIND):
            yield f"p{kind}-{number}", f"{'ABCDEFGH'[kind] * 3} {WORDS[(kind * OF_KIND + number) % 40]}", "en"


def queries() -> list[tuple[str, int]]:
    """Each says its kind by a digit, and has a word of products of other kinds and one of no product."""
    made = []
    for n in range(QUERIES):
        kind = n % KINDS
        other = WORDS[((kind + 1 + n // KINDS) % KINDS * OF_KIND + n % OF_KIND) % 40]
        made.append((f"{str(kind) * 4} {other} {WORDS[40 + n]}", kind))
    return made


def write(path: Path, header: str, rows: Iterable[tuple[Any, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def judge(store: Store, folder: Path, kinds: int = KINDS) -> None:
    """Judge the products of some kinds, as many as `kinds`, for every query, its own kind among them."""
    rows = [
        (text, f"p{other % KINDS}-{number}", int(other == kind))
        for text, kind in queries()
        for other in range(kind, kind + kinds)
        for number in range(OF_KIND)
    ]
    load_file(store, "judgements", write(folder / f"j{kinds}.csv", "query,product_id,grade", rows), mode="replace")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, ray_local: None) -> tuple[Store, str]:
    """A warehouse with an index of a random encoder. Tests replace its judgements."""
    folder = tmp_path_factory.mktemp("retriever")
    store = Store(str(folder / "warehouse"))
    base = tiny.build(folder / "base", query="q: ", passage="p: ")
    load_file(store, "products", write(folder / "p.csv", "product_id,title,language", products()))
    judge(store, folder)
    assert cli.main(["run", "embed_products", f"encoder={base}", *ENGINE, f"platform.warehouse={store.root}"]) == 0
    return store, f"base={base}"


def call(
    store: Store, capsys: pytest.CaptureFixture[str], job: str, *arguments: str
) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = cli.main(["run", job, *arguments, f"platform.warehouse={store.root}"])
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("shopbatch:")]
    return code, json.loads(out.splitlines()[-1]) if out.strip() else {}, "\n".join(lines)


@pytest.mark.timeout(600)
def test_an_encoder_that_finds_more_is_published_and_one_that_does_not_is_refused(
    shop: tuple[Store, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store, base = shop
    models = f"{store.root}/_models"
    code, dry, err = call(store, capsys, "finetune_retriever", base, *QUICK, "--dry-run")
    assert code == 0, err
    code, report, err = call(store, capsys, "finetune_retriever", base, *QUICK)
    assert code == 0, err
    search, counts = report["metrics"]["search"], report["metrics"]["judgements"]
    assert dry["estimate"]["products to embed"] == report["metrics"]["products"]["embedded"] == KINDS * OF_KIND
    assert dry["estimate"]["queries trained on"] == counts["queries trained on"]
    assert dry["estimate"]["training steps"] == pytest.approx(report["metrics"]["training"]["steps"], rel=0.2)
    assert search["verdict"] == "above"
    against = search["ndcg_10_against"]
    assert against["hybrid, live encoder, tuned alike"]["low"] > 0.1
    assert against[search["best_bm25"]]["low"] > 0.1
    assert search["methods"]["dense, trained encoder"]["ndcg_10"]["value"] > 0.8
    live = registry.resolve(models, "search-encoder@live")
    assert live.digest == report["models"]["search-encoder"]
    assert "candidate" not in live.manifest
    assert len(live.manifest["rows"]) == counts["queries trained on"]
    spec = json.loads(Path(live.path, "encoder.json").read_text("utf-8"))
    assert (spec["query"], spec["passage"]) == ("q: ", "p: ")
    assert not list(Path(store.root, "_training").rglob("checkpoint.json"))

    assert live.manifest["metrics"]["search"]["ndcg@10"] == search["methods"]["hybrid, trained encoder"]["ndcg_10"]
    # nobody sees anything of it yet
    assert store.snapshot("product_embeddings").version == 1
    # the same once more: nothing to do
    assert call(store, capsys, "finetune_retriever", base, *QUICK)[1]["outcome"] == "nothing to do"

    # embed_products takes the vectors that judged it, and the search then is as good as was said
    code, embedded, err = call(store, capsys, "embed_products", "encoder=search-encoder@live", *ENGINE)
    assert (code, embedded["rows"]["computed"]) == (0, 0), err
    code, evaluated, err = call(store, capsys, "evaluate_search", "min_labelled=20")
    assert code == 0, err
    methods = evaluated["metrics"]["search"]["methods"]
    assert methods["dense"]["ndcg_10"]["value"] == pytest.approx(
        search["methods"]["dense, trained encoder"]["ndcg_10"]["value"], abs=1e-6
    )
    # weights are tuned on the queries that it was not trained on
    assert evaluated["metrics"]["judgements"]["tuning half"] == counts["queries that choose"]

    # one that is hardly trained: refused, and what is live stays; of the other nothing is left
    monkeypatch.setattr(workers, "run_workers", in_process.run_workers)
    code, worse, err = call(store, capsys, "finetune_retriever", base, *QUICK, "loop.max_steps=1")
    assert (code, worse["metrics"]["search"]["verdict"]) == (3, "below live"), err
    assert registry.resolve(models, "search-encoder@live").digest == live.digest
    kept = {p.parent.name for p in Path(models).glob("search-encoder/*/manifest.json")}
    assert kept == {live.digest[:12]}

    # one that is as good as the live one, since it is the live one: it is not better
    code, _, err = call(store, capsys, "finetune_retriever", base, *QUICK, "pairs.least_visits=4")
    assert code == 3, err
    assert "is not surely better" in err

    # of the first ten few are judged: nothing can be said, and what to judge is listed
    judge(store, tmp_path, kinds=1)
    code, unknown, err = call(store, capsys, "finetune_retriever", base, *QUICK, "loop.max_steps=2")
    assert (code, unknown["metrics"]["search"]["verdict"]) == (3, "cannot tell"), err
    sheet = pl.read_csv(Path(store.root) / "_runs" / "finetune_retriever" / unknown["run_id"] / "to_judge.csv")
    assert len(sheet) > 100


def test_mistakes_are_named_before_anything_is_trained(
    shop: tuple[Store, str], store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    full, base = shop
    other = [*QUICK, "pairs.least_visits=5"]  # another encoder than one that may be live
    judge(full, tmp_path)
    code, _, err = call(full, capsys, "finetune_retriever", base, *other, "least_pairs=100000")
    assert code == 2
    assert "fewer than least_pairs=100000" in err
    code, _, err = call(full, capsys, "finetune_retriever", base, *other, "loop.block_tokens=100")
    assert code == 2
    assert "an example with pairs.hard=1 can have" in err
    load_file(full, "products", write(tmp_path / "more.csv", "product_id,title,language", [("new", "new", "en")]))
    code, _, err = call(full, capsys, "finetune_retriever", base, *other)
    assert code == 2
    assert "products has version 2 and the search index is of an older one" in err
    # a shop whose vectors are invented
    load_file(store, "products", write(tmp_path / "p.csv", "product_id,title,language", products()))
    judge(store, tmp_path)
    assert call(store, capsys, "embed_products", "engine.kind=fake")[0] == 0
    code, _, err = call(store, capsys, "finetune_retriever", base, *QUICK)
    assert code == 2
    assert "fake engine" in err
