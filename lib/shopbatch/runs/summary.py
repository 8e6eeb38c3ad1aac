"""Makes the few lines that a run prints on the terminal when it has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from shopbatch.runs import formats

NUMBERS = 3  # at most so many of a run's numbers are shown


def summary(report: Mapping[str, Any], folder: str) -> list[str]:
    """Return the lines that tell a person how a run ended: outcome, rows, rejects, numbers, report, next command.

    Args:
        report: The report, as `Report.to_dict` returns it.
        folder: The run's folder.
    """
    seconds = formats.took(report)
    written = formats.written(report)
    outcome = f"{report['job']}: {report['outcome']}" + (
        f" in {formats.seconds(seconds)}" if seconds is not None else ""
    )
    lines = [outcome, *_row_lines(report), *_number_lines(report)]
    if report["outcome"] in ("published", "refused") and written:  # a gate may refuse some of several tables
        lines.append(_line("wrote", ", ".join(written)))
    lines.append(_line("report", f"{folder}/report.html"))
    lines += [_line("page", f"{folder}/{name}") for name in report["links"].values() if name.endswith(".html")]
    command = report["next_command"] if report["exit_code"] == 0 else _way_on(report)
    return [*lines, _line("next", command)] if command else lines


def _line(name: str, text: str) -> str:
    """Format a line of the summary: the name in a column of nine characters, then the text."""
    return f"  {name:<9}{text}"


def _row_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the line that counts rows (read, published, rejected, pending) and the line with the reject reasons."""
    rows, lines = report["rows"], []
    if "read" in rows:
        parts = [
            (rows.get("published"), formats.became(report)),
            (rows.get("rejected"), "rejected"),
            (rows.get("pending"), "pending"),
        ]
        adds_up = sum(number or 0 for number, _ in parts) == rows["read"]  # not if a job publishes, say, a row per user
        became = (" + " if adds_up else ", ").join(f"{number:,} {what}" for number, what in parts if number)
        computed = f"; {rows['computed']:,} computed now" if "computed" in rows else ""
        lines.append(
            _line(
                "rows", f"{rows['read']:,} read" + (f"{' =' if adds_up else ','} {became}" if became else "") + computed
            )
        )
    if rejects := report["rejects"]:
        reasons = Counter(rejects).most_common(4)
        lines.append(_line("rejects", ", ".join(f"{n:,} {formats.words(reason)}" for reason, n in reasons)))
    return lines


def _number_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the line with the run's most telling numbers, or [] if it has none or did not end well.

    They are the highlights that the job sets, else the shares of the labels, else the accuracy per language.
    """
    if report["exit_code"] != 0:  # a model's measures would look like this run's result
        return []
    metrics = report["metrics"]
    numbers: list[str] = [f"{name} {value}" for name, value in report["highlights"].items()]
    if not numbers and isinstance(mix := metrics.get("mix"), Mapping):
        numbers = _shares(list(mix.values()))
    if not numbers and isinstance(quality := metrics.get("quality"), Mapping):
        for language, block in quality.items():
            value = block.get("accuracy") if isinstance(block, Mapping) else None
            value = value.get("value") if isinstance(value, Mapping) else value
            if isinstance(value, float):
                numbers.append(f"{formats.language(language)} accuracy {100 * value:.1f} %")
    return [_line("numbers", ", ".join(numbers[:NUMBERS]))] if numbers else []


def _shares(groups: Sequence[Mapping[str, int]]) -> list[str]:
    """Return the share of each label over all groups as text: ["negative 12.5 %", "positive 87.5 %"].

    Args:
        groups: For each group, such as a language, {label: number of rows}.
    """
    counts = sum((Counter(group) for group in groups), Counter[str]())
    total = sum(counts.values())
    return [f"{formats.words(label)} {100 * n / total:.1f} %" for label, n in sorted(counts.items())] if total else []


def _way_on(report: Mapping[str, Any]) -> str:
    """Return how to continue after a run that did not end well: what to fix first, if anything, then the command."""
    command, first = report["command"], formats.first_do(report)
    return f"{first}, then: {command}" if command and first else first or str(command)
