"""Builds the figures of describe_products for its run report: examples, reasons, near-duplicates, cost, comparison.

`run.py` adds them after publishing.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import ray

from shopbatch.capabilities.copywriting.config import Config
from shopbatch.capabilities.copywriting.coverage import mentioned_share, mentions
from shopbatch.capabilities.copywriting.facts import content_of
from shopbatch.capabilities.copywriting.prompt import fenced
from shopbatch.capabilities.copywriting.rules import parse_attributes
from shopbatch.capabilities.copywriting.stage import DescriptionStage
from shopbatch.capabilities.copywriting.template import template
from shopbatch.capabilities.copywriting.writer import MODEL
from shopbatch.evaluation.distinct import distinct
from shopbatch.evaluation.near_duplicates import near_duplicates
from shopbatch.inference.spec import Spec
from shopbatch.models import registry
from shopbatch.runs.report import Figure, Report
from shopbatch.warehouse.store import Store

SHOWN_TEXTS = 10  # example texts in each table
MAX_TEXTS = 20_000  # maximum number of stored texts that the figures are made from
SIMILAR = 0.8  # minimum Jaccard similarity of near-duplicates
_DISTINCT_TEXTS = 500  # maximum for distinct-4, because distinct-4 falls with the number of texts
_TASK_TEXTS = 500  # minimum number of texts per Ray task
_TASKS = 8


@dataclass(frozen=True)
class JudgedText:
    """A text with the attributes that it was written from and the verdict of the rules.

    Attributes:
        attributes: The product's attributes by name.
        text: The text as the writer returned it.
        reason: Name of the rule that it breaks; None if it passed.
        copy: Headline, description, bullets and meta description, one per line; "" if the text could not be parsed.
        claims: The claims that no attribute backs, in quotation marks, each with the attribute that it contradicts, if
            any.
    """

    attributes: Mapping[str, str | None]
    text: str
    reason: str | None
    copy: str
    claims: tuple[str, ...]


def add_figures(
    config: Config, store: Store, report: Report, languages: Sequence[tuple[str, Spec]], compare: bool
) -> None:
    """Add the figures about the copy to the report, for each language.

    They are the counts by department, refused and accepted examples, the reasons of refusal, the share of
    near-duplicates, the cost of tokens, and the comparison of the model with its base.

    Args:
        config: Settings of describe_products.
        store: The warehouse; the texts are read from the memo.
        report: The run's report, which is extended.
        languages: (language, inference job) pairs.
        compare: Whether to compare the model with its base model and with the fixed template. This is done in the first
            language only, because it generates text.
    """
    for language, spec in languages:
        texts = _stored_texts(store, spec)
        if not texts:
            continue
        prefix = "" if len(languages) == 1 else f"{language}: "
        good, bad = [t for t in texts if t.reason is None], [t for t in texts if t.reason is not None]
        metrics = _metrics(texts, language) | {"near_copies": _near_duplicate_share(good)}
        report.metrics[f"{prefix}copy"] = metrics
        report.figures += [
            _by_department(texts, prefix),
            _reasons(bad, prefix),
            _examples(good, language, f"{prefix}Copy that passed", "evidence"),
            _examples(bad, language, f"{prefix}Copy that was refused", "claims without backing"),
        ]
        if compare and config.compare and language == languages[0][0]:
            compared = _compare(config, store, spec, texts)
            report.metrics[f"{prefix}compared"] = compared
            report.figures.append(_comparison(compared, prefix, metrics))
    use = report.engine
    if use is not None and (config.price.tokens_in or config.price.tokens_out):
        report.metrics["cost"] = {config.price.currency: round(config.price.cost(use.tokens_in, use.tokens_out), 4)}


def judge_texts(stage: DescriptionStage, rows: Sequence[Mapping[str, Any]]) -> list[JudgedText]:
    """Judge texts by all rules of a stage; also run as a Ray task.

    Args:
        stage: The stage of the texts' language.
        rows: Rows of the memo with text, finish, writer and attributes. A missing writer means the model.

    Returns:
        One JudgedText per row, in order.
    """
    judged = []
    for row in rows:
        text = stage.text(row["text"], row.get("writer") or MODEL, row["attributes"])
        verdict = stage.verdict(text, row["finish"], row["attributes"])
        copy = verdict.copy.text if verdict.copy else ""
        claims = dict.fromkeys(f"«{f.span}»" + (f" (but {f.against})" if f.against else "") for f in verdict.findings)
        judged.append(JudgedText(parse_attributes(row["attributes"]), text, verdict.reason, copy, tuple(claims)))
    return judged


def _from_template(stage: DescriptionStage, texts: Sequence[JudgedText]) -> list[JudgedText]:
    """Return the copy that template.py makes for the products of these texts, judged by the same rules."""
    rows = [
        {"text": template(t.attributes), "finish": "stop", "attributes": json.dumps(dict(t.attributes))} for t in texts
    ]
    return judge_texts(stage, rows)


def _stored_texts(store: Store, spec: Spec) -> list[JudgedText]:
    """Read the texts that the memo holds under the job's recipe and judge them in Ray tasks.

    Returns:
        The last attempt at each content, at most MAX_TEXTS; [] if the memo does not exist.
    """
    memo = store.find(spec.memo.name)
    if memo is None or not isinstance(spec.stage, DescriptionStage):
        return []
    columns = ["hash_hi", "hash_lo", "attempt", "text", "finish", "writer", "attributes"]
    data = pl.DataFrame(memo.part({"recipe": spec.recipe}).read(columns, limit=MAX_TEXTS))
    last = data.drop_nulls("text").sort("attempt").unique(["hash_hi", "hash_lo"], keep="last", maintain_order=True)
    rows = last.sort("hash_hi", "hash_lo").to_dicts()
    size = max(_TASK_TEXTS, -(-len(rows) // _TASKS))
    task = ray.remote(judge_texts)
    tasks = [task.remote(spec.stage, rows[a : a + size]) for a in range(0, len(rows), size)]
    return [text for part in ray.get(tasks) for text in part]


def _metrics(texts: Sequence[JudgedText], language: str) -> dict[str, float]:
    """Return the metrics of some texts, as {name: value}.

    They are the number of texts; the share that passes all checks; the mean share of attributes mentioned; and
    distinct-4, the share of distinct ones among all sequences of four words in the first `_DISTINCT_TEXTS` texts.
    """
    good = [t for t in texts if t.reason is None]
    covered = [mentioned_share(mentions(t.attributes, t.copy, language)) for t in texts if t.copy]
    return {
        "texts": len(texts),
        "passed": round(len(good) / len(texts), 4) if texts else 0.0,
        "coverage": round(sum(covered) / len(covered), 4) if covered else 0.0,
        "distinct_4": round(distinct([t.copy for t in texts if t.copy][:_DISTINCT_TEXTS]), 4),
    }


def _near_duplicate_share(good: Sequence[JudgedText]) -> float:
    """Return the share (0 to 1) of texts that are near-duplicates of copy for a product with other attributes.

    The texts are split into two halves (those at even and at odd places); each text of the first half is compared with
    all texts of the second.
    """
    if len(good) < 2:
        return 0.0
    copies = [t.copy for t in good]
    return round(float(near_duplicates(copies[::2], copies[1::2], SIMILAR).mean()), 4)


def _by_department(texts: Sequence[JudgedText], prefix: str) -> Figure:
    """Return a bar chart: the number of texts that passed and that were refused, for the 20 largest departments."""
    counts = Counter((t.attributes.get("department") or "none", t.reason is None) for t in texts)
    names = [n for n, _ in Counter(d for d, _ in counts.elements()).most_common(20)]
    series = {"passed": [counts[n, True] for n in names], "refused": [counts[n, False] for n in names]}
    return Figure("bars", f"{prefix}Copy by department", {"groups": names, "series": series}, "Different attributes.")


def _reasons(bad: Sequence[JudgedText], prefix: str) -> Figure:
    """Return a table of the 20 most frequent reasons of refusal with their numbers of texts."""
    counts = Counter(str(t.reason) for t in bad).most_common(20)
    rows = [[reason, n] for reason, n in counts]
    return Figure("table", f"{prefix}Why copy was refused", {"columns": ["reason", "texts"], "rows": rows})


def _examples(texts: Sequence[JudgedText], language: str, title: str, last_column: str) -> Figure:
    """Return a table of SHOWN_TEXTS texts beside the attributes that they were written from.

    The last column quotes words of each text: of a text that passed, those that mention an attribute; of a refused
    text, the claims that no attribute backs.

    Args:
        texts: Texts that passed, or texts that were refused.
        language: ISO 639 code of the texts.
        title: Title of the table.
        last_column: Heading of the last column.
    """
    rows = []
    for t in texts[:: max(1, len(texts) // SHOWN_TEXTS)][:SHOWN_TEXTS]:
        evidence = [f"«{m.span}»" for m in mentions(t.attributes, t.copy, language) if m.span]
        quoted = evidence if t.reason is None else t.claims
        shown = fenced(t.attributes).split("\n")[1:-1]
        rows.append(["\n".join(shown), t.copy or t.text[:600], t.reason or "", "\n".join(quoted)])
    return Figure("table", title, {"columns": ["facts", "copy", "refused for", last_column], "rows": rows})


def _compare(config: Config, store: Store, spec: Spec, texts: Sequence[JudgedText]) -> dict[str, dict[str, float]]:
    """Return the metrics of the model, its base model and the fixed template on the same products.

    Returns:
        {writer: its metrics, see `_metrics`}. The writers are "model", "template", and "base" if the model has a base
        model that still exists.
    """
    stage = spec.stage
    assert isinstance(stage, DescriptionStage)
    some = texts[:: max(1, len(texts) // config.compare)][: config.compare]
    from_template = _from_template(stage, some)
    metrics = {"model": _metrics(some, stage.language), "template": _metrics(from_template, stage.language)}
    base = _base_model(config, store)
    if base:
        write = ray.remote(num_gpus=stage.gpus)(_write)
        from_base = ray.get(write.remote(stage, base, [dict(t.attributes) for t in some]))
        metrics["base"] = _metrics(from_base, stage.language)
    return metrics


def _base_model(config: Config, store: Store) -> str:
    """Return the folder of the base model from which the configured model was trained; "" if there is none any more."""
    if not config.loads_model:
        return ""
    models = f"{store.root}/_models"
    reference = str(registry.base(models, config.model).manifest.get("base") or "")
    try:
        return registry.find(models, reference).path
    except ValueError:  # the base model was deleted
        return ""


def _write(stage: DescriptionStage, model: str, attributes: list[dict[str, str | None]]) -> list[JudgedText]:
    """Return the first attempts of another model at these products, judged by the same rules; run as a Ray task.

    Args:
        stage: The stage of the language.
        model: Folder of the other model.
        attributes: The attributes of each product.
    """
    writer = dataclasses.replace(stage, model=model).open()
    raw = writer.run(content_of(attributes), np.ones(len(attributes), np.int8)).to_pylist()
    return judge_texts(stage, raw)


def _comparison(compared: Mapping[str, Mapping[str, float]], prefix: str, whole: Mapping[str, float]) -> Figure:
    """Return the comparison of writers as a table: a row per writer, and a last row for all texts of the model.

    Args:
        compared: The metrics by writer, as `_compare` returns them.
        prefix: Beginning of the title: "" or the language.
        whole: The metrics of all texts of the model.
    """
    rows = [[name, n["texts"], n["passed"], n["coverage"], n["distinct_4"]] for name, n in compared.items()]
    rows.append(["model, all texts", whole["texts"], whole["passed"], whole["coverage"], whole["distinct_4"]])
    columns = ["writer", "texts", "pass all checks", "attributes mentioned", "distinct-4"]
    note = "The same products, the first attempt of the base model, the last one of the model."
    return Figure(
        "table", f"{prefix}The model beside its base and a template", {"columns": columns, "rows": rows}, note
    )
