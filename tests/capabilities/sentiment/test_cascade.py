"""A cascade: the small model answers where it is sure, whoever else is in the batch, and the promise is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.cascade.fit import fit_bounds, held
from shopbatch.capabilities.sentiment.cascade.judge import agreement_gates
from shopbatch.capabilities.sentiment.cascade.model import NEVER, Cascade, CascadeHead, Step, scores
from shopbatch.capabilities.sentiment.cascade.stage import CascadeScorer
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.stage import SentimentScorer
from shopbatch.engines.base import Encoded
from shopbatch.models.folder import ModelError

DIM, NOISE = 8, 0.02


class Encoder:
    """Vectors of a text's characters, moved a little by how many texts are in the batch, as in bf16."""

    dim = DIM

    def __init__(self, noise: float = NOISE) -> None:
        self.noise = noise

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        return [np.arange(len(texts))]

    def encode(self, texts: pa.Array) -> Encoded:
        seeds = [list(text.encode()) for text in texts.to_pylist()]
        rows = [np.random.default_rng(seed).normal(size=DIM) for seed in seeds]
        moved = np.array(rows, np.float32) + np.float32(self.noise * np.sin(len(texts)))
        return Encoded(moved, np.array([len(seed) for seed in seeds], np.int32))


def head(seed: int) -> SentimentHead:
    weights = np.random.default_rng(seed).normal(size=(2, DIM, 3)).astype(np.float32)
    return SentimentHead(("other", "en"), weights, np.zeros((2, 3), np.float32), np.ones(2, np.float32))


def cascade(doubt: float = 0.0, *bounds: float) -> Cascade:
    steps = tuple(
        Step(model=f"m{i}@0", bounds={"other": NEVER, "en": bound}, doubt=doubt) for i, bound in enumerate(bounds)
    )
    return Cascade(steps=steps, large="large@0")


def scorer(used: Cascade) -> CascadeScorer:
    small = [SentimentScorer(Encoder(), head(number)) for number in range(len(used.steps))]
    return CascadeScorer(small, SentimentScorer(Encoder(0.0), head(9)), used)


def content(count: int) -> pa.Table:
    texts = [f"this is a review of a coat, and its number is {i}" for i in range(count)]
    return pa.table({"title": pa.nulls(count, pa.string()), "text": texts})


def run(used: Cascade, rows: pa.Table, size: int) -> pa.Table:
    """All rows, in batches of a size."""
    each = scorer(used)
    batches = [rows.slice(a, size) for a in range(0, rows.num_rows, size)]
    return pa.concat_tables([each.run(batch, np.ones(batch.num_rows, np.int8)) for batch in batches])


@pytest.mark.slow
def test_who_answers_does_not_depend_on_the_batch() -> None:
    rows, sizes = content(300), (1, 3, 300)
    unsure = [run(cascade(0.0, 0.8, 1.4), rows, size)["answered_by"].to_pylist() for size in sizes]
    assert unsure[0] != unsure[2]  # the encoder of this test is moved by the batch, and far enough
    results = [run(cascade(0.4, 0.8, 1.4), rows, size) for size in sizes]
    who = results[0]["answered_by"].to_pylist()
    assert set(who) == {"m0@0", "m1@0", "large@0"}
    assert all(result["answered_by"].to_pylist() == who for result in results)
    models = {"m0@0": head(0), "m1@0": head(1), "large@0": head(9)}
    whole = {name: SentimentScorer(Encoder(0.0), its).run(rows, np.ones(300, np.int8)) for name, its in models.items()}
    order = list(models)
    for result in results:
        for row, name in enumerate(who):
            off = abs(result["p_positive"][row].as_py() - whole[name]["p_positive"][row].as_py())
            assert off <= (0.0 if name == "large@0" else 0.1)
            asked = order.index(name) + 1
            assert result["tokens"][row].as_py() == asked * whole[name]["tokens"][row].as_py()


def test_a_language_without_a_bound_of_its_own_has_that_of_the_others() -> None:
    used = cascade(0.0, 0.5)
    bound = used.steps[0].bound(pa.array(["en", None, "de"]))
    np.testing.assert_array_equal(bound, [0.5, NEVER, NEVER])
    vectors = np.random.default_rng(0).normal(size=(50, 2 * DIM)).astype(np.float32)
    both = CascadeHead((head(0), head(1)), used)
    german, english = pa.array(["de"] * 50), pa.array(["en"] * 50)
    np.testing.assert_array_equal(both.probabilities(vectors, german), head(1).probabilities(vectors[:, DIM:], german))
    first, second = head(0).probabilities(vectors[:, :DIM], english), head(1).probabilities(vectors[:, DIM:], english)
    sure = scores(first) >= 0.5
    assert 0 < sure.sum() < 50
    np.testing.assert_array_equal(both.probabilities(vectors, english), np.where(sure[:, None], first, second))


def drawn(count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Two small models that differ from the large one where they are unsure, the first more often; more in Chinese."""
    draw = np.random.default_rng(0)
    language = np.array(["en", "en", "zh", "zh", "de"])[np.arange(count) % 5]
    large = draw.dirichlet([0.3, 0.3, 0.3], count).astype(np.float32)
    small = []
    for often in (1.0, 0.3):
        own = large.copy()
        other = draw.random(count) < often * np.where(language == "en", 0.3, 0.6) * (1 - own.max(axis=1))
        own[other] = np.roll(own[other], 1, axis=1)
        small.append(own)
    return [*small, large], language


def test_bounds_are_of_each_language_and_need_rows(tmp_path: Path) -> None:
    each, language = drawn(20_000)
    first, second = fit_bounds(each, language, 0.98, 0.95, 5000)
    assert first["other"] == NEVER and set(first) == {"other", "en", "zh"}  # 4,000 German rows are too few
    assert first["en"] < first["zh"] < NEVER  # the small model is more often right in English
    assert second["zh"] < first["zh"]  # and the second more often than the first
    figures = held(each, language, [first, second])
    for name in ("en", "zh"):
        assert figures[name]["agreement"]["value"] >= 0.98
        assert sum(figures[name]["answered by each"]) == pytest.approx(figures[name]["answered"], abs=2e-4)
        assert min(figures[name]["answered by each"]) > 0.05
    assert figures["all"]["rows"] == 20_000 and figures["de"]["answered"] == 0
    alone = fit_bounds([each[0], each[2]], language, 0.98, 0.95, 5000)[0]
    assert alone["en"] < first["en"]  # what may differ is shared
    used = Cascade(steps=(Step(model="a@1", bounds=first, doubt=0.01),), large="b@1")
    used.save(tmp_path)
    assert Cascade.load(tmp_path) == used
    for wrong in ('{"large": "a@1"}', '{"large": "a@1", "steps": []}', "{"):
        (tmp_path / "cascade.json").write_text(wrong)
        with pytest.raises(ModelError, match="not a cascade"):
            Cascade.load(tmp_path)


@pytest.mark.parametrize(("same", "kept"), [(995, True), (986, True), (975, False)])
def test_a_promise_that_is_surely_broken_on_other_reviews_is_refused(same: int, kept: bool) -> None:
    sure, unsure = [0.9, 0.05, 0.05], [0.05, 0.9, 0.05]
    large = np.array([sure] * 1000)
    small = np.array([sure] * same + [unsure] * (1000 - same))
    figures = held([small, large], np.full(1000, "en"), [{"other": NEVER, "en": 0.0}])
    gates = agreement_gates(figures, 0.99)
    assert [gate.passed for gate in gates] == [kept, kept]  # all, en
    assert kept or "the bounds do not keep their promise" in gates[1].detail
