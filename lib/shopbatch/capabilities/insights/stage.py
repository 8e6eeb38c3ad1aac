"""The inference stage of `analyse_reviews`: reads title and text of reviews, returns their aspects and remarks.

It also returns the clauses that mention no aspect, in which `summarise_reviews` looks for new themes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.insights import clauses, remarks
from shopbatch.capabilities.insights.analysis import Clauses, analyse
from shopbatch.capabilities.insights.model import AspectModel
from shopbatch.engines.base import Encoder
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.factory import open_engine
from shopbatch.inference.stage import BaseStage, check_content
from shopbatch.tables.review_aspects import ASPECT, CLAUSE, POLARITIES, REMARK
from shopbatch.text import visible
from shopbatch.text.language import guess_language, load_classifier

VERSION = 1  # of how the clauses' results are combined; a part of the recipe
CALL_ROWS, CALL_CHARACTERS = 512, 200_000  # limits of one call; equal clauses in it are encoded once
OUTPUTS = pa.schema(
    [
        ("language", pa.string()),
        ("taxonomy", pa.string()),
        ("aspects", pa.list_(ASPECT)),
        ("remarks", pa.list_(REMARK)),
        ("other", pa.list_(CLAUSE)),
        ("clauses", pa.int32()),
    ]
)


@dataclass(frozen=True)
class AspectStage(BaseStage):
    """The stage of `analyse_reviews`: finds the aspects and remarks of each review (see `inference.stage.Stage`).

    Attributes:
        engine: Settings of the engine that encodes clauses.
        encoder: Folder of the encoder; "" for the fake engine.
        model: Folder of the aspect model; "" for the fake engine.
        models: Digests of encoder and model; they are part of the recipe.
        kinds: Names of the taxonomies that a review may be assigned to.
        max_bytes: Largest title or text in bytes; a longer one is rejected as too_long.
        content: Source columns on which the result depends.
        passthrough_columns: Source columns that are copied into the published row.
        drift_columns: Two published columns, (group, label). The gate `drift` compares the shares of their value pairs
            with those of the live table.
        gpus: Number of GPUs of each worker.
        checks: Version of the code of `judge` and `publish`. When it changes, the table is published again from the raw
            results in the memo, and the engine is not called.
        outputs: Schema of the raw results.
    """

    engine: EngineConfig
    encoder: str
    model: str
    models: Mapping[str, str]
    kinds: tuple[str, ...]
    max_bytes: int = 100_000
    content: tuple[str, ...] = ("title", "text")
    passthrough_columns: tuple[str, ...] = ("product_id", "user_id", "rating", "created_at", "language")
    drift_columns: tuple[str, str] = ("language", "taxonomy")
    gpus: float = 0.0
    checks: int = 1 + visible.VERSION
    outputs: pa.Schema = field(default_factory=lambda: OUTPUTS)

    @property
    def stateless(self) -> bool:
        """Return True if opening the engine costs nothing, so that the stage runs in tasks instead of actors."""
        return bool(getattr(self.engine, "light", False))

    def recipe(self) -> Mapping[str, Any]:
        """Return the versions, models and settings that can change a raw result.

        The memo keys each raw result by a digest of them, so that a change of any of them computes the results again.
        """
        return {
            "stage": "aspects",
            "version": [VERSION, clauses.VERSION, remarks.VERSION],
            "engine": self.engine.identity(),
            "models": dict(self.models),
            "kinds": list(self.kinds),
        }

    def check(self, content: pa.Table) -> pa.Array:
        """Return why each row cannot be analysed, as strings; null for rows that can.

        Reasons: empty (no word in the text), too_long (title or text over max_bytes), invalid_utf8.
        """
        reason = check_content(content, self.max_bytes)
        wordless = pc.equal(check_content(content.select(["text"]), self.max_bytes), "empty")
        blank = pc.and_(pc.fill_null(wordless, False), reason.is_null())
        return pc.if_else(blank, "empty", reason)

    def open(self) -> AspectScorer:
        """Load the encoder, the aspect model and the language classifier in a worker."""
        load_classifier()  # loaded here, because a first batch of many seconds would look like a hang to the watchdog
        encoder = open_engine(self.engine, self.encoder or None)
        model = AspectModel.load(self.model) if self.model else AspectModel.fake(encoder.dim, self.kinds)
        return AspectScorer(encoder, model, self.kinds)

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return invalid_output for each raw result that is impossible, null for the others.

        A result is impossible if a probability is outside [0, 1], the probabilities of the three polarities do not sum
        to 1, or the position of an aspect's clause is empty or negative.
        """
        aspects = raw["aspects"].combine_chunks()
        owner, values = pc.list_parent_indices(aspects), aspects.flatten()
        bad = np.zeros(raw.num_rows, bool)
        if len(values):
            p = _numbers(values, ("probability", *(f"p_{name}" for name in POLARITIES)))
            wrong = ~(np.isfinite(p).all(axis=1) & (p >= 0).all(axis=1) & (p <= 1).all(axis=1))
            wrong |= np.abs(p[:, 1:].sum(axis=1) - 1) > 1e-5
            places = _numbers(values, ("start", "end"))
            wrong |= (places[:, 0] < 0) | (places[:, 0] >= places[:, 1])
            bad[owner.to_numpy()[wrong]] = True
        return pc.if_else(pa.array(bad), "invalid_output", pa.scalar(None, pa.string()))

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Return the raw results as columns of `review_aspects`, and the language of each review as `language`.

        The language is that of the source row; where it is null, the language recognised from the text; else "und"
        (unknown).
        """
        language = pc.coalesce(passed["language"], raw["language"], pa.scalar("und"))
        return {name: raw[name] for name in OUTPUTS.names} | {"language": language}

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Return the largest deviation from 1 of the sum of an aspect's polarity probabilities, for a gate.

        The result is a dict of one entry; its key names the number in the report.
        """
        values = published["aspects"].combine_chunks().flatten()
        off = np.abs(_numbers(values, [f"p_{name}" for name in POLARITIES]).sum(axis=1) - 1)
        return {"polarity sum off by": float(off.max(initial=0.0))}

    def limits(self) -> dict[str, float]:
        """Return the greatest value that a gate allows for the deviation in `measure`: 1e-5."""
        return {"polarity sum off by": 1e-5}


class AspectScorer:
    """Analyses reviews inside a worker, with the loaded encoder and aspect model."""

    def __init__(self, encoder: Encoder, model: AspectModel, kinds: tuple[str, ...]) -> None:
        self.encoder, self.model, self.kinds = encoder, model, kinds

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Cut the rows, in order, into calls of at most CALL_ROWS reviews and about CALL_CHARACTERS characters.

        Returns:
            Row numbers of each call; a review longer than CALL_CHARACTERS is a call by itself.
        """
        size = [pc.fill_null(pc.utf8_length(content[name]), 0).to_numpy() for name in ("title", "text")]
        ends, first, filled = [], 0, 0
        for row, characters in enumerate((size[0] + size[1]).tolist()):
            if row > first and (row - first == CALL_ROWS or filled + characters > CALL_CHARACTERS):
                ends.append(row)
                first, filled = row, 0
            filled += characters
        bounds = [0, *ends, content.num_rows]
        return [np.arange(a, b) for a, b in itertools.pairwise(bounds) if b > a]

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Analyse a batch of reviews; return the columns of OUTPUTS and `tokens`, one row per review, in order.

        Args:
            content: Columns `title` and `text`, [n].
            attempts: Number of the attempt at each row; not used, since every attempt gives the same result.

        Raises:
            EngineError: The encoder failed.
        """
        texts = content["text"].combine_chunks()
        split = Clauses.of(content["title"].to_pylist(), texts.to_pylist())
        results = analyse(self.model, self.encoder, split, self.kinds)
        columns = {f.name: pa.array([row.get(f.name) for row in results], f.type) for f in OUTPUTS}
        columns["language"] = pa.array(guess_language(texts))
        return pa.table(columns | {"tokens": pa.array([row["tokens"] for row in results], pa.int32())})


def _numbers(values: pa.StructArray, names: Any) -> np.ndarray:
    """Return fields of a struct column as float64 [n, fields], with NaN for null."""
    columns = [pc.struct_field(values, name).to_numpy(zero_copy_only=False).astype(float) for name in names]
    return np.column_stack(columns).reshape(len(values), len(columns))
