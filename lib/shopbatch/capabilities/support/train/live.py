"""Compares a new model of intents with the live one, on people's questions that neither was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.support.evaluate import Judged
from shopbatch.capabilities.support.intents import NAME, IntentModel
from shopbatch.capabilities.support.train.examples import Examples
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.paired import difference
from shopbatch.models import erasure, registry
from shopbatch.models.registry import Model
from shopbatch.warehouse.store import Store

FEWEST = 30  # least questions, new to the live model, to compare it on


@dataclass(frozen=True)
class Live:
    """The live model of intents, with a mask of the questions on which it can be compared.

    Attributes:
        model: Its entry in the registry.
        intents: The classifier.
        unseen: True where the live model was not trained on the question, bool [people].
    """

    model: Model
    intents: IntentModel
    unseen: np.ndarray


def find_live(store: Store, encoder: str, texts: list[str]) -> Live | str | None:
    """Find the live model, and the questions that it was not trained on.

    Args:
        store: The warehouse.
        encoder: Reference of the encoder of the new model.
        texts: People's questions.

    Returns:
        None if there is no live model; a sentence for the report if it cannot be compared, because it uses another
        encoder or has seen nearly all questions.

    Raises:
        ModelError: The live model is damaged.
    """
    model = registry.find_live(f"{store.root}/_models", NAME)
    if model is None:
        return None
    live = IntentModel.load(model.path)
    if live.encoder != encoder:
        return "the live model reads another encoder, so it is not compared"
    hashed = erasure.hasher(store)
    seen = set(model.manifest.get("rows", ()))
    unseen = np.array([hashed(name) not in seen for name in erasure.text_names(pa.array(texts, pa.string()))], bool)
    if unseen.sum() < FEWEST:
        return f"the live model has not seen {int(unseen.sum())} of people's questions, too few to compare it on"
    return Live(model, live, unseen)


def compare(live: Live, judged: Judged, examples: Examples, vectors: np.ndarray, language: pa.Array) -> Interval:
    """Return the new model's accuracy minus the live one's, with its 95 % interval.

    The questions are those about known intents that neither model has seen.

    Args:
        live: The live model.
        judged: People's questions with the new model's held-out predictions.
        examples: The examples, people's first.
        vectors: Vectors of people's questions as the encoder returns them, [people, dim].
        language: Language of people's questions, string [people].
    """
    rows = np.flatnonzero(live.unseen & judged.known)
    texts = [examples.texts[row] for row in rows.tolist()]
    predicted = live.intents.predict(vectors[rows], language.take(pa.array(rows)), texts).intents
    truth = [examples.intents[number] for number in judged.label[rows].tolist()]
    other = np.array([a == b for a, b in zip(predicted, truth, strict=True)], float)
    return difference(judged.right[rows].astype(float), other, 0)
