"""Write the tables and the plot of docs/evidence/speed.md from the figures in bench/results.

The text of the page between the two marks (BEGIN and END) is replaced. Run: python -m bench --page
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.side_by_side import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "evidence" / "speed.md"
PLOT = PAGE.parents[1] / "images" / "speed.svg"
BEGIN, END = "<!-- made by `python -m bench --page`, from here -->", "<!-- to here -->"
ASKED = {
    "sentiment": "Scoring reviews, one encoder and head on all sides",
    "generation": "Generating product copy, greedily",
    "training": "Training a language model",
    "machinery": "An inference job without a model, which guesses the language of each review",
    "machinery_quick": "The machinery of an inference job alone: a stage that costs nothing",
    "machinery_5m": "The same, five times as large",
    "user_profiles": "Features of users from transactions",
    "search_scale": "The ten nearest products to a query, by vectors alone",
    "recommendations": "The 50 best of all products for each user",
    "start": "Waiting for the command line",
}
WAITS = {
    "help": "`shopbatch --help`",
    "first": "first run of score_reviews: until the first results lie in the memo",
    "first run": "first run of score_reviews: whole",
    "nothing": "score_reviews when nothing has changed",
    "one percent": "score_reviews after 1 % of the reviews has changed",
    "make run": "what `make run` does after the installation: sample, training, scoring",
}


def results() -> dict[str, dict[str, Any]]:
    """Read the JSON files of bench/results: the figures of each question that was measured, in the order of ASKED."""
    known = {name: RESULTS / f"{name}.json" for name in ASKED}
    return {name: json.loads(path.read_text("utf-8")) for name, path in known.items() if path.exists()}


def write(page: Path = PAGE, plot: Path = PLOT) -> str:
    """Replace the tables of the page, draw the plot, and return the summary table as Markdown, for the terminal.

    Args:
        page: The Markdown page to change.
        plot: The SVG file to write.
    """
    figures = results()
    table = summary(figures)
    details = [section(name, each) for name, each in figures.items()]
    text = page.read_text("utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    page.write_text("\n\n".join([before, table, *details, after]), "utf-8")
    draw(figures, plot)
    return table


def summary(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the summary table as Markdown: a row with speed ratios for each pair of our code and a peer."""
    lines = [
        "| question | this project | beside | pace, by processor time | by the clock |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, each in figures.items():
        for ratio in each.get("pace", ()):
            lines.append(f"| {name} | {ratio['of']} | {ratio['beside']} | {range_of(ratio['cpu'])} | "
                         f"{range_of(ratio['wall'])} |")  # fmt: skip
    return "\n".join(lines)


def range_of(values: Mapping[str, float]) -> str:
    """Format a median with its range: {"median": 2, "low": 1, "high": 3} -> "2 (1 to 3)"."""
    return f"{number(values['median'])} ({number(values['low'])} to {number(values['high'])})"


def number(value: float) -> str:
    """Format a number with three significant digits, or without decimals from 100 on (0.12345 -> "0.123")."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if value else "0"


def section(name: str, each: Mapping[str, Any]) -> str:
    """Return the Markdown section of one question: its title, the table of all sides, the command and the machine.

    Args:
        name: The question, a key of ASKED.
        each: The figures of its JSON file.
    """
    lines = [f"### {ASKED[name]}", ""]
    if "figures" in each:
        lines += ["| what | seconds |", "| --- | --- |"]
        for key, said in WAITS.items():
            value = each["figures"].get(key)
            if isinstance(value, Mapping):
                lines.append(f"| {said} | {value['median']:g} ({value['least']:g} to {value['most']:g}) |")
            elif value is not None:
                lines.append(f"| {said} | {value:g} |")
    else:
        lines += [f"| side | {each['unit']} a second | a second of the processor | peak of the process, MB |",
                  "| --- | --- | --- | --- |"]  # fmt: skip
        for side in each["sides"]:
            units = each["units"] * side["share"]
            paces = (sorted(units / s for s in side[clock] if s) for clock in ("wall", "cpu"))
            cells = [range_of({"median": p[len(p) // 2], "low": p[0], "high": p[-1]}) for p in paces]
            bold = "**" if side["ours"] else ""
            lines.append(f"| {bold}{side['name']}{bold} | {cells[0]} | {cells[1]} | {side['peak_mb']:,} |")
    machine = each["machine"]
    work = f"{each['units']:,} {each['unit']}; " if "units" in each else ""
    where = f"{machine['processor']}, {machine['cpus']} CPUs, load {machine['load']} at the end"
    lines += ["", f"{work}`{each['command']}`, {each['date'][:10]}, {where}."]
    lines += [sentence for sentence in (agreement(each), bound(each), not_run(each)) if sentence]
    return "\n".join(lines)


def agreement(each: Mapping[str, Any]) -> str:
    """Return a sentence on how far the sides' outputs agree; "" if that was not compared."""
    told = each.get("agreement") or {}
    base = f" with {told['with']}" if "with" in told else ""
    parts = []
    for what, values in told.items():
        if isinstance(values, Mapping):
            parts.append(f"{what}{base}: " + ", ".join(f"{n} {v:g}" if isinstance(v, float) else f"{n} {v}"
                                                       for n, v in values.items()))  # fmt: skip
        elif what != "with":
            parts.append(f"{what}: {values}")
    return f"Outputs: {'; '.join(parts)}." if parts else ""


def bound(each: Mapping[str, Any]) -> str:
    """Return sentences on how close our fastest side comes to the machine's limit; "" if the limit was not measured.

    The limit is the time that the model's matrix products would take at the machine's peak rate in bf16.
    """
    peak = each.get("bound")
    if not peak:
        return ""
    said = (
        f"The machine multiplies matrices at {peak['fp32']:g} GFLOP/s in fp32 and {peak['bf16']:g} in bf16, and "
        f"reads memory at {peak['memory']:g} GB/s."
    )
    ours = [s for s in each["sides"] if s["ours"] and "fp32" not in s["name"]]
    least = peak.get("least_seconds", {}).get("bf16")
    if least and ours:
        best = min(ours, key=lambda s: sorted(s["wall"])[len(s["wall"]) // 2])
        seconds = sorted(best["wall"])[len(best["wall"]) // 2]
        said += f" At that rate the products of the model alone, without padding, take {least:.2f} s in bf16; " \
                f"{best['name']} takes {seconds:.2f} s ({least / seconds:.0%} of the bound)."  # fmt: skip
    return said


def not_run(each: Mapping[str, Any]) -> str:
    """Return a sentence that lists the peers that were not measured, with the reasons; "" if there are none."""
    parts = [f"{name} ({why})" for name, why in each.get("not_run", {}).items()]
    return f"Not measured: {', '.join(parts)}." if parts else ""


def draw(figures: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Plot how many times as fast we are as every peer: a point with its range per pair, on a scale of powers of two.

    The ratios are those of CPU time. Without any pair no file is written.

    Args:
        figures: The figures by question, from `results`.
        path: The SVG file to write.
    """
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "shopbatch", "font.size": 8, "svg.fonttype": "none"})
    from matplotlib import pyplot

    rows = [(f"{name}: {r['of']} / {r['beside']}", r["cpu"]) for name, e in figures.items() for r in e.get("pace", ())]
    if not rows:
        return
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.2 * len(rows)))
    for place, (_, pace) in enumerate(rows):
        axes.plot([pace["low"], pace["high"]], [place, place], color="#3f51b5", linewidth=1)
        axes.plot([pace["median"]], [place], "o", color="#3f51b5", markersize=3)
    axes.axvline(1, color="#888888", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel("times the peer's pace, by processor time (median, least and greatest of the rounds)")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the page docs/evidence/speed.md and print its summary table."""
    print(write())


if __name__ == "__main__":
    main()
