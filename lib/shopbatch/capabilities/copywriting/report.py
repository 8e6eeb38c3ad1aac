"""What the report of `describe_products` shows besides the common figures. Called by `run.py` after publishing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import ray

from shopbatch.capabilities.copywriting.config import Config
from shopbatch.capabilities.copywriting.coverage import mentions, share
from shopbatch.capabilities.copywriting.prompt import SHOWN, fenced
from shopbatch.capabilities.copywriting.rules import attributes_of
from shopbatch.capabilities.copywriting.stage import DescriptionStage
from shopbatch.capabilities.copywriting.template import template
from shopbatch.engines.configs import WITHOUT_MODEL
from shopbatch.evaluation.distinct import distinct
from shopbatch.inference.spec import Spec
from shopbatch.models import registry
from shopbatch.runs.report import Figure, Report
from shopbatch.warehouse.store import Store

SHOWN_ROWS = 10  # good ones and rejected ones
ENOUGH = 20_000  # kept texts that figures are made of
NEAR = 0.8  # Jaccard similarity from which copy of different products counts as a near-copy


@dataclass(frozen=True)
class Written:
    """A text with the attributes it was written from, and what the checks say of it."""

    attributes: Mapping[str, str | None]
    text: str
    reason: str | None
    copy: str  # headline, description and bullets, or "" where the text is no copy
    spans: tuple[str, ...]  # claims without backing


def add_figures(
    config: Config, store: Store, report: Report, languages: Sequence[tuple[str, Spec]], compare: bool
) -> None:
    """By department, good and refused texts, near-copies, cost, and the model beside its base and a template."""
    for language, spec in languages:
        kept = _kept(store, spec)
        if not kept:
            continue
        before = "" if len(languages) == 1 else f"{language}: "
        good, bad = [w for w in kept if w.reason is None], [w for w in kept if w.reason is not None]
        report.metrics[f"{before}copy"] = numbers = _numbers(kept, language) | {"near_copies": _near(good)}
        report.figures += [
            _by_department(kept, before),
            _reasons(bad, before),
            _texts(good, language, f"{before}Copy that passed", "evidence"),
            _texts(bad, language, f"{before}Copy that was refused", "claims without backing"),
        ]
        if compare and config.compare and language == languages[0][0]:
            compared = _compared(config, store, spec, kept)
            report.metrics[f"{before}compared"] = compared
            report.figures.append(_beside(compared, before, numbers))
    use = report.engine
    if use is not None and (config.price.tokens_in or config.price.tokens_out):
        report.metrics["cost"] = {config.price.currency: round(config.price.of(use.tokens_in, use.tokens_out), 4)}


def judged(stage: DescriptionStage, rows: Sequence[Mapping[str, Any]]) -> list[Written]:
    """Texts held against all rules. rows: text, finish, attributes, as the memo has them."""
    found = []
    for row in rows:
        verdict = stage.verdict(row["text"], row["finish"], row["attributes"])
        copy, spans = verdict.copy.text if verdict.copy else "", tuple(f.span for f in verdict.findings)
        found.append(Written(attributes_of(row["attributes"]), row["text"], verdict.reason, copy, spans))
    return found


def _plain(stage: DescriptionStage, found: Sequence[Written]) -> list[Written]:
    """The fixed template's copy of the same products."""
    rows = [
        {"text": template(w.attributes), "finish": "stop", "attributes": json.dumps(dict(w.attributes))} for w in found
    ]
    return judged(stage, rows)


def _kept(store: Store, spec: Spec) -> list[Written]:
    """The memo's texts of the recipe, the last attempt at each content; at most ENOUGH."""
    memo = store.find(spec.memo.name)
    if memo is None or not isinstance(spec.stage, DescriptionStage):
        return []
    columns = ["hash_hi", "hash_lo", "attempt", "text", "finish", "attributes"]
    data = pl.DataFrame(memo.part({"recipe": spec.recipe}).read(columns, limit=ENOUGH))
    last = data.drop_nulls("text").sort("attempt").unique(["hash_hi", "hash_lo"], keep="last", maintain_order=True)
    rows = last.sort("hash_hi", "hash_lo").to_dicts()
    size = max(1, -(-len(rows) // 8))
    task = ray.remote(judged)
    tasks = [task.remote(spec.stage, rows[a : a + size]) for a in range(0, len(rows), size)]
    return [w for part in ray.get(tasks) for w in part]


def _numbers(found: Sequence[Written], language: str) -> dict[str, float]:
    """Share that passes all checks, mean share of attributes mentioned, distinct-4 of at most 500 texts."""
    good = [w for w in found if w.reason is None]
    covered = [share(mentions(w.attributes, w.copy, language)) for w in found if w.copy]
    return {
        "texts": len(found),
        "passed": round(len(good) / len(found), 4) if found else 0.0,
        "coverage": round(sum(covered) / len(covered), 4) if covered else 0.0,
        "distinct_4": round(distinct([w.copy for w in found if w.copy][:500]), 4),
    }


def _near(good: Sequence[Written]) -> float:
    """Share of published texts that are near-copies of another one's, of products with other attributes."""
    from shopbatch.evaluation.near_duplicates import apart

    if len(good) < 2:
        return 0.0
    import numpy as np

    # each second text is held against the others, as held-out texts are against training texts
    train = np.arange(len(good)) % 2 == 0
    keep = apart([w.copy for w in good], train, NEAR)
    return round(float((~keep).sum() / (~train).sum()), 4)


def _by_department(kept: Sequence[Written], before: str) -> Figure:
    counts = Counter((w.attributes.get("department") or "none", w.reason is None) for w in kept)
    names = [n for n, _ in Counter(d for d, _ in counts.elements()).most_common(20)]
    series = {"passed": [counts[n, True] for n in names], "refused": [counts[n, False] for n in names]}
    return Figure("bars", f"{before}Copy by department", {"groups": names, "series": series}, "Different attributes.")


def _reasons(bad: Sequence[Written], before: str) -> Figure:
    counts = Counter(str(w.reason) for w in bad).most_common(20)
    rows = [[reason, n] for reason, n in counts]
    return Figure("table", f"{before}Why copy was refused", {"columns": ["reason", "texts"], "rows": rows})


def _texts(found: Sequence[Written], language: str, title: str, last: str) -> Figure:
    """Ten texts beside their attributes. Evidence and claims are listed: what is quoted stands in the text."""
    rows = []
    for w in found[:: max(1, len(found) // SHOWN_ROWS)][:SHOWN_ROWS]:
        said = (
            [m.span for m in mentions(w.attributes, w.copy, language) if m.span] if w.reason is None else list(w.spans)
        )
        shown = fenced(w.attributes).split("\n")[1:-1]
        rows.append(["; ".join(shown), w.copy or w.text[:600], w.reason or "", "; ".join(f"«{s}»" for s in said)])
    return Figure("table", title, {"columns": ["attributes", "copy", "refused for", last], "rows": rows})


def _compared(config: Config, store: Store, spec: Spec, kept: Sequence[Written]) -> dict[str, dict[str, float]]:
    """The model, its base and the fixed template on the same products."""
    stage = spec.stage
    assert isinstance(stage, DescriptionStage)
    some = kept[:: max(1, len(kept) // config.compare)][: config.compare]
    found = {"model": _numbers(some, stage.language), "template": _numbers(_plain(stage, some), stage.language)}
    base = _base(config, store)
    if base:
        written = ray.get(_write.options(num_gpus=stage.gpus).remote(stage, base, [dict(w.attributes) for w in some]))
        found["base"] = _numbers(written, stage.language)
    return found


def _base(config: Config, store: Store) -> str:
    """The folder of the model that the model was trained from; "" where there is none."""
    if config.engine.kind in WITHOUT_MODEL:
        return ""
    models = f"{store.root}/_models"
    reference = str(registry.base(models, config.model).manifest.get("base") or "")
    try:
        return registry.resolve(models, reference).path
    except ValueError:  # not here any more
        return ""


@ray.remote
def _write(stage: DescriptionStage, model: str, attributes: list[dict[str, str | None]]) -> list[Written]:
    """What another model writes of these products, at the first attempt."""
    import dataclasses

    import numpy as np

    writer = dataclasses.replace(stage, model=model).open()
    columns = {n: pa.array([a.get(n) for a in attributes], pa.string()) for n in SHOWN}
    raw = writer.run(pa.table(columns), np.ones(len(attributes), np.int8)).to_pylist()
    return judged(stage, raw)


def _beside(compared: Mapping[str, Mapping[str, float]], before: str, whole: Mapping[str, float]) -> Figure:
    rows = [[name, n["texts"], n["passed"], n["coverage"], n["distinct_4"]] for name, n in compared.items()]
    rows.append(["model, all texts", whole["texts"], whole["passed"], whole["coverage"], whole["distinct_4"]])
    columns = ["writer", "texts", "pass all checks", "attributes mentioned", "distinct-4"]
    note = "The same products, the first attempt of the base model, the last one of the model."
    return Figure(
        "table", f"{before}The model beside its base and a template", {"columns": columns, "rows": rows}, note
    )
