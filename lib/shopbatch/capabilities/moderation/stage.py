"""Title and text of a review -> what is harmful in them, and what becomes of the review.

The lists find what they know, and the model, where there is one, what is said in other words. The memo keeps the
findings, which depend on the text alone. What they lead to is decided when the table is published.
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

VERSION = 3  # of what is published of the findings
COLUMNS = ("title", "text")
STRICTNESS: tuple[Action, ...] = ("publish", "mask", "hold")
ADVERT = "advert"  # what the model alone finds only in a text with a sign of one
BY_MODEL = "model"  # what the rule of a finding begins with if the model found it
_LEFT = "masked texts that still hold what is masked"
_CALL_ROWS, _CALL_CHARACTERS = 512, 200_000  # reviews of one call: a passage that occurs twice in it is encoded once


@dataclass(frozen=True)
class ModerationStage(BaseStage):
    """The stage of moderate_reviews.

    Attributes:
        actions: What becomes of a review, by kind of finding.
        engine: The engine of the model; None: the lists alone.
        encoder, model: Model folders ("" for the fake engine).
        models: Their digests, part of the recipe.
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
        return self.engine is None or bool(getattr(self.engine, "light", False))

    @property
    def checks(self) -> str:
        """The versions of what is checked and published, and the actions: a change of them computes nothing."""
        return f"{super().checks}.{VERSION}/{digest(self.actions.model_dump())}"

    def recipe(self) -> Mapping[str, Any]:
        lists = {"stage": "moderation", "version": FINDING_VERSION}
        if self.engine is None:
            return lists
        model = {"passages": PASSAGES_VERSION, "advert signs": SIGNS_VERSION}
        return lists | model | {"engine": self.engine.identity(), "models": dict(self.models)}

    def open(self) -> Moderator:
        """The words are read with the first text."""
        if self.engine is None:
            return Moderator()
        encoder = open_engine(self.engine, self.encoder or None)
        return Moderator(encoder, ModerationModel.load(self.model) if self.model else ModerationModel.fake(encoder.dim))

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Decide what becomes of each review; of one that is masked, make the masked title and text."""
        texts = zip(*(passed[name].to_pylist() for name in COLUMNS), strict=True)
        rows = [self._decide(both, findings) for both, findings in zip(texts, raw["findings"].to_pylist(), strict=True)]
        schema = REVIEW_MODERATION.schema()
        made = {
            name: pa.array([row[name] for row in rows], schema.field(name).type)
            for name in ("action", "kinds", "masked_title", "masked_text")
        }
        return made | {"findings": raw["findings"], "language": _language(passed)}

    def _decide(self, texts: Sequence[str | None], findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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
        """Count the masked texts in which the lists still find what was masked."""
        rows = published.filter(pc.equal(published["action"], "mask"))
        kept = zip(*(rows[name].to_pylist() for name in ("kinds", "masked_title", "masked_text")), strict=True)
        left = 0
        for kinds, *texts in kept:
            hidden = {kind for kind in kinds if getattr(self.actions, kind) == "mask"}
            left += any(hidden & {finding.kind for finding in find(text)} for text in texts if text)
        return {_LEFT: float(left)}

    def limits(self) -> dict[str, float]:
        return {_LEFT: 0.0}


@dataclass(frozen=True)
class _Judged:
    """What the model says of a text: its findings, the kinds that the lists find wrongly, and the tokens it read."""

    findings: Sequence[Finding] = ()
    overruled: frozenset[str] = frozenset()
    tokens: int = 0


class Moderator:
    """The stage inside a worker: the lists, and an encoder and a model if there are any."""

    def __init__(self, encoder: Encoder | None = None, model: ModerationModel | None = None) -> None:
        self.encoder, self.model = encoder, model

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Cut the rows, in order, into calls of at most _CALL_ROWS reviews and about _CALL_CHARACTERS characters."""
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
        """What the model says of each text."""
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
    """The passages whose probability reaches the threshold of a kind; a whole text only if none of its parts does."""
    for number, kind in enumerate(KINDS):
        hits = [row for row in range(len(pieces)) if probabilities[row, number] >= least[number]]
        parts = [row for row in hits if not _holds_others(pieces, row)]
        for row in parts or hits:
            rule = f"{BY_MODEL} {probabilities[row, number]:.2f}"
            yield Finding(pieces[row].start, pieces[row].end, kind, rule)


def _holds_others(pieces: Sequence[Passage], row: int) -> bool:
    """Whether a passage is the whole text, which comes last, behind its parts."""
    return row > 0 and row == len(pieces) - 1 and pieces[row].start == pieces[0].start


def _language(passed: pa.Table) -> pa.Array:
    """The language of each review: what is stated, else what its title and text show, else "und"."""
    stated = passed["language"].combine_chunks()
    whole = pc.binary_join_element_wise(*(passed[n].combine_chunks() for n in COLUMNS), " ", null_handling="skip")
    unread = pc.if_else(pc.is_null(stated), whole, "")  # a guess costs as much as the lists do
    return pc.coalesce(stated, guess_language(unread), pa.scalar("und"))


def _mask(text: str | None, findings: Sequence[Mapping[str, Any]], kinds: set[str]) -> str | None:
    """Hide these kinds in a text, also what the lists can find only when something else is hidden."""
    if text is None:
        return None
    shown = [Finding(f["start"], f["end"], f["kind"], f["rule"]) for f in findings if f["kind"] in kinds]
    for _ in range(4):
        if not shown:
            break
        text = masked(text, shown)
        shown = [finding for finding in find(text) if finding.kind in kinds]
    return text
