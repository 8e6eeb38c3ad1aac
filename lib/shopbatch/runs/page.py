"""Renders `report.html`: one page about a run that a merchant can read, without scripts and external files.

The input is the report as it is saved: JSON values in which personal data is masked. Jinja escapes everything except
the SVG of `charts`; as a second protection, the page's security policy forbids scripts. Any part of a report may be
missing; the page then lacks that section.
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
_HEAD = ("language", "label")  # columns that are shown in the heading of a sample
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
    """Render the HTML page of a report.

    Args:
        report: The report, as `Report.to_dict` returns it. Missing or malformed parts are left out of the page.

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
    """Return the sentences of meanings.yaml, which explain gates and reject reasons on the page.

    Returns:
        `gates` and `rejects`: {name: sentence}; `gate`: the sentence for a gate that is not listed.
    """
    text = resources.files("shopbatch.runs").joinpath("meanings.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))


def _gate(gate: Mapping[str, Any]) -> dict[str, Any]:
    """Return a gate's result as template variables, with a sentence `meaning`: what the gate protects against.

    Args:
        gate: The JSON form of the gate's result. A prefix of its name, such as the language in "en: rows", is ignored
            when the sentence is looked up.
    """
    name = re.sub(r"^[\w-]{1,12}: ", "", str(gate.get("name")))
    known = [key for key in _meanings()["gates"] if name.startswith(key)]
    meaning = _meanings()["gates"][max(known, key=len)] if known else _meanings()["gate"]
    return {key: gate.get(key) for key in _GATE} | {"meaning": meaning}


def _is_file_name(name: Any) -> bool:
    """Return True if a link is the plain name of a file beside the report, so that it can lead nowhere else."""
    return isinstance(name, str) and re.fullmatch(r"\w[\w-]*(\.[\w-]+)+", name) is not None


def _tree(value: Any) -> Mapping[str, Any]:
    """Return the value if it is a mapping, else {}."""
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    """Return the value if it is a list, else []."""
    return value if isinstance(value, list) else []


def _missing(rows: Mapping[str, Any]) -> int | None:
    """Return read - published - rejected - pending, which should be 0; None if the job does not count all four."""
    parts = [part for name in ("read", "published", "rejected", "pending") if isinstance(part := rows.get(name), int)]
    return parts[0] - sum(parts[1:]) if len(parts) == 4 else None


def _way_on(report: Mapping[str, Any]) -> str | None:
    """Return the command that continues a run; None if the run ended well or its command is unknown."""
    command = report.get("command")
    ended_well = report.get("outcome") in ("published", "nothing to do", "superseded")
    return clean(command) if isinstance(command, str) and command and not ended_well else None


def _is_refusal(gate: Mapping[str, Any]) -> bool:
    """Return True if a gate refused the result and says why."""
    return gate.get("passed") is False and bool(gate.get("detail"))


def _chart(draw: Callable[[], Markup]) -> Markup | None:
    """Call a drawing function; return None if its data cannot be drawn, since a bad figure must not stop the report."""
    try:
        return draw()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None


def _label_chart(mix: Mapping[str, Any]) -> Markup | None:
    """Return the chart of the labels' shares per language, or None without data.

    Args:
        mix: {language: {label: rows}}. The language with most rows is drawn first.
    """
    counts = {language: _counts(_tree(labels)) for language, labels in mix.items()}
    totals = {language: sum(labels.values()) for language, labels in counts.items()}
    languages = sorted((language for language in totals if totals[language]), key=lambda x: (-totals[x], x))
    names = sorted({label for language in languages for label in counts[language]}, key=label_order)
    series = {label: [counts[language].get(label, 0) for language in languages] for label in names}
    groups = [f"{formats.language(language)} · {totals[language]:,}" for language in languages]
    return _chart(lambda: bars(groups, series, "Labels per language")) if groups else None


def _counts(tree: Mapping[str, Any]) -> dict[str, int]:
    """Return the entries whose value is a whole number of at least 0."""
    return {name: n for name, n in tree.items() if isinstance(n, int) and n >= 0}


def _unmeasured(mix: Mapping[str, Any], quality: Mapping[str, Any]) -> str:
    """Return the names of the languages that have results but no measured quality, as text: "French, Polish".

    Args:
        mix: {language code: rows by label} of the results.
        quality: {language code: measures}; if it is empty, "" is returned.
    """
    languages = [language for language in mix if quality and language not in quality]
    return ", ".join(formats.language(language) for language in sorted(languages))


def _quality(language: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows about the model's quality in one language.

    Args:
        language: Language code.
        block: Measures of the model, and of its `baselines`, with `calibration` and `confusion` if they were computed.

    Returns:
        Template variables: a table of the model and its baselines, and two charts.
    """
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
    """Return True if a number describes the data or the model (rows, temperature) and is no measure of quality."""
    return key in ("n", "count", "temperature") or key.endswith("_rows")


def _is_measure(value: Any) -> bool:
    """Return True if a value is a number, or a mapping with `value` (a number with a confidence interval)."""
    return _value(value) is not None or (isinstance(value, Mapping) and "value" in value)


def _value(measure: Any) -> float | None:
    """Return the number of a measure, given as a number or as {"value": number, ...}; None if it has none."""
    value = measure.get("value") if isinstance(measure, Mapping) else measure
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _measure(key: str, measure: Any) -> tuple[str, str]:
    """Format a measure and its confidence interval: ("91.3 %", "90.1 – 92.4"); "" without interval."""
    value = _value(measure)
    if value is None:
        return "–", ""
    share = key not in _RATES and 0 <= value <= 1
    show: Callable[[float], str] = (lambda v: f"{100 * v:.1f}") if share else formats.rate
    text = show(value) + (" %" if share else "")
    low, high = (_value(_tree(measure).get(end)) for end in ("low", "high"))
    return text, "" if low is None or high is None else f"{show(low)} – {show(high)}"


def _shares(counts: Mapping[str, Any]) -> list[tuple[str, int, float]]:
    """Return (reason, rows, rows as share of the most frequent reason), the most frequent reason first."""
    numbers = _counts(counts)
    most = max(numbers.values(), default=0) or 1
    return [(reason, n, n / most) for reason, n in sorted(numbers.items(), key=lambda item: (-item[1], item[0]))]


def _stages(report: Mapping[str, Any]) -> list[tuple[str, float, float, float | None]]:
    """Return (stage, seconds, seconds as share of the longest stage, rows per second or None) of every stage."""
    seconds = {k: v for k, v in _tree(report.get("seconds")).items() if isinstance(v, int | float)}
    speed = _tree(report.get("rows_per_second"))
    most = max(seconds.values(), default=0) or 1
    return [(name, took, took / most, speed.get(name)) for name, took in seconds.items()]


def _figure(figure: Mapping[str, Any]) -> dict[str, Any] | None:
    """Draw a figure that a job has added to the report; None if its kind is unknown or its data cannot be drawn.

    Args:
        figure: The JSON form of `Figure`.

    Returns:
        Template variables: `title`, `caption`, and either `svg` (a chart) or `table`; the other one is None.
    """
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
    """Return the rows of the page's list of tables: (table, "read" or "written", version).

    Args:
        table: Name of the table.
        uses: {"read" or "written": version}.
    """
    return [(table, use, version) for use, version in _tree(uses).items()]


def _samples(samples: list[Any]) -> list[dict[str, Any]]:
    """Return the sample rows for the page: per row its language, label, texts and all other values.

    Texts and other values are (column, value) pairs. A column that holds prose in one row is shown as text in all rows.
    At most SAMPLES rows are shown.
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
    """Round a float to three decimals; return any other value unchanged."""
    return round(value, 3) if isinstance(value, float) else value


def _is_prose(value: Any) -> bool:
    """Return True if a value is text to read (long, or more than three words), not a name, a number or a code."""
    return isinstance(value, str) and (len(value) > 40 or len(value.split()) > 3)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) for every value of a nested configuration: ("engine.batch", 32)."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
