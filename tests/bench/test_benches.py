"""Every file of bench/ runs at its smallest size, or says in one line what it lacks and ends with exit code 2."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import struct
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shopbatch.warehouse.store import Store
from tests.bench.conftest import Here, reviews_of, write_json_lines
from tests.capabilities.translation import dictionary

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
# parts of others, which run with them
PARTS = {"side_by_side", "profile_tools", "profile_days", "profile_growth", "pandas_profiles", "plain_profiles"}
PARTS |= {"page", "scale_model", "quick_stage", "__main__"}


def bench(name: str) -> Any:
    return importlib.import_module(f"bench.{name}")


def run(name: str, *words: object, **named: Any) -> Any:
    return bench(name).main([str(word) for word in words], **named)


Out = pytest.CaptureFixture[str]


def lacks(out: Out, name: str, *words: object) -> str:
    """Run a benchmark that lacks something: one line, exit code 2. Returns the line."""
    with pytest.raises(SystemExit) as ended:
        run(name, *words)
    assert ended.value.code == 2
    said = [line for line in out.readouterr().err.splitlines() if line.startswith("not run: ")]
    assert len(said) == 1
    return said[0]


def figures(path: Path, sides: Sequence[str]) -> dict[str, Any]:
    """Read the JSON of a benchmark, and check what all of them have."""
    read: dict[str, Any] = json.loads(path.read_text())
    assert [side["name"] for side in read["sides"]] == list(sides)
    for side in read["sides"]:
        assert len(side["wall"]) == len(side["cpu"]) == 1 and side["wall"][0] > 0
    ours = [side["name"] for side in read["sides"] if side["ours"]]
    others = [side["name"] for side in read["sides"] if not side["ours"]]
    assert [(r["of"], r["beside"]) for r in read["pace"]] == [(a, b) for a in ours for b in others]
    assert read["machine"]["cpus"] and read["versions"]["numpy"] and read["command"].startswith("python -m bench.")
    return read


# -- a test for each file: its name is that of the file


def test_bound() -> None:
    peak = run("bound", "--size", 64, "--threads", 1)
    assert set(peak) == {"fp32", "bf16", "memory"} and min(peak.values()) > 0


def test_sentiment(shop: Store, ray_local: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch, "compile", lambda forward, **_: forward)  # compiling takes a minute
    path = tmp_path / "sentiment.json"
    run("sentiment", "--rows", 24, "--rounds", 1, "--generated", "--models", f"{shop.root}/_models",
        "--max-tokens", 64, "--size", 64, "--threads", 1, "--json", path)  # fmt: skip
    read = figures(path, ["HF pipeline", "HF sorted, bf16", "HF sorted, bf16, compiled", "engine", "job"])
    labels = read["agreement"]["labels"]
    assert read["units"] == 24 and labels["engine"] >= 0.9 and labels["job"] >= 0.9  # another order would give a third
    assert read["bound"]["least_seconds"]["fp32"] > 0 and "sentence-transformers" in read["not_run"]


def test_generation(causal: Path, tmp_path: Path) -> None:
    path = tmp_path / "generation.json"
    run("generation", "--rows", 2, "--rounds", 1, "--longest", 4, "--model", causal, "--precisions", "fp32",
        "--size", 64, "--threads", 1, "--vllm", tmp_path / "none", "--json", path)  # fmt: skip
    read = figures(path, ["HF batches of 32", "HF sorted, bf16", "OpenVINO fp32"])
    assert read["agreement"]["equal texts"]["OpenVINO fp32"] == 1.0 and "vLLM" in read["not_run"]


def test_training(ray_local: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    from shopbatch.training import workers
    from tests.training.in_process import run_workers

    small = ("--rows", 40, "--rounds", 1, "--hidden", 64, "--layers", 1, "--vocabulary", 300)
    path = tmp_path / "training.json"
    run("training", "hf", *small, "--size", 64, "--json", path)
    read = figures(path, ["ours fp32", "ours bf16", "HF Trainer", "HF Trainer at its best, bf16"])
    losses = read["agreement"]["validation loss"]
    assert losses["ours fp32"] == pytest.approx(losses["HF Trainer"], rel=0.05)
    monkeypatch.setattr(workers, "run_workers", run_workers)
    run("training", "ray", *small)
    assert "2 x 1 / 1 x 2: " in capsys.readouterr().out


def test_machinery(ray_local: None, tmp_path: Path) -> None:
    path = tmp_path / "machinery.json"
    run("machinery", "--rows", 1000, "--rounds", 1, "--pyarrow", "--json", path)
    read = figures(path, ["shopbatch", "plain Ray Data", "pyarrow alone"])
    rows = read["agreement"]["rows"]
    assert rows["published"] + rows["rejected"] == rows["read"] == 1000 and rows["reused"] == 0
    assert {"index", "compute", "publish", "commit"} <= read["notes"]["stages"].keys()
    run("machinery", "--rows", 1000, "--rounds", 1, "--quick", "--json", path)
    assert figures(path, ["shopbatch", "plain Ray Data"])["agreement"]["rows"]["published"] == rows["published"]


def test_machinery_beside(tmp_path: Path, capsys: Out) -> None:
    run("machinery_beside", ROOT, "--rows", 200, "--rounds", 1)
    assert re.search(r"^ratio \d\.\d+ \(from \d", capsys.readouterr().out, re.M)
    assert "no checkout" in lacks(capsys, "machinery_beside", tmp_path)


def test_user_profiles(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setattr(bench("profile_growth"), "ProcessPoolExecutor", Here)
    monkeypatch.setattr(bench("profile_days"), "NEW_DAYS", 1)
    path = tmp_path / "user_profiles.json"
    run("user_profiles", "real", "--rounds", 1, "--warm", 0, "--reviews", 60, "--json", path)
    read = figures(path, ["job", "DuckDB", "Polars", "plain PySpark", "pandas UDF"])
    for peer in ("Polars", "plain PySpark", "pandas UDF"):
        said = read["agreement"][peer]
        assert " 0 exact values differ" in said and ", 0 buyers missing" in said, said
        assert float(re.search(r"ratio (\S+)", said)[1]) < 1e-9  # type: ignore[index]
    capsys.readouterr()
    run("user_profiles", "growth", "--rows", 1500)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["lines"] == 1500
    run("user_profiles", "day", "--rows", 4000)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["day"]["tiles_kept"] > 0


def test_scale(ray_local: None, tmp_path: Path, capsys: Out) -> None:
    path, page = tmp_path / "scale.json", tmp_path / "scale.md"
    run("scale", "run", 300, 600, 1200, "--here", "--json", path)
    runs = json.loads(path.read_text())["runs"]
    assert [r["rows"] for r in runs] == [300, 600, 1200] and {r["second"]["outcome"] for r in runs} == {"nothing to do"}
    assert all(r["tables"]["sink"]["files"] and r["first"]["driver_mb"] for r in runs)
    module = bench("scale_model")
    page.write_text(f"# Scale\n{module.BEGIN}\nstale\n{module.END}\nafter\n")
    capsys.readouterr()
    run("scale", "tables", "--results", tmp_path, "--page", page)
    said = capsys.readouterr().out
    assert "foretold of 1,200 reviews" in said and "100,000,000 reviews, computed" in said
    assert said.strip() in page.read_text() and "stale" not in page.read_text()
    assert module.Line.through([(1.0, 3.0), (3.0, 7.0)])(10.0) == 21.0
    assert "scale.json" in lacks(capsys, "scale", "tables", "--results", tmp_path / "none")


def test_search_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    module, path = bench("search_scale"), tmp_path / "search_scale.json"
    monkeypatch.setattr(module.multiprocessing, "get_context", lambda _: SimpleNamespace(Process=Here))
    run("search_scale", "scale", "--products", 600, "--queries", 24, "--dim", 16, "--rounds", 1, "--json", path)
    read = figures(path, ["8 bits, best again in 16", "numpy, all pairs in fp32"])
    assert read["agreement"]["share of the ten best"]["numpy, all pairs in fp32"] > 0.95
    run("search_scale", "exact", "--products", 600, "--dim", 16)
    assert "a filter that keeps 1 %, scored again 50: recall@10" in capsys.readouterr().out


def test_recommendations(sequences: Path, tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "recommendations.json"
    run("recommendations", "topk", "--users", 32, "--items", 500, "--dims", 8, "--k", 5, "--rounds", 1, "--json", path)
    read = figures(path, ["tiles", "torch, all pairs, then topk"])
    assert read["agreement"]["share of the best"]["torch, all pairs, then topk"] == 1.0
    run("recommendations", "sequences", sequences)
    items = tmp_path / "items.tsv"
    items.write_text("\n".join(f"c{n}\tred shirt number {n}\t{n}" for n in range(40)))
    past = tmp_path / "past.csv"
    rows = [f'"[{n % 40}, {(n + 1) % 40}]",{(n + 2) % 40}' for n in range(120)]
    past.write_text("\n".join(["history_item_id,item_id", *rows]))
    run("recommendations", "titles", items, past)
    out = capsys.readouterr().out
    assert "neighbours NDCG@10" in out and "among the hidden NDCG@10" in out


def test_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands are stand-ins that leave what the true ones leave: these have tests of their own."""
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(
        "import sys, pathlib, polars as pl\n"
        "words = sys.argv[1:]\n"
        "if words[0] == 'init': pathlib.Path(words[1]).mkdir()\n"
        "if words[0] == 'sample': pl.DataFrame({'review_id': ['a', 'b'], 'text': ['c', 'd']})"
        ".write_delta('.warehouse/reviews')\n"
        "if words[0] == 'run':\n"
        "    memo = pathlib.Path('.warehouse/score_reviews_memo'); memo.mkdir(parents=True, exist_ok=True)\n"
        "    (memo / 'a.parquet').touch()\n"
        "if words[0] == 'load': assert pathlib.Path(words[2]).read_text().startswith('review_id,')\n"
    )
    monkeypatch.setattr(bench("start"), "COMMAND", [sys.executable, str(stand_in)])
    monkeypatch.setattr(bench("start"), "make_run", lambda folder, rows: 1.0)
    path = tmp_path / "start.json"
    run("start", "--rows", 2, "--rounds", 1, "--run", "--json", path)
    assert {"help", "first", "first run", "nothing", "one percent", "make run"} <= json.loads(path.read_text())[
        "figures"
    ].keys()


def test_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path))  # it is set by the benchmark, and put back after the test
    assert "shopbatch" in lacks(capsys, "answers", 4, tmp_path)


def test_aspects(shop: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setattr(bench("aspects"), "KINDS", {"en": ("clothing",)})
    shutil.copytree(shop.root, tmp_path / "shop")
    shared = ("--warehouse", tmp_path / "shop", "--cache", tmp_path / "cache")
    run("aspects", "labels", ROOT / "tests" / "capabilities" / "insights" / "planted", *shared)
    run("aspects", "cost", "--reviews", 8, *shared)
    out = capsys.readouterr().out
    assert "model minus lexicon" in out and "analyse_reviews takes" in out
    assert "Restaurants_Train.xml" in lacks(capsys, "aspects", "semeval", "Restaurants_Train.xml", *shared)


def test_campaigns(capsys: Out) -> None:
    run("campaigns", 5000)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if " s CPU " in line] == [
        "measure_campaigns", "train_uplift", "plan_campaigns",
    ]  # fmt: skip


def test_images(ray_local: None, tmp_path: Path, capsys: Out) -> None:
    run("images", "scale", "--rows", 64)
    assert json.loads(capsys.readouterr().out)["rows"] == 64
    assert "fashion" in lacks(capsys, "images", "quality", tmp_path / "fashion")


def test_distil(shop: Store, capsys: Out) -> None:
    assert "sentiment-student" in lacks(capsys, "distil", shop.root)


def test_descriptions(shop: Store, causal: Path, capsys: Out) -> None:
    run("descriptions", "perplexity", "--warehouse", shop.root, "--model", causal, "--rows", 2)
    assert re.findall(r"^(\w+): perplexity", capsys.readouterr().out, re.M) == ["fp32", "bf16", "int8"]
    assert "product-copy" in lacks(capsys, "descriptions", "engines", "--warehouse", shop.root)


def test_explain(shop: Store, tmp_path: Path, capsys: Out) -> None:
    run("explain", shop.root, "--reviews", 2)
    assert capsys.readouterr().out.count("as many at random") == reviews_of(shop)["language"].drop_nulls().n_unique()
    assert "sentiment" in lacks(capsys, "explain", tmp_path)


def test_grounding(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    module = bench("grounding")
    products, catalogue = module.products, module.catalogue
    monkeypatch.setattr(module, "products", lambda name: list(products(name))[:3])
    monkeypatch.setattr(module, "catalogue", lambda language: catalogue(language)[:3])
    monkeypatch.setattr(module, "sampled", partial(module.sampled, 4))
    monkeypatch.setattr(module, "LANGUAGES", ("zh",))  # the word lists of each take seconds to load
    run("grounding", "held")
    out = capsys.readouterr().out
    assert "zh_held: " in out and "zh: 3 planned, 0 refused" in out and "en: 4 planned, " in out


def test_growth(spark: Any, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setattr(bench("growth"), "ProcessPoolExecutor", Here)
    monkeypatch.setattr(bench("growth"), "SEEDS", 200)
    run("growth", "estimates", 2)
    run("growth", "reach", 500, 5, 2000)
    run("growth", "scale", 1500)
    out = capsys.readouterr().out
    assert '"what": "eigenvalue"' in out and '"graph": "grouped"' in out and '"choose_inviters"' in out


def test_insights(spark: Any, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setattr(bench("insights"), "ProcessPoolExecutor", Here)
    run("insights", 1000, 2000)
    assert "50,000,000 clauses by the slope of these" in capsys.readouterr().out


def test_intents(tiny_encoders: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    kinds = ("parcel", "bill", "coat", "size", "shop", "card")
    said = [{"text": f"where is {kind} {n} please", "intent": kind} for kind in kinds for n in range(12)]
    learn = write_json_lines(tmp_path / "learn.jsonl.gz", said)
    ask = write_json_lines(tmp_path / "ask.jsonl", said[::3])
    for name, less in (("SPLITS", 10), ("SHOTS", (5, 10)), ("STEPS", 10)):
        monkeypatch.setattr(bench("intents"), name, less)
    cache = ("--cache", tmp_path / "cache")
    run("intents", *cache, "banking", learn, ask, "--draws", 1)
    run("intents", *cache, "tickets", "--learn", learn, "--ask", ask)
    out = capsys.readouterr().out
    assert "10 examples  n-grams" in out and "unknown intents" in out and "target 0.9: missed in" in out
    assert "train.gz" in lacks(capsys, "intents", *cache, "banking", "train.gz", "test.gz")


def test_moderation(shop: Store, tmp_path: Path, capsys: Out) -> None:
    said = [{"text": "You are an idiot.", "language": "en", "kind": "insult"},
            {"text": "A fine coat.", "language": "en", "kind": "benign"}]  # fmt: skip
    with pytest.raises(SystemExit) as ended:  # the lists need no model; what follows does
        run("moderation", "--warehouse", shop.root, write_json_lines(tmp_path / "said.jsonl", said))
    told = capsys.readouterr()
    assert ended.value.code == 2 and told.err.count("not run: ") == 1 and "lists alone" in told.out


def test_outlook(journey: Path, capsys: Out) -> None:
    run("outlook", "--transactions", journey, "--dates", 1)
    assert re.findall(r"mean +(.*?) +0\.", capsys.readouterr().out) == [
        "cohort table", "BG/NBD + Gamma-Gamma", "last 30 days",
    ]  # fmt: skip


def test_propensity(cdnow: Path, journey: Path, capsys: Out) -> None:
    run("propensity", "--cdnow", cdnow, "--transactions", "", "--dates", 1, "--rounds", 10)
    out = capsys.readouterr().out
    assert "Complete Journey" not in out and "CDNOW: 1 dates" in out
    for kind in ("table", "repeat", "linear", "boosting"):
        assert re.search(rf"^{kind} +AUC 0\.\d+, over BG/NBD [+-]\d\.\d+ \[", out, re.M)
    assert "chosen for bought: " in out and "chosen for spent: " in out and "lapse: users" in out


def test_recommendation_sequence(sequences: Path, capsys: Out) -> None:
    run("recommendation_sequence", sequences, "loop.epochs=1", "sequence.hidden=16")
    assert "both - counting, paired: HR@10" in capsys.readouterr().out


def test_search(tiny_encoders: None, tmp_path: Path, capsys: Out) -> None:
    kinds = ("hammer", "saw", "drill", "lamp", "paint")
    products = [{"product_id": str(n), "title": f"{kinds[n % 5]} of size {n}"} for n in range(40)]
    write_json_lines(tmp_path / "homedepot_products.jsonl.gz", products)
    asked = [{"query": f"{kinds[n % 5]} {n}", "product_id": str(m), "relevance": 3.0 if n == m else 1.5}
             for n in range(12) for m in range(n % 5, 40, 5)]  # fmt: skip
    write_json_lines(tmp_path / "homedepot_dev_judgements.jsonl.gz", asked)
    run("search", "homedepot", tmp_path, "--cache", tmp_path / "cache")
    out = capsys.readouterr().out
    assert "Home Depot: 40 products" in out and "hybrid, both halves, judged products only" in out
    assert "chorus_dev_judgements" in lacks(capsys, "search", "chorus", tmp_path, "--cache", tmp_path / "cache")


def test_segments(spark: Any, journey: Path, capsys: Out) -> None:
    run("segments", "--transactions", journey, "--months", 2)
    assert re.search(r"^all: segment kept by .* users without a real change", capsys.readouterr().out, re.M)


def test_sentiment_domains(store: Store, capsys: Out) -> None:
    import pyarrow as pa

    from shopbatch.tables.reviews import REVIEWS

    rows = 1_500
    domains, words = ("coats", "phones"), ("awful and torn", "it is all right", "lovely and warm")
    table = REVIEWS.fill(
        rows,
        review_id=pa.array([f"r{i}" for i in range(rows)]),
        text=pa.array([f"this {domains[i % 2]} number {i} is {words[i % 3]}" for i in range(rows)]),
        label=pa.array([("negative", "neutral", "positive")[i % 3] for i in range(rows)]),
        source=pa.array([domains[i % 2] for i in range(rows)]),
    )
    store.commit(REVIEWS, [store.write_file(REVIEWS, table, "run", 0)], "append", "run", {})
    head = '{"l2": [0.03], "steps": 10}'
    run("sentiment_domains", store.root, "--engine", "fake", "--rows", 300, "--head", head)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{rows} texts, languages other, en") or "texts, languages other, en" in lines[0]
    for what in ("all labels", "clear labels", "coats", "phones", "without coats", "without phones"):
        assert any(what in line and "balanced" in line for line in lines), what


def test_shares(capsys: Out) -> None:
    run("shares", 200, 5)
    out = capsys.readouterr().out
    assert "useless classifier" in out and re.search(r"pages without a change: \d+ of 5 ", out)


def compiled(folder: Path, texts: dict[str, str]) -> Path:
    """Write the Spanish texts of a program, as msgfmt compiles them."""
    pairs = [(one.encode(), other.encode()) for one, other in sorted(texts.items())]
    start, tables, bodies = 28 + 16 * len(pairs), [b"", b""], b""
    for side in (0, 1):
        for pair in pairs:
            tables[side] += struct.pack("<II", len(pair[side]), start + len(bodies))
            bodies += pair[side] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, start)
    path = folder / "es" / "LC_MESSAGES" / "shop.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(head + tables[0] + tables[1] + bodies)
    return folder


def test_translation(tmp_path: Path, capsys: Out) -> None:
    text, good = "Do not wash the coat, 3 sizes.", "No lave el abrigo, 3 tallas."
    faults = [
        {"type": "dropped_negation", "text": good[3:].capitalize()},
        {"type": "changed_number", "text": good.replace("3", "5")},
    ]
    planted = tmp_path / "planted.json"
    planted.write_text(json.dumps([{"pair": "en-es", "kind": "reply", "source": text, "good": good, "faults": faults}]))
    dictionary.install(tmp_path / "engine", {})
    words = ("--apertium", 20, "--program", tmp_path / "engine" / "apertium", "--data", tmp_path / "engine")
    run("translation", planted, "--without-encoder", *words)
    out = capsys.readouterr().out
    assert re.search(r"all faults +2 of +2", out) and re.search(r"false alarms +0 of +1", out)
    assert re.search(r"numbers kept +20 of +20", out) and "untranslated" in out
    run("translation", "--locale", compiled(tmp_path / "locale", {"Do not wash the coat": "Lave el abrigo, por favor"}))
    assert re.search(r"refused en-es +1 of +1 .*\n.*'negation': 1", capsys.readouterr().out)
    assert "no program" in lacks(capsys, "translation", "--apertium", 5, "--program", "no-such-program")
    assert "none.json" in lacks(capsys, "translation", "none.json")


def test_uplift(capsys: Out) -> None:
    run("uplift")
    out = capsys.readouterr().out
    assert "all rows: " in out and "best uplift learner" in out and "shuffled arms, 2 runs" in out
    assert "hillstrom.csv" in lacks(capsys, "uplift", "hillstrom.csv")


# -- and all of them


def test_sentiment_speed(shop: Store, capsys: Out) -> None:
    words = ("--texts", 8, "--rounds", 1, "--agree", 20, "--int8", "sentiment@live")
    run("sentiment_speed", shop.root, *words)
    said = capsys.readouterr().out
    assert re.search(r"^1\.0000 .* labels as in bf16, all: score_reviews, sentiment@live$", said, re.M)
    assert len(re.findall(r"^ *[\d.]+ x (?:HF pipeline|score_reviews).*texts a second$", said, re.M)) == 12
    assert "no live model 'sentiment'" in lacks(capsys, "sentiment_speed", f"{shop.root}/nothing", "--no-hf")
    assert "sentiment-cascade" in lacks(capsys, "sentiment_speed", shop.root, "--cascade", "sentiment-cascade@live")


def test_every_file_has_a_test() -> None:
    files = {path.stem for path in BENCH.glob("*.py")} - PARTS
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")} - {
        "every_file_has_a_test", "sides_take_turns", "the_page", "one_question",
    }  # fmt: skip
    assert files == tested


def test_sides_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = bench("side_by_side")
    monkeypatch.setattr(tools.gc, "collect", lambda: 0)  # a second each, after all the imports of this file
    order: list[str] = []
    sides = [tools.Side(n, lambda n=n: order.append(n), ours=n == "a", share=0.5 if n == "c" else 1.0) for n in "abc"]
    taken = tools.alternate(sides, rounds=2)
    assert order == [*"cab", *"abc", *"bca"] and [len(t.wall) for t in taken.values()] == [2, 2, 2]
    own = tools.Taken("own", True, 1.0, [1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    peer = tools.Taken("peer", False, 0.5, [2.0, 1.0, 3.0], [4.0, 1.0, 2.0])
    ratio = tools.pace(own, peer)
    assert ratio["wall"] == {"median": 2.0, "low": 1.0, "high": 4.0}
    assert ratio["cpu"] == {"median": 4.0, "low": 2.0, "high": 8.0}


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    tools, page = bench("side_by_side"), bench("page")
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    own = tools.Taken("engine", True, 1.0, [1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    peer = tools.Taken("HF pipeline", False, 0.5, [2.0, 1.0, 3.0], [4.0, 1.0, 2.0])
    more = {"agreement": {"with": "HF pipeline", "labels": {"engine": 0.99}}, "not_run": {"vLLM": "no environment"}}
    more["bound"] = {"fp32": 100.0, "bf16": 200.0, "memory": 10.0, "least_seconds": {"bf16": 0.5}}
    tools.record("sentiment", "reviews", 10, {"a": own, "b": peer}, tmp_path / "sentiment.json", [], **more)
    waits = {"rows": 3, "help": {"median": 1.0, "least": 0.5, "most": 2.0}, "first": 3.0}
    tools.save({**tools.stamp("start", []), "unit": "seconds", "figures": waits}, tmp_path / "start.json")
    target, plot = tmp_path / "speed.md", tmp_path / "images" / "speed.svg"
    target.write_text(f"# Speed\n\n{page.BEGIN}\nold\n{page.END}\n\nafter\n")
    table = page.write(target, plot)
    text = target.read_text()
    assert "| sentiment | engine | HF pipeline | 4 (2 to 8) | 2 (1 to 4) |" in table and table in text
    assert "old" not in text and text.startswith("# Speed") and text.endswith("after\n")
    assert "| **engine** | 5 (3.33 to 10) |" in text and "(25% of the bound)" in text
    assert "Not measured: vLLM (no environment)." in text and "with HF pipeline: engine 0.99" in text
    assert "| `shopbatch --help` | 1 (0.5 to 2) |" in text and "<svg" in plot.read_text()
    once = target.read_bytes()
    page.write(target, plot)
    assert target.read_bytes() == once


def test_one_question(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    main = importlib.import_module("bench.__main__")
    called: list[list[str]] = []

    def stand_in(command: list[str], check: bool) -> Any:
        called.append(command[2:])
        return SimpleNamespace(returncode=2 if "bench.start" in command else 0)

    monkeypatch.setattr(main.subprocess, "run", stand_in)
    assert main.main(["--small", "start", "machinery"]) == 2
    assert [words[0] for words in called] == ["bench.start", "bench.machinery"] and "--json" not in called[0]
    assert "not measured: start" in capsys.readouterr().out
    assert {path.stem for path in BENCH.glob("*.py")} >= {module for module, *_ in main.QUESTIONS.values()}
    assert main.QUESTIONS.keys() == bench("page").ASKED.keys()
    with pytest.raises(SystemExit):
        main.main(["nothing"])
