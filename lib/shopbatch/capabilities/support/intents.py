"""The model `intents`: turns a question and its encoder vector into the probability of each intent. Pure numpy.

An intent is the subject of a customer's question, such as refund_time. One linear classifier reads the encoder vectors
of all languages, after the mean vector of the language is subtracted. Another one reads n-grams, because the encoder
does not tell some words apart. Their scores are added and calibrated. The probability of an intent is the probability
that the question is about any known intent, times that of this intent among the known ones. Therefore the probabilities
of a question sum to less than 1; the rest is the probability that the question is about something else.

`train_intents` publishes the model; `answer_tickets` uses it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shopbatch.capabilities.support.thresholds import Thresholds
from shopbatch.core.hashing import digest
from shopbatch.evaluation.calibration import softmax
from shopbatch.models.folder import ModelError, local
from shopbatch.text.ngrams import BUCKETS, hashed_ngrams

NAME = "intents"
OTHER = "other"  # label, in examples and feedback, of a question about no known intent
ANY = "*"  # the mean over all languages, for a language without its own
_BLOCK = 8192  # rows per batch, which limits memory
_GRID = 2.0**18  # components of vectors (of length 1) are rounded to multiples of 1 / _GRID
_BITS = 22  # weights keep this many bits below the greatest weight


@dataclass(frozen=True)
class Prediction:
    """The predicted intents of a batch of questions.

    Attributes:
        names: All known intents, sorted.
        probabilities: Probability of each intent, float32 [n, intents]. The sum of a row is the probability that the
            question is about a known intent.
    """

    names: tuple[str, ...]
    probabilities: np.ndarray

    @cached_property
    def number(self) -> np.ndarray:
        """Return the index into `names` of each question's most probable intent, int64 [n]."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def intents(self) -> list[str]:
        """Return the name of each question's most probable intent, [n]."""
        return [self.names[number] for number in self.number.tolist()]

    @property
    def confidence(self) -> np.ndarray:
        """Return the probability of each question's most probable intent, float32 [n]."""
        return np.asarray(self.probabilities[np.arange(len(self.probabilities)), self.number])

    @property
    def outside(self) -> np.ndarray:
        """Return the probability that a question is about none of the known intents, float32 [n]."""
        return np.asarray(np.maximum(1 - self.probabilities.sum(axis=1), 0), np.float32)


@dataclass(frozen=True)
class IntentModel:
    """A classifier of intents, with the thresholds from which a ticket may be answered or a reply drafted.

    Attributes:
        intents: Names of the known intents, sorted.
        languages: Languages with a mean vector, sorted; the first is ANY, used for all other languages.
        means: Mean vectors of the languages, float32 [languages, dim].
        weights: float32 [dim, intents + 1]; the last column is the class of questions about something else.
        bias: float32 [intents + 1].
        temperature: Divisor of the scores, above 0.
        scope: Weights of a logistic regression on `features` and, last, its constant, float32 [len(FEATURES) + 1]. It
            gives the probability that a question is about a known intent.
        grams: Weights of n-grams, by hash, for each class, float32 [BUCKETS, intents + 1]; [0, intents + 1] in a model
            without n-grams.
        rarity: Inverse document frequencies of n-grams, float32 [BUCKETS]; [0] in a model without n-grams.
        encoder: Reference (name@digest) of the encoder whose vectors the model reads; "" for the fake engine.
        prefix: Text that is put before a question when it is encoded.
        thresholds: Least probabilities of an intent at which a question is answered, or a reply drafted.
    """

    intents: tuple[str, ...]
    languages: tuple[str, ...]
    means: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    temperature: float
    scope: np.ndarray
    grams: np.ndarray
    rarity: np.ndarray
    encoder: str = ""
    prefix: str = ""
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        """Round the temperature to float32 as its file will, so that a model that is saved and loaded is the same."""
        object.__setattr__(self, "temperature", float(np.float32(self.temperature)))

    @property
    def dim(self) -> int:
        """Return the length of the vectors that the model reads."""
        return int(self.means.shape[1])

    @classmethod
    def load(cls, folder: str | Path) -> IntentModel:
        """Load a model that `save` wrote into a folder.

        Raises:
            ModelError: A file is missing or unreadable, or the arrays do not fit together.
        """
        path = local(folder)
        try:
            about = json.loads((path / "intents.json").read_bytes())
            state = load_file(path / "intents.safetensors")
            model = cls(
                tuple(about["intents"]),
                tuple(about["languages"]),
                state["means"],
                state["weights"],
                state["bias"],
                float(state["temperature"][0]),
                state["scope"],
                state["grams"],
                state["rarity"],
                str(about["encoder"]),
                str(about["prefix"]),
                Thresholds.of(json.loads((path / "thresholds.json").read_bytes())),
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
            raise ModelError(f"{folder} is not a model of intents ({type(error).__name__}: {error})") from None
        count = len(model.intents)
        fits = (
            model.means.ndim == 2
            and model.means.shape[0] == len(model.languages)
            and model.weights.shape == (model.dim, count + 1)
            and model.bias.shape == (count + 1,)
            and model.scope.shape == (len(FEATURES) + 1,)
            and model.languages[:1] == (ANY,)
            and model.grams.shape in ((0, count + 1), (BUCKETS, count + 1))
            and model.rarity.shape == model.grams.shape[:1]
        )
        finite = all(np.isfinite(array).all() for array in state.values())
        if not count or list(model.intents) != sorted(set(model.intents)) or not fits or not finite:
            raise ModelError(f"{folder} is not a model of intents: its arrays do not fit together")
        if model.temperature <= 0:
            raise ModelError(f"{folder} is not a model of intents: its temperature is not above 0")
        return model

    def save(self, folder: Path) -> None:
        """Write `intents.safetensors`, `intents.json` and `thresholds.json`; equal models give equal bytes."""
        save_file(self._arrays, folder / "intents.safetensors")
        (folder / "intents.json").write_text(json.dumps(self._about, indent=1) + "\n", "utf-8")
        (folder / "thresholds.json").write_text(json.dumps(self.thresholds.tree(), indent=1) + "\n", "utf-8")

    @property
    def identity(self) -> str:
        """Return a digest of everything on which the probabilities depend; the thresholds are not part of it."""
        arrays = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in self._arrays.items()}
        return digest({"about": self._about, "arrays": arrays})

    @property
    def _arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of `intents.safetensors`, float32."""
        arrays = {
            "means": self.means,
            "weights": self.weights,
            "bias": self.bias,
            "scope": self.scope,
            "grams": self.grams,
            "rarity": self.rarity,
            "temperature": np.array([self.temperature]),
        }
        return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}

    @property
    def _about(self) -> dict[str, object]:
        """Return the content of `intents.json`."""
        return {
            "intents": list(self.intents),
            "languages": list(self.languages),
            "encoder": self.encoder,
            "prefix": self.prefix,
        }

    @classmethod
    def fake(
        cls, intents: Sequence[str] = ("order_tracking", "refund_time", "return_window"), dim: int = 8
    ) -> IntentModel:
        """Return a model for tests with the fake engine: its predictions are arbitrary, but always the same.

        Args:
            intents: Names of the known intents, in any order.
            dim: Length of the engine's vectors.
        """
        names = tuple(sorted(set(intents)))
        weights = np.random.default_rng(0).normal(size=(dim, len(names) + 1)).astype(np.float32) * 4
        scope = np.zeros(len(FEATURES) + 1, np.float32)
        scope[-1] = 2
        means, bias = np.zeros((1, dim), np.float32), np.zeros(len(names) + 1, np.float32)
        none = np.zeros((0, len(names) + 1), np.float32)
        bounds = Thresholds.everywhere(0.7, 0.4)
        return cls(names, (ANY,), means, weights, bias, 1.0, scope, none, none[:, 0], thresholds=bounds)

    def predict(self, vectors: np.ndarray, language: pa.Array, texts: Sequence[str] | None = None) -> Prediction:
        """Predict the intents of questions.

        The probabilities of a row are the same to the last bit whichever other rows are in the batch: the numbers are
        rounded so that their sums of products are exact, in whichever order a matrix product adds them.

        Args:
            vectors: Vectors of the questions as the encoder returns them, float32 [n, dim].
            language: Language of each question, string [n]: an ISO 639-1 code or null.
            texts: The questions, without the prefix, [n]. They may be None only if the model reads no n-grams.

        Raises:
            ModelError: The vectors have another length than the model's, or the texts are missing.
        """
        if vectors.shape[1] != self.dim:
            raise ModelError(f"the intents' model reads vectors of {self.dim} numbers; there are {vectors.shape[1]}")
        if len(self.grams) and texts is None:
            raise ModelError("the intents' model reads n-grams: it needs the texts of the questions")
        place = pc.index_in(language, pa.array(self.languages, pa.string())).fill_null(0).to_numpy(zero_copy_only=False)
        out = np.empty((len(vectors), len(self.intents)), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            rows = slice(start, start + _BLOCK)
            words = self._of_ngrams(texts[rows]) if texts is not None and len(self.grams) else 0.0
            out[rows] = self._probabilities(centred(vectors[rows], self.means[place[rows]]), words)
        return Prediction(self.intents, out)

    def _of_ngrams(self, texts: Sequence[str]) -> np.ndarray:
        """Return the scores of the texts' n-grams, float64 [n, intents + 1].

        The scores are summed text by text, so that no sum depends on the batch.
        """
        out = np.zeros((len(texts), self.grams.shape[1]))
        for row, text in enumerate(texts):
            numbers, counts = hashed_ngrams(text)
            values = counts * self.rarity[numbers]
            length = np.sqrt((values**2).sum())
            out[row] = (self.grams[numbers] * (values / max(length, 1e-12))[:, None]).sum(axis=0)
        return out

    def _probabilities(self, vectors: np.ndarray, words: np.ndarray | float) -> np.ndarray:
        """Return the calibrated probabilities of the intents, float64 [n, intents].

        Args:
            vectors: Centred vectors of length 1, [n, dim].
            words: Scores of the n-grams, [n, intents + 1]; 0.0 for none.
        """
        scores = (np.round(vectors * _GRID) @ self._whole + words + self.bias) / self.temperature
        known = known_probability(scores, self.scope.astype(np.float64))
        return np.asarray(known[:, None] * softmax(scores[:, :-1]))

    @cached_property
    def _whole(self) -> np.ndarray:
        """Return the weights [dim, intents + 1], float64, rounded so that products with rounded vectors are exact.

        Sums of exact products do not depend on the order of adding. The weights are also divided by _GRID, the factor
        by which `_probabilities` multiplies the vectors before it rounds them.
        """
        weights = self.weights.astype(np.float64)
        step = 2.0 ** (np.ceil(np.log2(max(float(np.abs(weights).max()), 1e-30))) - _BITS)
        return np.asarray(np.round(weights / step) * (step / _GRID))


FEATURES = ("energy", "top", "margin", "other")


def features(scores: np.ndarray) -> np.ndarray:
    """Return the features that tell whether a question is about a known intent, float64 [n, len(FEATURES)].

    - `energy`: the log of the summed exponentials of the intents' scores (Liu et al. 2020, "Energy-based
      Out-of-distribution Detection").
    - `top`: the log odds of the most probable intent.
    - `margin`: the greatest score of an intent minus the second greatest.
    - `other`: the score of the class "something else", minus `energy`.

    Args:
        scores: Scores of the intents and, last, of the class "something else", float [n, intents + 1].
    """
    inside = scores[:, :-1].astype(np.float64)
    powers = np.exp(inside - inside.max(axis=1, keepdims=True))
    total = powers.sum(axis=1)
    energy = np.log(total) + inside.max(axis=1)
    rest = np.maximum(total - 1, 1e-9)  # without the best intent, whose power is 1
    best = np.sort(inside, axis=1)
    margin = best[:, -1] - best[:, -2] if inside.shape[1] > 1 else np.zeros(len(inside))
    return np.column_stack([energy, -np.log(rest), margin, scores[:, -1] - energy])


def known_probability(scores: np.ndarray, scope: np.ndarray) -> np.ndarray:
    """Return the probability that a question is about a known intent, float64 [n].

    Args:
        scores: Scores of the intents and, last, of the class "something else", float [n, intents + 1].
        scope: Weights of `features` and, last, the constant, float [len(FEATURES) + 1].
    """
    columns = features(scores)
    logit = np.full(len(columns), float(scope[-1]))
    for number, weight in enumerate(scope[:-1].tolist()):  # by columns, so that each row is summed in the same order
        logit += columns[:, number] * weight
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -50, 50))))


def centred(vectors: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Scale vectors to length 1, subtract the means, and scale them to length 1 again; float64 [n, dim].

    Args:
        vectors: [n, dim].
        means: The mean to subtract from each row, [n, dim].
    """
    return unit(unit(vectors) - means)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors scaled to length 1, float64 [n, dim]; a zero vector stays zero."""
    rows = np.ascontiguousarray(vectors, np.float64)
    length = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.maximum(length, 1e-12))
