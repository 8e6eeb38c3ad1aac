"""The first step of `answer_tickets`: splits tickets into questions, encodes them, and recognises their intents.

The memo keeps the questions' vectors; the intents are predicted from them when the table is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.support.answers import questions as cutting
from shopbatch.capabilities.support.answers.questions import questions
from shopbatch.capabilities.support.intents import IntentModel
from shopbatch.engines.base import Encoder, encode_all
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.factory import open_engine
from shopbatch.inference.stage import BaseStage, check_content
from shopbatch.tables.ticket_answers import QUESTION, TICKET_INTENTS
from shopbatch.text.language import guess_language, load_classifier
from shopbatch.text.visible import VERSION as WORDS
from shopbatch.text.visible import has_word

VERSION = 1  # of the code that turns columns into vectors; a part of the recipe
PUBLISHED = 1  # of the code that turns vectors into published columns
UNKNOWN = "und"
_SPAN = pa.struct([("start", pa.int32()), ("end", pa.int32())])
_OUTPUTS = pa.schema([("spans", pa.list_(_SPAN)), ("vectors", pa.list_(pa.binary())), ("language", pa.string())])
_PUBLISHED = ("language", "questions", "confidences", "intent", "confidence")
_TICKET = ("thread_id", "user_id", "order_id", "subject", "text", "language", "market", "channel", "created_at")


@dataclass(frozen=True)
class IntentSource:
    """Where the model of intents and its encoder are found.

    Attributes:
        model: Folder of the model; "" for the fake engine's own model.
        identity: Digest of everything on which the model's probabilities depend.
        encoder: Folder of the encoder; "" for the fake engine.
        encoder_digest: Digest of the encoder.
        prefix: Text that is put before a question when it is encoded.
    """

    model: str
    identity: str
    encoder: str
    encoder_digest: str
    prefix: str


@dataclass(frozen=True)
class QuestionStage(BaseStage):
    """The inference stage that turns tickets into questions with intents (see `inference.stage.Stage`).

    Its raw results are the vectors of the questions; intents are predicted from them in `publish`. Therefore a new
    model of intents on the same encoder encodes nothing again: the table is published anew from the vectors in the
    memo.

    Attributes:
        engine: Settings of the engine that encodes questions.
        source: Where the model of intents and its encoder are found.
        max_bytes: Largest subject or text in bytes; a longer one is rejected as too_long.
        content: Source columns on which the result depends.
        passthrough_columns: Source columns that are copied into the published row.
        outputs: Schema of the raw results: spans, vectors and language of the questions.
    """

    engine: EngineConfig
    source: IntentSource
    max_bytes: int = 20_000
    content: tuple[str, ...] = ("subject", "text")
    passthrough_columns: tuple[str, ...] = _TICKET
    outputs: pa.Schema = field(default_factory=lambda: _OUTPUTS)

    @property
    def stateless(self) -> bool:
        """Return True if opening the engine costs nothing, so that the stage runs in tasks instead of actors."""
        return bool(getattr(self.engine, "light", False))

    @property
    def checks(self) -> str:
        """Return the version of `publish`: that of its code, and the digest of the model of intents.

        When it changes, the table is published again from the memo.
        """
        return f"{PUBLISHED}.{WORDS}/{self.source.identity}"

    def recipe(self) -> Mapping[str, Any]:
        """Return the versions, models and settings that can change a vector.

        The memo keys each raw result by a digest of them, so that a change of any of them encodes the questions again.
        """
        return {
            "stage": "questions",
            "version": [VERSION, cutting.VERSION],
            "engine": self.engine.identity(),
            "models": {"encoder": self.source.encoder_digest},
            "prefix": self.source.prefix,
        }

    def check(self, content: pa.Table) -> pa.Array:
        """Return why each ticket cannot be read (empty, too_long, invalid_utf8); null for tickets that can."""
        return check_content(content, self.max_bytes)

    def open(self) -> QuestionScorer:
        """Load the encoder and the language classifier in a worker."""
        load_classifier()  # loaded here, because a first batch of many seconds would look like a hang to the watchdog
        return QuestionScorer(open_engine(self.engine, self.source.encoder or None), self.source.prefix)

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return invalid_output for tickets with a vector that is zero or not finite, null for the others."""
        vectors, counts = _vectors(raw)
        bad = ~np.isfinite(vectors).all(axis=1) | (vectors == 0).all(axis=1)
        rows = np.zeros(raw.num_rows, bool)
        rows[np.repeat(np.arange(raw.num_rows), counts)[bad]] = True
        return pc.if_else(pa.array(rows), "invalid_output", pa.scalar(None, pa.string()))

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Predict the intents of the questions, and return the computed columns of `ticket_intents`.

        The columns are language, questions, confidences, intent and confidence. The intent of a question is null if the
        question is more probably about none of the known intents.
        """
        language = pc.coalesce(passed["language"], raw["language"], pa.scalar(UNKNOWN)).combine_chunks()
        vectors, counts = _vectors(raw)
        if not len(vectors):
            return {name: pa.array([], TICKET_INTENTS.schema().field(name).type) for name in _PUBLISHED}
        whose = np.repeat(np.arange(raw.num_rows), counts)
        spans, texts = raw["spans"].to_pylist(), message(passed).to_pylist()
        said = [text[s["start"] : s["end"]] for text, places in zip(texts, spans, strict=True) for s in places]
        model = intent_model(self.source.model, self.source.identity, vectors.shape[1])
        asked = model.predict(vectors, language.take(pa.array(whose)), said)
        known = asked.confidence > asked.outside
        intents = [name if sure else None for name, sure in zip(asked.intents, known.tolist(), strict=True)]
        sure = [float(c) for c in asked.confidence]
        starts = np.concatenate([[0], np.cumsum(counts)])
        rows = [
            [
                {**span, "intent": intent}
                for span, intent in zip(spans[n], intents[starts[n] : starts[n + 1]], strict=True)
            ]
            for n in range(raw.num_rows)
        ]
        lists = [sure[starts[n] : starts[n + 1]] for n in range(raw.num_rows)]
        return {
            "language": language,
            "questions": pa.array(rows, pa.list_(QUESTION)),
            "confidences": pa.array(lists, pa.list_(pa.float32())),
            "intent": pa.array([row[0]["intent"] for row in rows], pa.string()),
            "confidence": pa.array([min(each) for each in lists], pa.float32()),
        }


@lru_cache(maxsize=2)
def intent_model(folder: str, identity: str, dim: int) -> IntentModel:
    """Load a model of intents, and cache it in the process.

    Args:
        folder: Folder of the model; "" for the fake engine's own model.
        identity: Digest of the model, a part of the cache's key.
        dim: Length of a vector, for the fake engine's model.
    """
    return IntentModel.load(folder) if folder else IntentModel.fake(dim=dim)


def _vectors(raw: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of all questions, float32 [questions, dim], and the questions per ticket, int64 [n]."""
    column = raw["vectors"].combine_chunks()
    counts = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
    values = column.flatten().to_pylist()
    if not values:
        return np.zeros((0, 1), np.float32), counts
    return np.frombuffer(b"".join(values), np.float16).reshape(len(values), -1).astype(np.float32), counts


class QuestionScorer:
    """Splits and encodes tickets inside a Ray worker, with the loaded encoder."""

    def __init__(self, encoder: Encoder, prefix: str) -> None:
        self.encoder, self.prefix = encoder, prefix

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group whole tickets into batches of the encoder; return the row numbers of each batch."""
        return list(self.encoder.plan(self._prefixed(message(content))))

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Split tickets into questions and encode them; return spans, vectors, language and tokens, one row per ticket.

        Args:
            content: Columns subject and text, [n].
            attempts: Number of the attempt at each row; not used.

        Returns:
            `spans` (start and end of each question, in characters of `message`), `vectors` (float16 bytes of each
            question), `language` and `tokens`.

        Raises:
            EngineError: The encoder failed.
        """
        texts = message(content)
        spans = [questions(text) for text in texts.to_pylist()]
        asked = [
            text[start:end] for text, places in zip(texts.to_pylist(), spans, strict=True) for start, end in places
        ]
        encoded = encode_all(self.encoder, self._prefixed(pa.array(asked, pa.string())))
        rows = iter(encoded.vectors.astype(np.float16))
        counts = np.array([len(places) for places in spans], np.int64)
        vectors = [[next(rows).tobytes() for _ in places] for places in spans]
        whose = np.repeat(np.arange(len(spans)), counts)
        tokens = np.bincount(whose, weights=encoded.tokens, minlength=len(spans)).astype(np.int32)
        places = [[{"start": start, "end": end} for start, end in each] for each in spans]
        columns = {
            "spans": pa.array(places, pa.list_(_SPAN)),
            "vectors": pa.array(vectors, pa.list_(pa.binary())),
            "language": guess_language(texts),
            "tokens": pa.array(tokens),
        }
        return pa.table(columns)

    def _prefixed(self, texts: pa.Array) -> pa.Array:
        """Return the texts as the encoder reads them: each with the model's prefix before it."""
        return pc.binary_join_element_wise(self.prefix, texts, "") if self.prefix else texts


def message(content: pa.Table) -> pa.Array:
    """Return the text of each ticket that is searched for questions, string [n].

    It is the ticket's text, or its subject if the text has no word.
    """
    subject, text = (pc.fill_null(content[name], "").combine_chunks() for name in ("subject", "text"))
    return pc.if_else(has_word(text), text, subject)
