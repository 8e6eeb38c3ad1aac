"""Judges a new aspect model by its held-out predictions: gates, learning curve, and figures of the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shopbatch.capabilities.insights.config import TrainAspectsConfig
from shopbatch.capabilities.insights.model import CUT
from shopbatch.capabilities.insights.train.fit import folds_of
from shopbatch.capabilities.insights.train.fit_all import Fitted
from shopbatch.capabilities.insights.train.learn import cross_fitted, sentence_hits, shifted
from shopbatch.capabilities.insights.train.measure import Judged, f1, gain, macro_f1, macro_interval
from shopbatch.evaluation.classification import Interval, accuracy
from shopbatch.runs.report import Figure, Report
from shopbatch.warehouse.gates import Gate, explain

LEXICON = "lexicon alone"
_SHARES = (0.25, 0.5)  # shares of the labels in the learning curve, besides all of them
_MORE = "label more sentences (`shopbatch label`) and load them (`shopbatch load aspect_labels`)"


@dataclass(frozen=True)
class Quality:
    """The quality of a model on people's labels.

    Attributes:
        judged: Truth and held-out predictions, by taxonomy.
        lexicon: Predictions of the lexicons alone (the baseline), bool [sentences, aspects] by taxonomy.
        macro: Macro-F1 of the model with its 95 % interval.
        above_lexicon: Macro-F1 of the model minus that of the lexicons, with its 95 % interval.
        curve: Learning curve: (number of labelled sentences learnt from, macro-F1), ascending; [] without enough
            labels.
    """

    judged: Mapping[str, Judged]
    lexicon: Mapping[str, np.ndarray]
    macro: Interval
    above_lexicon: Interval
    curve: list[tuple[int, float]]

    @property
    def labels(self) -> int:
        """Return the number of labelled sentences, over all taxonomies."""
        return sum(len(j.truth) for j in self.judged.values())

    @property
    def doubling(self) -> float:
        """Return the expected gain in macro-F1 from twice as many labels; nan if unknown.

        It is the slope of a line through the learning curve over the binary logarithm of the number of labels.
        """
        if len(self.curve) < 2 or any(math.isnan(value) for _, value in self.curve):
            return float("nan")
        sizes, values = zip(*self.curve, strict=True)
        return float(np.polyfit(np.log2(sizes), values, 1)[0])


def measure(fitted: Fitted, config: TrainAspectsConfig) -> Quality:
    """Measure the quality of a fitted model by its held-out predictions."""
    seed = config.examples.seed
    judged, lexicon = {}, {}
    for name, own in fitted.labelled.items():
        predicted = fitted.learnt[name].held_out > CUT
        judged[name] = Judged(fitted.model.taxonomies[name].names, own.truth, predicted, own.groups)
        lexicon[name] = sentence_hits(own)
    macro, above = macro_interval(judged, seed), gain(judged, lexicon, seed)
    return Quality(judged, lexicon, macro, above, _curve(fitted, judged, config))


def _curve(fitted: Fitted, judged: Mapping[str, Judged], config: TrainAspectsConfig) -> list[tuple[int, float]]:
    """Return the learning curve: macro-F1 with a quarter, half and all of the labels.

    The labels of a part are drawn at random, whole groups at a time; all sentences are judged each time.
    """
    chosen = {name: each.chosen for name, each in fitted.learnt.items() if each.chosen}
    others, seed = (config.fit.folds - 1) / config.fit.folds, config.examples.seed
    points = []
    for share in _SHARES if chosen else ():
        learnt_from, fewer = 0, dict(judged)
        for name, values in chosen.items():
            weak, labelled = fitted.weak[name], fitted.labelled[name]
            folds = folds_of(labelled.groups, config.fit.folds, seed)
            use = np.random.default_rng(seed + 1).random(len(labelled.truth))[labelled.groups] < share
            how = values["label_weight"], values["l2"]
            raw = cross_fitted(weak, labelled, folds, how, config.fit.steps, use)
            predicted = shifted(labelled, raw, folds, use) > CUT
            fewer[name] = Judged(judged[name].names, judged[name].truth, predicted, judged[name].groups)
            learnt_from += int(use.sum())
        points.append((round(learnt_from * others), macro_f1(fewer)))
    every = sum(len(judged[name].truth) for name in chosen) * others
    return [*points, (round(every), macro_f1(judged))] if chosen else []


def gates(quality: Quality, config: TrainAspectsConfig) -> list[Gate]:
    """Return the gates that do not need the live model: enough labels, and better than the lexicons.

    Args:
        quality: What `measure` returned.
        config: Settings of `train_aspects`.
    """
    limit, unjudged = config.gates.min_labels, config.gates.unjudged
    fewest = min(quality.judged, key=lambda name: len(quality.judged[name].truth))
    count = len(quality.judged[fewest].truth)
    enough = count >= limit or unjudged
    what = f"{count} sentences of {fewest} are labelled, fewer than gates.min_labels={limit}"
    why = "nobody can tell whether the model is better than its lexicon"
    do = f"{_MORE}; set a smaller gates.min_labels, or gates.unjudged=true to publish without a judgement"
    note = "published without a judgement, as gates.unjudged says" if count < limit else ""
    reached = [Gate(f"labelled sentences of {fewest}", count, limit, enough, explain(enough, what, why, do, note))]
    above = quality.above_lexicon
    if math.isnan(above.value):
        return reached
    number, least = (above.high, "upper") if unjudged else (above.low, "lower")
    better = number > 0
    what = f"macro-F1 is {quality.macro.value:.3f}, {above.value:+.3f} against the {LEXICON} "
    what += f"[{above.low:+.3f}, {above.high:+.3f}]: it is {'certainly worse' if unjudged else 'not certainly better'}"
    why = "the model would cost an encoder and tell no more than a list of words"
    do = f"{_MORE}{_worth(quality)}" + ("" if unjudged else ", or set gates.unjudged=true to publish it nevertheless")
    note = f"{above.value:+.3f} [{above.low:+.3f}, {above.high:+.3f}]; the {least} end must lie above 0"
    return [
        *reached,
        Gate(f"macro-F1 against the {LEXICON}", number, 0.0, better, explain(better, what, why, do, note)),
    ]


def live_gate(candidate: float, live: float, config: TrainAspectsConfig, how: str) -> Gate:
    """Return the gate that refuses a model which is worse than the live one by more than `gates.worse`.

    Args:
        candidate: Macro-F1 of the new model.
        live: Macro-F1 of the live model.
        config: Settings of `train_aspects`.
        how: Description of the labels on which both were judged, for the gate's text.
    """
    worse = config.gates.worse
    passed = candidate - live >= -worse
    what = f"macro-F1 is {candidate:.3f}, more than gates.worse={worse:g} below the live model's {live:.3f} ({how})"
    do = f"{_MORE}, or set gates.worse={live - candidate + 0.001:.3f}"
    detail = explain(passed, what, "reviews would be read worse than now", do, how)
    return Gate("macro-F1 against the live model", candidate - live, -worse, passed, detail)


def _worth(quality: Quality) -> str:
    """Return a phrase for the report with the gain in macro-F1 expected from twice as many labels; "" if unknown."""
    added = quality.doubling
    return "" if math.isnan(added) else f" (twice as many add about {added:+.3f})"


def fill_report(report: Report, quality: Quality, fitted: Fitted, seed: int) -> dict[str, Any]:
    """Enter metrics, figures and highlights into the report.

    Args:
        report: The report of the run.
        quality: What `measure` returned.
        fitted: The fitted model.
        seed: Seed of the bootstrap intervals.

    Returns:
        The metrics that the model's manifest keeps, by taxonomy.
    """
    metrics: dict[str, Any] = {}
    panels: dict[str, dict[str, list[float]]] = {}
    for name, judged in quality.judged.items():
        if not judged.counted.any():
            metrics[name] = {"labelled": len(judged.truth)}
            continue
        alone = {name: judged}
        words = {name: Judged(judged.names, judged.truth, quality.lexicon[name], judged.groups)}
        model, other = macro_interval(alone, seed), macro_interval(words, seed)
        metrics[name] = {
            "labelled": len(judged.truth),
            "macro_f1": model.tree(),
            "aspects": _by_aspect(judged),
            "baselines": {LEXICON: {"macro_f1": other.tree()}},
            "chosen": fitted.learnt[name].chosen,
        }
        panels[name] = {label: [x.value, x.low, x.high] for label, x in ((LEXICON, other), ("model", model))}
    if panels:
        caption = "Mean F1 over the aspects with at least five labelled sentences; no model saw what it is judged by."
        report.figures.append(Figure("intervals", "Macro-F1 on people's labels", {"panels": panels}, caption))
    _figure_of_curve(report, quality)
    truth, predicted = fitted.polarity.judged
    summary: dict[str, Any] = {"labelled": quality.labels}
    if not math.isnan(quality.macro.value):
        summary |= {"macro_f1": quality.macro.tree(), "above_lexicon": quality.above_lexicon.tree()}
        report.highlights["macro-F1"] = f"{quality.macro.value:.3f} [{quality.macro.low:.3f}, {quality.macro.high:.3f}]"
        report.highlights[f"against the {LEXICON}"] = f"{quality.above_lexicon.value:+.3f}"
    if len(truth):
        summary |= {"polarity_labelled": len(truth), "polarity_accuracy": round(accuracy(truth, predicted), 5)}
        report.highlights["polarity right"] = f"{summary['polarity_accuracy']:.1%} of {len(truth)}"
    if not math.isnan(quality.doubling):
        summary["twice_as_many_labels_add"] = round(quality.doubling, 4)
        report.highlights["twice as many labels add"] = f"about {quality.doubling:+.3f}"
    report.metrics["quality"], report.metrics["labels"] = metrics, summary
    return metrics


def _by_aspect(judged: Judged) -> dict[str, Any]:
    """Return F1 and the number of labelled sentences of each aspect."""
    counts = judged.counts().sum(axis=0)
    return {
        name: {"f1": round(float(value), 4), "labelled": int(labelled)}
        for name, value, labelled in zip(judged.names, f1(counts), counts[2], strict=True)
    }


def _figure_of_curve(report: Report, quality: Quality) -> None:
    """Add the learning curve to the report, with the lexicons' macro-F1 as a flat line; skip a curve of one point."""
    if len(quality.curve) < 2:
        return
    sizes, values = zip(*quality.curve, strict=True)
    words = macro_f1({n: Judged(j.names, j.truth, quality.lexicon[n], j.groups) for n, j in quality.judged.items()})
    series = {LEXICON: [list(sizes), [words] * len(sizes)], "model": [list(sizes), list(values)]}
    data = {"series": series, "labels": ["labelled sentences learnt from", "macro-F1"]}
    caption = f"Twice as many labels add about {quality.doubling:+.3f}." if not math.isnan(quality.doubling) else ""
    report.figures.append(Figure("curves", "What more labels would add", data, caption))
