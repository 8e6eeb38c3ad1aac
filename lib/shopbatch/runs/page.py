"""Renders `report.html`: one page that a merchant can read, without scripts and without anything to download.

It gets the report as it is saved: masked JSON values. Jinja escapes everything except the SVG of `charts`; as a second
protection, the page's security policy forbids scripts. Any part of a report may be missing; the page then lacks that
section.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml
from markupsafe import Markup

from shopbatch.core.privacy import clean
from shopbatch.runs import charts, formats
from shopbatch.runs.bars import LABELS, bars, histograms, label_order
from shopbatch.runs.templates import template

SAMPLES = 60
LOG_LINES = 60
_HEAD = ("language", "label")  # columns that stand above a sample
# for each outcome: the colour in which the page shows it, and what it means for the reader
_OUTCOMES = {
    "published": ("good", "The result is published."),
    "nothing to do": ("good", "The published result is up to date, so there was nothing to publish."),
    "superseded": ("neutral", "A newer result was already there, so this one was not published."),
    "incomplete": (
        "neutral",
        "Some rows are not computed yet, so nothing is published; the same command continues with them.",
    ),
    "stopped": ("neutral", "The run was stopped; the same command continues from there."),
    "refused": ("bad", "A check refused the result: nothing was published, and what was live before is still live."),
    "failed": ("bad", "The run failed."),
    "running": ("neutral", "The run is still going on, so what this page shows may be incomplete."),
    "lost": ("bad", "The run ended without saying how: its process or its machine is gone."),
}
_ROWS = ("read", "published", "rejected", "pending", "distinct", "reused", "computed", "kept")
_GATE = ("name", "value", "limit", "passed", "detail")
_ENGINE = {"kind": "engine", "calls": "calls", "tokens_in": "tokens in", "tokens_out": "tokens out"}
_RATES = ("ece", "brier", "nll", "log_loss", "loss")  # measures that are not percentages


def render(report: Mapping[str, Any]) -> str:
    """Render the page of a report.

    Args:
        report: What `Report.to_dict` returns. Parts that are missing or have a wrong form are left out.

    Returns:
        The page as HTML.
    """
    rows = {name: n if isinstance(n := _tree(report.get("rows")).get(name), int) else None for name in _ROWS}
    quality = _tree(_tree(report.get("metrics")).get("quality"))
    tone, sentence = _OUTCOMES.get(str(report.get("outcome")), ("neutral", ""))
    if report.get("outcome") == "refused" and (written := ", ".join(formats.written(report))):
        sentence = f"A check refused a part of the result, which is as it was before. The rest is published: {written}."
    return template("runs/page.html.j2").render(
        report={key: report.get(key) for key in ("job", "run_id", "env", "outcome", "message", "recipe")},
        unit=unit if isinstance(unit := report.get("unit"), str) and unit else "rows",
        tone=tone,
        sentence=sentence,
        became=formats.became(report),
        started=report.get("started_at"),
        took=formats.took(report),
        links=[(title, name) for title, name in _tree(report.get("links")).items() if _is_file_name(name)],
        command=_way_on(report),
        first=formats.first_do(report),
        refusals=[str(gate.get("detail")) for g in _list(report.get("gates")) if _is_refusal(gate := _tree(g))],
        log=[clean(line) for line in _list(report.get("log_tail")) if isinstance(line, str)][-LOG_LINES:],
        diagnosis=[clean(line) for line in _list(report.get("diagnosis")) if isinstance(line, str)],
        rows=rows if any(count is not None for count in rows.values()) else None,
        missing=_missing(rows),
        gates=[_gate(_tree(gate)) for gate in _list(report.get("gates")) if _tree(gate)],
        label_chart=_label_chart(_tree(_tree(report.get("metrics")).get("mix"))),
        unmeasured=_unmeasured(_tree(_tree(report.get("metrics")).get("mix")), quality),
        quality=[_quality(language, _tree(block)) for language, block in quality.items() if _tree(block)],
        rejects=[(*one, _meanings()["rejects"].get(one[0], "")) for one in _shares(_tree(report.get("rejects")))],
        stages=_stages(report),
        engine={name: _tree(report.get("engine")).get(key) for key, name in _ENGINE.items()},
        figures=[drawn for figure in _list(report.get("figures")) if (drawn := _figure(_tree(figure)))],
        samples=_samples(_list(report.get("samples"))),
        tables=[line for table, uses in _tree(report.get("tables")).items() for line in _versions(table, uses)],
        models=_tree(report.get("models")),
        config=list(_flat(_tree(report.get("config")))),
    )


@cache
def _meanings() -> dict[str, Any]:
    """What checks and reasons mean, in words."""
    text = resources.files("shopbatch.runs").joinpath("meanings.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))


def _gate(gate: Mapping[str, Any]) -> dict[str, Any]:
    """A check with a sentence about what it protects against. Jobs put a language or a day in front of its name."""
    name = re.sub(r"^[\w-]{1,12}: ", "", str(gate.get("name")))
    known = [key for key in _meanings()["gates"] if name.startswith(key)]
    meaning = _meanings()["gates"][max(known, key=len)] if known else _meanings()["gate"]
    return {key: gate.get(key) for key in _GATE} | {"meaning": meaning}


def _is_file_name(name: Any) -> bool:
    """Whether a link leads to a file beside the report, and nowhere else."""
    return isinstance(name, str) and re.fullmatch(r"\w[\w-]*(\.[\w-]+)+", name) is not None


def _tree(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _missing(rows: Mapping[str, Any]) -> int | None:
    """Rows read - published - rejected - pending, which should be 0; None if the job does not count all four."""
    parts = [part for name in ("read", "published", "rejected", "pending") if isinstance(part := rows.get(name), int)]
    return parts[0] - sum(parts[1:]) if len(parts) == 4 else None


def _way_on(report: Mapping[str, Any]) -> str | None:
    """The command that continues a run; None if there is nothing to continue."""
    command = report.get("command")
    ended_well = report.get("outcome") in ("published", "nothing to do", "superseded")
    return clean(command) if isinstance(command, str) and command and not ended_well else None


def _is_refusal(gate: Mapping[str, Any]) -> bool:
    return gate.get("passed") is False and bool(gate.get("detail"))


def _chart(draw: Callable[[], Markup]) -> Markup | None:
    """A chart, or None if its data cannot be drawn: a bad figure must not prevent the report."""
    try:
        return draw()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None


def _label_chart(mix: Mapping[str, Any]) -> Markup | None:
    """The chart of labels per language, the language with most rows first."""
    counts = {language: _counts(_tree(labels)) for language, labels in mix.items()}
    totals = {language: sum(labels.values()) for language, labels in counts.items()}
    languages = sorted((language for language in totals if totals[language]), key=lambda x: (-totals[x], x))
    names = sorted({label for language in languages for label in counts[language]}, key=label_order)
    series = {label: [counts[language].get(label, 0) for language in languages] for label in names}
    groups = [f"{formats.language(language)} · {totals[language]:,}" for language in languages]
    return _chart(lambda: bars(groups, series, "Labels per language")) if groups else None


def _counts(tree: Mapping[str, Any]) -> dict[str, int]:
    return {name: n for name, n in tree.items() if isinstance(n, int) and n >= 0}


def _unmeasured(mix: Mapping[str, Any], quality: Mapping[str, Any]) -> str:
    """The languages of the result for which the model's quality was not measured, as words."""
    languages = [language for language in mix if quality and language not in quality]
    return ", ".join(formats.language(language) for language in sorted(languages))


def _quality(language: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """The quality for one language: a table of the model and its baselines, and two charts."""
    name = formats.language(language)
    lines = {"this model": block} | {formats.words(key): _tree(v) for key, v in _tree(block.get("baselines")).items()}
    measures = [key for key, value in block.items() if _is_measure(value) and not _is_context(key)]
    curve = {**_tree(block.get("calibration")), "ece": _value(block.get("ece"))}
    table = _tree(block.get("confusion"))
    return {
        "name": name,
        "n": block.get("n", block.get("count", block.get("test_rows"))),
        "measures": [(key, "ECE" if key == "ece" else formats.words(key)) for key in measures],
        "lines": [(who, [_measure(key, values.get(key)) for key in measures]) for who, values in lines.items()],
        "calibration": _chart(lambda: charts.calibration(curve, f"Calibration, {name}")),
        "confusion": _chart(lambda: charts.confusion(table["labels"], table["matrix"], f"Confusion of labels, {name}")),
    }


def _is_context(key: str) -> bool:
    """Whether a number describes the data or the model rather than its quality."""
    return key in ("n", "count", "temperature") or key.endswith("_rows")


def _is_measure(value: Any) -> bool:
    return _value(value) is not None or (isinstance(value, Mapping) and "value" in value)


def _value(measure: Any) -> float | None:
    value = measure.get("value") if isinstance(measure, Mapping) else measure
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _measure(key: str, measure: Any) -> tuple[str, str]:
    """A measure and its confidence interval as text."""
    value = _value(measure)
    if value is None:
        return "–", ""
    share = key not in _RATES and 0 <= value <= 1
    show: Callable[[float], str] = (lambda v: f"{100 * v:.1f}") if share else formats.rate
    text = show(value) + (" %" if share else "")
    low, high = (_value(_tree(measure).get(end)) for end in ("low", "high"))
    return text, "" if low is None or high is None else f"{show(low)} – {show(high)}"


def _shares(counts: Mapping[str, Any]) -> list[tuple[str, int, float]]:
    """(reason, rows, rows as share of the most frequent reason), the most frequent first."""
    numbers = _counts(counts)
    most = max(numbers.values(), default=0) or 1
    return [(reason, n, n / most) for reason, n in sorted(numbers.items(), key=lambda item: (-item[1], item[0]))]


def _stages(report: Mapping[str, Any]) -> list[tuple[str, float, float, float | None]]:
    """(stage, seconds, share of the longest, rows per second)."""
    seconds = {k: v for k, v in _tree(report.get("seconds")).items() if isinstance(v, int | float)}
    speed = _tree(report.get("rows_per_second"))
    most = max(seconds.values(), default=0) or 1
    return [(name, took, took / most, speed.get(name)) for name, took in seconds.items()]


def _figure(figure: Mapping[str, Any]) -> dict[str, Any] | None:
    data, title = _tree(figure.get("data")), str(figure.get("title", ""))
    drawn: dict[str, Any] = {"title": title, "caption": figure.get("caption", ""), "svg": None, "table": None}
    match figure.get("kind"):
        case "bars":
            drawn["svg"] = _chart(lambda: bars(data["groups"], data["series"], title))
        case "calibration":
            drawn["svg"] = _chart(lambda: charts.calibration(data, title))
        case "confusion":
            drawn["svg"] = _chart(lambda: charts.confusion(data["labels"], data["matrix"], title))
        case "histograms":
            drawn["svg"] = _chart(lambda: histograms(data["panels"], title))
        case "curves":
            drawn["svg"] = _chart(lambda: charts.curves(data["series"], data["labels"], title))
        case "lines":
            drawn["svg"] = _chart(lambda: charts.lines(data["series"], data["labels"], title))
        case "intervals":
            drawn["svg"] = _chart(lambda: charts.intervals(data["panels"], title))
        case "table" if isinstance(data.get("rows"), list):
            rows = [row for row in data["rows"] if isinstance(row, list)]
            drawn["table"] = {"columns": data.get("columns") or [], "rows": rows}
    return drawn if drawn["svg"] or drawn["table"] else None


def _versions(table: str, uses: Any) -> list[tuple[str, str, Any]]:
    """Lines of (table, "read" or "written", version)."""
    return [(table, use, version) for use, version in _tree(uses).items()]


def _samples(samples: list[Any]) -> list[dict[str, Any]]:
    """Each sample as its language and label, its texts and its other values: (column, value).

    A column that holds text in one row is shown as text in all.
    """
    rows = [row for row in samples if isinstance(row, Mapping)][:SAMPLES]
    texts = {column for row in rows for column, value in row.items() if _is_prose(value)}
    return [
        {
            "language": language if isinstance(language := row.get("language"), str) else None,
            "label": label if isinstance(label := row.get("label"), str) else None,
            "colour": LABELS.index(label) if label in LABELS else None,
            "texts": [(c, value) for c, value in row.items() if c in texts and value],
            "facts": [(c, _brief(value)) for c, value in row.items() if c not in texts and c not in _HEAD],
        }
        for row in rows
    ]


def _brief(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


def _is_prose(value: Any) -> bool:
    """Whether a value is text to read, and not a name, a number or a code."""
    return isinstance(value, str) and (len(value) > 40 or len(value.split()) > 3)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A configuration as (key.path, value) lines."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
