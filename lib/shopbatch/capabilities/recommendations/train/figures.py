"""Fill the report of a training: quality next to the baselines, exposure of products, which parts were kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shopbatch.capabilities.recommendations import evaluate
from shopbatch.capabilities.recommendations.evaluate import BASELINES, QUESTIONS, Measured
from shopbatch.capabilities.recommendations.fit import Choice
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.train.live import Live
from shopbatch.capabilities.recommendations.train.parts import Added, Verdict
from shopbatch.evaluation.paired import difference
from shopbatch.runs.report import Figure, Report

LEAST = 200  # least number of users of a group in the report
_POINTS = 100  # points of a curve
_LISTS = {"next basket": "buy_again", **{question: name for name, question in QUESTIONS.items()}}
Quality = Mapping[str, Mapping[str, Measured]]


@dataclass(frozen=True)
class Findings:
    """The results of a training that the report shows.

    Attributes:
        quality: The result of `evaluate.held_out`.
        before: The history before the held-out days.
        after: The purchases on the held-out days.
        groups: {attribute: group name of each user, object [users]}, from `groups.groups_of`.
        choice: The settings chosen for the counting parts (habit, neighbours).
        added: The sequence and text parts that are used, and why each part is used or not.
        live: Whether the live model could be judged, and how.
        seed: Seed of the bootstrap.
    """

    quality: Quality
    before: History
    after: History
    groups: Mapping[str, np.ndarray]
    choice: Choice
    added: Added
    live: Live
    seed: int


def fill_report(report: Report, findings: Findings) -> None:
    """Fill the metrics, figures and highlights of the report."""
    numbers = evaluate.report(findings.quality, findings.seed)
    report.metrics["quality"] = {
        question: {
            "n": len(findings.quality[question][name].ten.ndcg),
            **numbers[question][name],
            "baselines": {other: tree for other, tree in numbers[question].items() if other != name},
        }
        for question, name in _LISTS.items()
    }
    choice = findings.choice
    report.metrics["choice"] = {"half_life": choice.half_life, "way": str(choice.way), "mixture": str(choice.mixture)}
    report.metrics["validation"] = choice.validation
    report.metrics["parts"] = {f"{v.part} in {v.list}": _verdict(v) for v in findings.added.verdicts}
    report.metrics["live"] = findings.live.note
    report.metrics["groups"] = groups = by_group(findings)
    if findings.live.digest:
        report.models["live"] = findings.live.digest
    report.highlights = {
        f"NDCG@10 of {name}": f"{numbers[question][name]['ndcg@10']['value']:.4f}"
        f" ({BASELINES[name]} {numbers[question][BASELINES[name]]['ndcg@10']['value']:.4f})"
        for name, question in QUESTIONS.items()
    }
    report.figures += [_quality(numbers), _exposure(findings.quality), _parts(findings.added), _groups(groups)]


def by_group(findings: Findings) -> list[dict[str, Any]]:
    """Return the NDCG@10 of each list and of its baseline for each group of users, one dictionary per list and group.

    Groups with fewer than LEAST users are left out.
    """
    out = []
    owned, month = findings.before.owned(), findings.after.owned()
    for name, question in QUESTIONS.items():
        wanted = month if name == "buy_again" else month.without(owned)
        users, models = np.flatnonzero(wanted.sizes), findings.quality[question]
        own, base = (models[m].ten.ndcg for m in (name, BASELINES[name]))
        for by, groups in findings.groups.items():
            of_user = groups[users]
            for group in sorted({str(g) for g in of_user if g is not None}):
                inside = np.array([g is not None and str(g) == group for g in of_user], bool)
                if inside.sum() >= LEAST:
                    gain = difference(own[inside], base[inside], findings.seed).tree()
                    line = {"list": name, "by": by, "group": group, "users": int(inside.sum())}
                    line |= {"ndcg@10": round(float(own[inside].mean()), 5), "baseline": BASELINES[name]}
                    line |= {"baseline ndcg@10": round(float(base[inside].mean()), 5), "gain": gain}
                    out.append(line)
    return out


def _verdict(verdict: Verdict) -> dict[str, Any]:
    gain = None if verdict.gain is None else verdict.gain.tree()
    return {"weight": verdict.weight, "gain": gain, "why": verdict.why}


def _quality(numbers: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Return a figure with the NDCG@10 of every model and its interval; in each panel the list itself comes last."""
    panels = {}
    for question, name in _LISTS.items():
        order = sorted(numbers[question], key=lambda model: model == name)
        panels[f"{question}: {name}"] = {
            model: list(numbers[question][model]["ndcg@10"].values()) for model in order if model != "live"
        }
        if "live" in numbers[question]:
            panels[f"{question}: {name}"] = {
                "live": list(numbers[question]["live"]["ndcg@10"].values()),
                **panels[f"{question}: {name}"],
            }
    caption = (
        "NDCG@10 on the held-out days, all products ranked, with 95 % intervals over users. Next basket: the first of "
        "these days on which a user bought. Window: all of them. New: only products that the user never had."
    )
    return Figure("intervals", "Quality of the lists", {"panels": panels}, caption)


def _exposure(quality: Quality) -> Figure:
    """Return a figure that shows, by model, how unevenly its recommendations are spread over the products.

    A curve gives for each n the share (0 to 1) of all recommendations that the n most shown products take.
    """
    shown = {
        "popularity": quality["window"]["popularity"],
        "frequency": quality["window"]["frequency"],
        "buy_again": quality["window"]["buy_again"],
        "discover": quality["window, new"]["discover"],
    }
    series = {}
    for name, measured in shown.items():
        counts = -np.sort(-measured.shown.shown)
        if total := int(counts.sum()):
            at = np.unique(np.geomspace(1, len(counts), _POINTS).astype(int))
            series[name] = [at.tolist(), (np.cumsum(counts)[at - 1] / total).round(4).tolist()]
    labels = ["products, the most shown ones", "share of the places"]
    caption = (
        "Which share of the first ten places on the held-out days the most shown products take. The later a curve "
        "rises, the more products are shown."
    )
    return Figure("curves", "Exposure of the products", {"series": series, "labels": labels}, caption)


def _parts(added: Added) -> Figure:
    rows = [
        [v.part, v.list, v.weight or "not used", *(["–"] * 3 if v.gain is None else v.gain.tree().values()), v.why]
        for v in added.verdicts
    ]
    columns = ["part", "list", "weight", "gain of NDCG@10", "low", "high", "why"]
    caption = "What each part adds to counting on the validation days. What does not gain for certain is left out."
    return Figure("table", "Parts beside counting", {"columns": columns, "rows": rows}, caption)


def _groups(groups: list[dict[str, Any]]) -> Figure:
    columns = ["list", "by", "group", "users", "ndcg@10", "baseline", "baseline ndcg@10"]
    rows = [[line[c] for c in columns] + list(line["gain"].values()) for line in groups]
    caption = f"Groups with {LEAST} users or more who bought on the held-out days. The gain is over the baseline."
    data = {"columns": [*columns, "gain", "low", "high"], "rows": rows}
    return Figure("table", "Quality by group of users", data, caption)
