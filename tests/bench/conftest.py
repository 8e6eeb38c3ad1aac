"""What the benchmarks share here: tiny models, a small shop, and processes that are none.

The fixtures end with this folder, as they change what others use, too.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from shopbatch import sample
from shopbatch.capabilities.sentiment.head import NAME, SentimentHead
from shopbatch.models import e5_small, registry
from shopbatch.warehouse.store import Store
from tests.engines import tiny, tiny_causal


@pytest.fixture(scope="package")
def tiny_encoders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The sample's encoder is a tiny one that reads as long texts. One thread, and a cache of its own."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def build(folder: Path, spec: Any = None) -> None:
        fields = {} if spec is None else spec.as_json()
        tiny.build(folder, **{**fields, "layers": [2] if spec is None else [min(n, 3) for n in spec.layers]})

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPBATCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(tiny, "POSITIONS", 512)
        patch.setattr(tiny_causal, "POSITIONS", 4096)
        patch.setattr(e5_small, "build", build)
        patch.setattr(e5_small, "build_search", lambda folder: build(folder, e5_small.SEARCH_SPEC))
        patch.setattr(e5_small, "build_aspects", lambda folder: build(folder, e5_small.ASPECTS_SPEC))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def causal(tiny_encoders: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny causal model that reads long prompts."""
    return tiny_causal.build(tmp_path_factory.mktemp("causal") / "model")


@pytest.fixture(scope="package")
def shop(tiny_encoders: None, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A generated shop with a live sentiment model of tiny parts. Never to be written to."""
    home = tmp_path_factory.mktemp("shop")
    store = Store(str(home / "warehouse"))
    sample.fill_generated(store, rows=400, seed=7)
    models = f"{store.root}/_models"
    folder = tiny.build(home / "encoder", prefix="query: ", layers=[1, 2])
    said = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}  # for the pipeline of transformers
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    encoder = registry.base(models, str(folder))
    draw = np.random.default_rng(0)
    shapes = draw.normal(size=(2, 2 * tiny.HIDDEN, 3)), np.zeros((2, 3)), np.ones(2)
    (home / NAME).mkdir()
    SentimentHead(("en", "zh"), *(np.float32(a) for a in shapes), encoder.reference).save(home / NAME)
    registry.adopt(models, registry.resolve(models, str(home / NAME)), live=True)
    return store


@pytest.fixture(scope="package")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Transactions as Complete Journey has them: a year of 60 households."""
    draw, lines = np.random.default_rng(3), 6_000
    days = [datetime(2017, 1, 1, 12) + timedelta(days=int(d)) for d in draw.integers(0, 365, lines)]
    households = draw.integers(0, 60, lines) * draw.integers(0, 2, lines)
    frame = {
        "household_id": [str(n) for n in households],
        "quantity": draw.integers(1, 4, lines),
        "sales_value": np.round(draw.gamma(2.0, 2.0, lines), 2),
        "transaction_timestamp": days,
    }
    path = tmp_path_factory.mktemp("journey") / "transactions.parquet"
    pd.DataFrame(frame).to_parquet(path)
    return path


@pytest.fixture(scope="package")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as CDNOW_master.txt is."""
    from tests.capabilities.marketing.users import drawn

    days = drawn(1, 300, 545, (0.005, 0.02), stop=0.1)
    start = int(days.day.min())
    lines = ["customer_id date number_of_cds dollar_value"]
    for user, day, money in zip(days.user, days.day, days.money, strict=True):
        when = date(1997, 1, 1) + timedelta(days=int(day) - start)
        lines.append(f" {user:05d} {when:%Y%m%d}  1  {money:.2f}")
    path = tmp_path_factory.mktemp("cdnow") / "CDNOW_master.txt"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="package")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Items of 60 users in order of time, who often take the next one."""
    draw, path = np.random.default_rng(5), tmp_path_factory.mktemp("sequences") / "items.txt"
    first = draw.integers(0, 30, 60)
    rows = [(f + np.cumsum(draw.integers(0, 3, 8))) % 30 + 1 for f in first]
    path.write_text("\n".join(" ".join(map(str, [user, *row])) for user, row in enumerate(rows)))
    return path


def write_json_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as a file of JSON lines, gzipped if its name says so."""
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


class Here:
    """Stands in for a pool of processes and for a process: everything is called in this one."""

    def __init__(self, *_: Any, target: Callable[..., Any] | None = None, args: tuple[Any, ...] = ()) -> None:
        self.target, self.args = target, args

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: Any) -> None: ...

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Here:
        self.value = function(*arguments)
        return self

    def result(self) -> Any:
        return self.value

    def start(self) -> None:
        assert self.target is not None
        self.target(*self.args)

    def join(self) -> None: ...


def reviews_of(store: Store) -> pl.DataFrame:
    """The reviews of a shop."""
    return pl.DataFrame(store.snapshot("reviews").read())
