"""Adds to the report of a translation run: counts per language pair, faults, chrF, examples, unchecked points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from shopbatch.capabilities.translation.checks import claims, completeness, negation
from shopbatch.capabilities.translation.config import TranslateRepliesConfig
from shopbatch.capabilities.translation.measuring import read_references, score
from shopbatch.inference.publish import find_live
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.schema import Table
from shopbatch.text.amounts import LANGUAGES as AMOUNTS
from shopbatch.text.clauses import function_words
from shopbatch.warehouse.store import Store

_READ = ("source_language", "kind", "text", "translation", "status", "faults", "likeness")
_SHOWN = 8  # examples shown for each pair and status
_SCORED = 20_000  # greatest number of texts on which chrF is computed
_LETTERS = 300


def add_figures(
    config: TranslateRepliesConfig, store: Store, report: Report, sink: Table, specs: Mapping[str, Spec]
) -> None:
    """Add figures about the published translations to the report of a run.

    They are counts by status for each pair of languages ("en-es"), chrF and BLEU where human translations exist, the
    faults of refused translations, examples, and the checks that do not cover a pair.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Report of the run, which is filled.
        sink: The published table.
        specs: {target language: its inference job}.
    """
    by_pair: dict[str, dict[str, Any]] = {}
    lacking: dict[str, list[str]] = {}
    counts, reasons, examples, unknown = [], [], [], []
    for target, spec in specs.items():
        live = find_live(spec, store)
        if live is None:
            continue
        rows = pl.DataFrame(live.read(list(_READ)))
        references = read_references(store, target)
        for source in sorted({*rows["source_language"].drop_nulls().to_list()} - {target}):
            own = rows.filter(pl.col("source_language") == source)
            name = f"{source}-{target}"
            status = {s: int((own["status"] == s).sum()) for s in ("translated", "same", "source")}
            compared = score(own.head(_SCORED).to_dicts(), references, target)
            by_pair[name] = dict(status) | ({} if compared is None else _rounded(compared))
            scores = [f"{compared.chrf:.1f}", f"{compared.bleu:.1f}", compared.texts] if compared else ["", "", 0]
            counts.append([name, *status.values(), *scores])
            reasons += _reasons(name, own)
            examples += _examples(name, own)
            lacking[name] = not_measured((source, target), compared is not None, config.compares)
            unknown += [[name, what] for what in lacking[name]]
    report.metrics["translations"] = by_pair
    report.metrics["not_measured"] = lacking
    if not counts:
        return
    total = sum(row["translated"] for row in by_pair.values())
    report.highlights = {
        "translated": f"{total:,}",
        "kept as they are": f"{sum(r['source'] for r in by_pair.values()):,}",
    }
    columns = ["pair", "translated", "same", "kept in the source language", "chrF", "BLEU", "with a reference"]
    report.figures += [
        Figure("table", "Texts by pair of languages", {"columns": columns, "rows": counts}),
        Figure("table", "Why no translation passed", {"columns": ["pair", "fault", "texts"], "rows": reasons}),
        Figure(
            "table", "Some texts", {"columns": ["pair", "status", "text", "translation", "faults"], "rows": examples}
        ),
        Figure("table", "What was not measured", {"columns": ["pair", "what"], "rows": unknown}),
    ]


def _rounded(compared: Any) -> dict[str, Any]:
    """Format a `Score` for the report's JSON, with two decimals."""
    return {"chrf": round(compared.chrf, 2), "bleu": round(compared.bleu, 2), "references": compared.texts}


def not_measured(pair: tuple[str, str], has_references: bool, compares: bool) -> list[str]:
    """List what the checks do not cover for a pair of languages, for example because a word list lacks a language.

    Args:
        pair: ISO 639-1 codes of source and target language.
        has_references: Whether human translations exist for the pair.
        compares: Whether an encoder compares texts with translations.

    Returns:
        One sentence per gap; [] if everything is checked.
    """
    lists = {
        "numbers and units": AMOUNTS,
        "denials": negation.languages(),
        "added claims and changed words": claims.languages(),
        "the language of short clauses": (*function_words(), "zh"),
        "the usual length": completeness.measured_languages(),
    }
    out = []
    for what, codes in lists.items():
        if lacking := [code for code in dict.fromkeys(pair) if code not in codes]:
            out.append(f"{what}: there are no words for {' and '.join(lacking)}")
    if not has_references:
        out.append("quality: there are no references, so no chrF")
    if not compares:
        out.append("meaning: there is no encoder, so missing and added parts are seen by length alone")
    return out


def _reasons(name: str, rows: pl.DataFrame) -> list[list[Any]]:
    """Count the faults of the texts for which no translation passed, for a table of the report.

    Args:
        name: The pair of languages, such as "en-es".
        rows: Published rows of this pair.

    Returns:
        Rows [pair, fault, number of texts], the most frequent fault first.
    """
    kept = rows.filter(pl.col("status") == "source").explode("faults")
    counted = kept.group_by("faults").len().sort("len", "faults", descending=[True, False])
    return [[name, row["faults"], row["len"]] for row in counted.to_dicts()]


def _examples(name: str, rows: pl.DataFrame) -> list[list[str]]:
    """Choose at most 8 translated and 8 refused texts, for a table of the report.

    Args:
        name: The pair of languages, such as "en-es".
        rows: Published rows of this pair.

    Returns:
        Rows [pair, status, text, translation, faults]; long texts are shortened.
    """
    out = []
    for status in ("translated", "source"):
        for row in rows.filter(pl.col("status") == status).sort("text").head(_SHOWN).to_dicts():
            said: Sequence[str] = row["faults"] or ()
            out.append([name, status, row["text"][:_LETTERS], (row["translation"] or "")[:_LETTERS], ", ".join(said)])
    return out
