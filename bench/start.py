"""Measure how long the command line takes where little has to be computed: seconds from command to exit.

- help: `shopbatch --help`, median of the rounds;
- nothing: `shopbatch run score_reviews` when the table is up to date, median of the rounds;
- first: from the command until the memo (the cache of results) holds the first results of a first run, with the model
  that ships;
- first run: that whole first run;
- one percent: the whole run after one review in a hundred has changed;
- make run: the commands of `make run ROWS=...` after the installation, in an empty folder (with --run).

    python -m bench.start [--rows 3000] [--rounds 5] [--run]    prints one line of JSON
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from bench.side_by_side import benchmark, save, stamp

COMMAND = [sys.executable, "-m", "shopbatch"]


class Shop:
    """A new project folder, made by `shopbatch init` and filled with sample reviews, in which commands are timed."""

    def __init__(self, folder: str, rows: int) -> None:
        self.folder = Path(folder) / "shop"
        self.call("init", str(self.folder), here=False)
        self.call("sample", "--rows", str(rows))

    def environment(self) -> dict[str, str]:
        """Return the environment variables for the commands, without those that name a warehouse or a project."""
        return {k: v for k, v in os.environ.items() if k not in ("SHOPBATCH_WAREHOUSE", "SHOPBATCH_HOME")}

    def call(self, *words: str, here: bool = True) -> float:
        """Run a `shopbatch` command that must succeed, and return its seconds.

        Args:
            *words: The command's arguments.
            here: Run it in the project folder; False runs it in the present folder.

        Raises:
            CalledProcessError: The command failed.
        """
        began = time.perf_counter()
        subprocess.run(
            [*COMMAND, *words],
            cwd=self.folder if here else None,
            env=self.environment(),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return time.perf_counter() - began

    def first_rows(self) -> tuple[float, float]:
        """Score all reviews for the first time, and measure how long that takes.

        Returns:
            The seconds from the command until the memo holds the first results, and until the run has ended.

        Raises:
            SystemExit: The run failed.
        """
        memo = self.folder / ".warehouse" / "score_reviews_memo"
        began, first = time.perf_counter(), 0.0
        run = subprocess.Popen(
            [*COMMAND, "run", "score_reviews"],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while run.poll() is None:
            if not first and any(not p.name.startswith(".") for p in memo.rglob("*.parquet")):
                first = time.perf_counter() - began
            time.sleep(0.02)
        if run.returncode:
            raise SystemExit(f"the run ended with exit code {run.returncode}")
        return first, time.perf_counter() - began

    def change_one_percent(self) -> None:
        """Change the text of one review in a hundred, and load these reviews again."""
        reviews = pl.read_delta(str(self.folder / ".warehouse" / "reviews")).filter(pl.col("text").is_not_null())
        changed = reviews.gather_every(100).select("review_id", pl.col("text") + " Bought again.")
        changed.write_csv(self.folder / "changed.csv")
        self.call("load", "reviews", "changed.csv")


def make_run(folder: str, rows: int) -> float:
    """Run the commands of `make run ROWS=...` after the installation (sample, train, score); return their seconds."""
    environment = {k: v for k, v in os.environ.items() if k != "SHOPBATCH_HOME"}
    environment["SHOPBATCH_WAREHOUSE"] = f"{folder}/run"
    began = time.perf_counter()
    for words in (["sample", "--rows", str(rows)], ["run", "train_sentiment_head"], ["run", "score_reviews"]):
        subprocess.run([*COMMAND, *words], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


@benchmark
def main(argv: Sequence[str] | None = None) -> dict[str, object]:
    """Take all measurements, print them as one line of JSON, and return them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--run", action="store_true", help="also what `make run` does, which trains a model")
    parser.add_argument("--json", type=Path, default=None, help="where the figures go")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="shopbatch-start-") as folder:
        shop = Shop(folder, options.rows)
        first, whole = shop.first_rows()
        seconds = {
            "help": [shop.call("--help") for _ in range(options.rounds)],
            "nothing": [shop.call("run", "score_reviews") for _ in range(options.rounds)],
        }
        shop.change_one_percent()
        figures: dict[str, object] = {"rows": options.rows, "first": round(first, 2), "first run": round(whole, 2)}
        figures["one percent"] = round(shop.call("run", "score_reviews"), 2)
        if options.run:
            figures["make run"] = round(make_run(folder, options.rows), 2)
    for name, values in seconds.items():
        shown = {"median": statistics.median(values), "least": min(values), "most": max(values)}
        figures[name] = {k: round(v, 2) for k, v in shown.items()}
    print(json.dumps(figures))
    save({**stamp("start", argv), "unit": "seconds", "figures": figures}, options.json)
    return figures


if __name__ == "__main__":
    main()
