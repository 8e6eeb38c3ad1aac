"""The inference stage of moderate_reviews: finds harmful passages in a review's title and text, and chooses an action.

The word lists find harm in words that they contain. The model, if there is one, finds harm in other words. The memo
keeps the findings, which depend on the text alone. The action (publish, mask or hold) is decided when the table is
published.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.moderation.advert_signs import VERSION as SIGNS_VERSION
from shopbatch.capabilities.moderation.advert_signs import may_advertise
from shopbatch.capabilities.moderation.config import Action, Actions
from shopbatch.capabilities.moderation.model import KINDS, ModerationModel
from shopbatch.capabilities.moderation.passages import VERSION as PASSAGES_VERSION
from shopbatch.capabilities.moderation.passages import Passage, passages, read
from shopbatch.core.hashing import digest
from shopbatch.engines.base import Encoder, encode_all
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.factory import open_engine
from shopbatch.inference.stage import BaseStage
from shopbatch.tables.review_moderation import FINDING, REVIEW_MODERATION
from shopbatch.text.language import guess_language
from shopbatch.text.moderation.find import VERSION as FINDING_VERSION
from shopbatch.text.moderation.find import Finding, find, masked

VERSION = 3  # of the way findings are published
COLUMNS = ("title", "text")
STRICTNESS: tuple[Action, ...] = ("publish", "mask", "hold")
ADVERT = "advert"  # the model alone may find this kind only in texts with a sign of an advert
BY_MODEL = "model"  # `rule` of a finding begins with this if the model found it
_LEFT = "masked texts that still hold what is masked"
_CALL_ROWS, _CALL_CHARACTERS = 512, 200_000  # limits of a batch, in which equal passages are encoded once


@dataclass(frozen=True)
class ModerationStage(BaseStage):
    """The stage of moderate_reviews.

    Attributes:
        actions: Action for each kind of finding.
        engine: Settings of the encoder's engine; None: only the word lists are used.
        encoder: Folder of the encoder model; "" for the fake engine.
        model: Folder of the moderation model; "" for the fake engine.
        models: {name: digest} of both models, part of the recipe.
        content: Columns that the findings depend on.
        passthrough_columns: Columns of the review that are copied into the published row.
        drift_columns: Published columns whose shares the drift gate compares.
        outputs: Schema of the raw outputs: the list of findings.
    """

    actions: Actions = field(default_factory=Actions)
    engine: EngineConfig | None = None
    encoder: str = ""
    model: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    content: tuple[str, ...] = COLUMNS
    passthrough_columns: tuple[str, ...] = ("product_id", "language", *COLUMNS)
    drift_columns: tuple[str, str] = ("language", "action")
    outputs: pa.Schema = field(default_factory=lambda: pa.schema([("findings", pa.list_(FINDING))]))

    @property
    def stateless(self) -> bool:
        """True if opening the stage costs nothing: there is no engine, or it loads no model."""
        return self.engine is None or bool(getattr(self.engine, "light", False))

    @property
    def checks(self) -> str:
        """Versions of the checks and of the publishing code, and a digest of the actions.

        If it changes, the next run publishes the table again from the memo, without searching the reviews again.
        """
        return f"{super().checks}.{VERSION}/{digest(self.actions.model_dump())}"

    def recipe(self) -> Mapping[str, Any]:
        """Return everything that can change the findings.

        That is: the versions of the rules and, if a model is used, the engine and the digests of the models.
        """
        lists = {"stage": "moderation", "version": FINDING_VERSION}
        if self.engine is None:
            return lists
        model = {"passages": PASSAGES_VERSION, "advert signs": SIGNS_VERSION}
        return lists | model | {"engine": self.engine.identity(), "models": dict(self.models)}

    def open(self) -> Moderator:
        """Load encoder and model, if there are any, and return the scorer.

        The word lists are read later, with the first text.
        """
        if self.engine is None:
            return Moderator()
        encoder = open_engine(self.engine, self.encoder or None)
        return Moderator(encoder, ModerationModel.load(self.model) if self.model else ModerationModel.fake(encoder.dim))

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Make the published columns: action, kinds, findings, language, masked_title and masked_text.

        The two masked columns are null unless the action is "mask".
        """
        texts = zip(*(passed[name].to_pylist() for name in COLUMNS), strict=True)
        rows = [self._decide(both, findings) for both, findings in zip(texts, raw["findings"].to_pylist(), strict=True)]
        schema = REVIEW_MODERATION.schema()
        made = {
            name: pa.array([row[name] for row in rows], schema.field(name).type)
            for name in ("action", "kinds", "masked_title", "masked_text")
        }
        return made | {"findings": raw["findings"], "language": _language(passed)}

    def _decide(self, texts: Sequence[str | None], findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return action, kinds, masked_title and masked_text of one review.

        Args:
            texts: Title and text.
            findings: Findings in both.
        """
        kinds = sorted({finding["kind"] for finding in findings})
        action = max((getattr(self.actions, kind) for kind in kinds), key=STRICTNESS.index, default="publish")
        row = {"action": action, "kinds": kinds, "masked_title": None, "masked_text": None}
        if action == "mask":
            hidden = {kind for kind in kinds if getattr(self.actions, kind) == "mask"}
            row["masked_title"], row["masked_text"] = (
                _mask(text, [finding for finding in findings if finding["column"] == name], hidden)
                for name, text in zip(COLUMNS, texts, strict=True)
            )
        return row

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Count the masked reviews that still contain a masked kind of harm, according to the word lists.

        Returns:
            {name of the measure: number of such reviews}, for the gate whose limit `limits` gives.
        """
        rows = published.filter(pc.equal(published["action"], "mask"))
        kept = zip(*(rows[name].to_pylist() for name in ("kinds", "masked_title", "masked_text")), strict=True)
        left = 0
        for kinds, *texts in kept:
            hidden = {kind for kind in kinds if getattr(self.actions, kind) == "mask"}
            left += any(hidden & {finding.kind for finding in find(text)} for text in texts if text)
        return {_LEFT: float(left)}

    def limits(self) -> dict[str, float]:
        """Return the gate's limit for the result of `measure`: 0, so one badly masked review fails the gate."""
        return {_LEFT: 0.0}


@dataclass(frozen=True)
class _Judged:
    """The model's verdict on one text.

    Attributes:
        findings: Harm that the model finds.
        overruled: Kinds whose findings by the word lists are dropped, because the model finds them improbable.
        tokens: Number of tokens that the encoder read.
    """

    findings: Sequence[Finding] = ()
    overruled: frozenset[str] = frozenset()
    tokens: int = 0


class Moderator:
    """Scorer of `ModerationStage`: finds harm by the word lists and, if loaded, by encoder and model."""

    def __init__(self, encoder: Encoder | None = None, model: ModerationModel | None = None) -> None:
        self.encoder, self.model = encoder, model

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Split the rows, in order, into batches of at most 512 reviews and about 200,000 characters."""
        sizes = [pc.fill_null(pc.utf8_length(content[name]), 0).to_numpy() for name in COLUMNS]
        ends, first, filled = [], 0, 0
        for row, characters in enumerate((sizes[0] + sizes[1]).tolist()):
            if row > first and (row - first == _CALL_ROWS or filled + characters > _CALL_CHARACTERS):
                ends.append(row)
                first, filled = row, 0
            filled += characters
        bounds = [0, *ends, content.num_rows]
        return [np.arange(a, b) for a, b in itertools.pairwise(bounds) if b > a]

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Find harm in one batch of reviews.

        Args:
            content: Columns title and text of n reviews.
            attempts: Ignored, because the findings are the same at every attempt.

        Returns:
            A table of n rows with the columns findings (of the title, then of the text, each sorted by position) and
            tokens (int32, number of tokens that the encoder read).
        """
        columns = [content[name].to_pylist() for name in COLUMNS]
        texts = [(row, name, text) for name, column in zip(COLUMNS, columns, strict=True)
                 for row, text in enumerate(column) if text]  # fmt: skip
        findings: list[list[dict[str, Any]]] = [[] for _ in range(content.num_rows)]
        tokens = np.zeros(content.num_rows, np.int32)
        judged = self._judge([text for _, _, text in texts])
        for (row, name, text), each in zip(texts, judged, strict=True):
            tokens[row] += each.tokens
            by_lists = [finding for finding in find(text) if finding.kind not in each.overruled]
            for finding in sorted([*by_lists, *each.findings]):
                place = {"start": finding.start, "end": finding.end}
                findings[row].append({"kind": finding.kind, "column": name, **place, "rule": finding.rule})
        return pa.table({"findings": pa.array(findings, pa.list_(FINDING)), "tokens": pa.array(tokens)})

    def _judge(self, texts: Sequence[str]) -> list[_Judged]:
        """Return the model's verdict on each text; an empty one for each text if no model is loaded."""
        if self.encoder is None or self.model is None:
            return [_Judged() for _ in texts]
        cut = [passages(text) for text in texts]
        unique = {passage.text: 0 for pieces in cut for passage in pieces}
        unique = {text: number for number, text in enumerate(unique)}
        encoded = encode_all(self.encoder, pa.array(list(unique), pa.string()))
        probabilities = self.model.probabilities(list(unique), encoded.vectors)
        out = []
        for text, pieces in zip(texts, cut, strict=True):
            rows = [unique[piece.text] for piece in pieces]
            its = probabilities[rows].reshape(len(rows), len(KINDS))
            findings = list(_found(pieces, its, self.model.thresholds.astype(float)))
            if any(f.kind == ADVERT for f in findings) and not may_advertise(read(text).text):
                findings = [f for f in findings if f.kind != ADVERT]
            doubtful = its.max(axis=0, initial=0.0) < self.model.floors.astype(float)
            overruled = frozenset(kind for kind, below in zip(KINDS, doubtful.tolist(), strict=True) if below)
            out.append(_Judged(findings, overruled if pieces else frozenset(), int(encoded.tokens[rows].sum())))
        return out


def _found(pieces: Sequence[Passage], probabilities: np.ndarray, least: np.ndarray) -> Iterator[Finding]:
    """Yield a finding for each kind and each passage whose probability reaches the kind's threshold.

    The whole text, which is also a passage of a short text, is yielded only if none of its sentences reaches the
    threshold.

    Args:
        pieces: Passages of one text.
        probabilities: Probability of each kind, [passages, kinds].
        least: Threshold of each kind, [kinds].
    """
    for number, kind in enumerate(KINDS):
        hits = [row for row in range(len(pieces)) if probabilities[row, number] >= least[number]]
        parts = [row for row in hits if not _holds_others(pieces, row)]
        for row in parts or hits:
            rule = f"{BY_MODEL} {probabilities[row, number]:.2f}"
            yield Finding(pieces[row].start, pieces[row].end, kind, rule)


def _holds_others(pieces: Sequence[Passage], row: int) -> bool:
    """Return True if a passage is the whole text, which `passages` adds after the sentences of a short text.

    Args:
        pieces: Passages of one text.
        row: Index of the passage in `pieces`.
    """
    return row > 0 and row == len(pieces) - 1 and pieces[row].start == pieces[0].start


def _language(passed: pa.Table) -> pa.Array:
    """Return the language of each review, string array [n]: the stated one, else the recognised one, else "und"."""
    stated = passed["language"].combine_chunks()
    whole = pc.binary_join_element_wise(*(passed[n].combine_chunks() for n in COLUMNS), " ", null_handling="skip")
    unread = pc.if_else(pc.is_null(stated), whole, "")  # recognising a language costs as much as the word lists
    return pc.coalesce(stated, guess_language(unread), pa.scalar("und"))


def _mask(text: str | None, findings: Sequence[Mapping[str, Any]], kinds: set[str]) -> str | None:
    """Replace the findings of some kinds in a text by the name of the kind in brackets, such as "[contact]".

    Masking is repeated up to four times, because hiding words can let the lists find more. None stays None.

    Args:
        text: Title or text of a review.
        findings: Findings in it.
        kinds: Kinds to mask.
    """
    if text is None:
        return None
    shown = [Finding(f["start"], f["end"], f["kind"], f["rule"]) for f in findings if f["kind"] in kinds]
    for _ in range(4):
        if not shown:
            break
        text = masked(text, shown)
        shown = [finding for finding in find(text) if finding.kind in kinds]
    return text
