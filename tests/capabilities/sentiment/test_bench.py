"""The benchmark of domains runs at its smallest size: a line for every language, domain and domain left out."""

from __future__ import annotations

import pyarrow as pa
import pytest
from bench.sentiment_domains import main

from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse.store import Store


def test_the_benchmark_of_domains_prints_every_domain(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    rows = 1_500
    domains, words = ("coats", "phones"), ("awful and torn", "it is all right", "lovely and warm")
    texts = [f"this {domains[i % 2]} number {i} is {words[i % 3]}" for i in range(rows)]
    table = REVIEWS.fill(
        rows,
        review_id=pa.array([f"r{i}" for i in range(rows)]),
        text=pa.array(texts),
        label=pa.array([("negative", "neutral", "positive")[i % 3] for i in range(rows)]),
        source=pa.array([domains[i % 2] for i in range(rows)]),
    )
    store.commit(REVIEWS, [store.write_file(REVIEWS, table, "run", 0)], "append", "run", {})
    head = '{"l2": [0.03], "steps": 10}'
    main([store.root, "--engine", "fake", "--rows", "300", "--head", head])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{rows} texts, languages other, en") or "texts, languages other, en" in lines[0]
    for what in ("all labels", "clear labels", "coats", "phones", "without coats", "without phones"):
        assert any(what in line and "balanced" in line for line in lines), what
