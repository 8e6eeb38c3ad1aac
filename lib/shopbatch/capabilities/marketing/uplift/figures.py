"""Charts and tables in the report of `train_uplift`: learners by Qini, Qini curves, effect by fifth of the users."""

from __future__ import annotations

import numpy as np

from shopbatch.capabilities.marketing.uplift.choose import Choice
from shopbatch.evaluation.experiments import Arms, effect
from shopbatch.evaluation.uplift import RANDOM, Trial, curve
from shopbatch.runs.report import Figure

_POINTS = 40
_PARTS = 5


def figures(choice: Choice, ranks: dict[str, np.ndarray], trial: Trial) -> list[Figure]:
    """Return the charts and tables that compare the learners and show why one was chosen.

    Args:
        choice: The chosen learner and the comparison.
        ranks: By learner, the held-out ranks of the users within their fold (`within_folds`), float64 [n].
        trial: Outcome, arm and probability of each user [n].
    """
    order = sorted(choice.comparison.qini, key=lambda name: choice.comparison.qini[name].value)
    order = [*(name for name in order if name != choice.name), choice.name]
    panel = {name: list(vars(choice.comparison.qini[name]).values()) for name in order}
    caption = (
        "Area between the curve of incremental outcome per treated head and that of a random order, times 10,000, on "
        "users that the models have not seen, with 95 % intervals. The last one is published."
    )
    return [
        Figure("intervals", "Qini of each learner", {"panels": {choice.verdict: panel}}, caption),
        _curves(choice, ranks, trial),
        _table(choice),
        _by_fifth(choice, ranks, trial),
    ]


def _curves(choice: Choice, ranks: dict[str, np.ndarray], trial: Trial) -> Figure:
    series = {}
    grid = np.linspace(0, 1, _POINTS + 1)
    for name in dict.fromkeys([choice.response, choice.best, choice.name]):
        share, gain = curve(ranks[name], trial)
        series[name] = [grid.tolist(), np.interp(grid, share, gain).tolist()]
    share, gain = curve(np.zeros(len(trial)), trial)
    series = {RANDOM: [[0.0, 1.0], [0.0, float(gain[-1])]], **series}
    labels = ["share of the users who are addressed", "incremental outcome per head"]
    return Figure("lines", "What each order would have brought", {"series": series, "labels": labels})


def _table(choice: Choice) -> Figure:
    columns = ["learner", "Qini", "above chance by at least", "share of draws above the response model"]
    rows = []
    for name, value in sorted(choice.comparison.qini.items(), key=lambda item: -item[1].value):
        sure = choice.comparison.above.get((name, RANDOM))
        better = choice.comparison.better.get((name, choice.response))
        rows.append(
            [
                name,
                f"{value.value:.1f} [{value.low:.1f}, {value.high:.1f}]",
                "" if sure is None else f"{sure.low:+.1f}",
                "" if better is None else f"{better:.2f}",
            ]
        )
    caption = "Above chance by at least: the lower end for all learners at once, as the best of many looks too good."
    return Figure("table", "Learners", {"columns": columns, "rows": rows}, caption)


def _by_fifth(choice: Choice, ranks: dict[str, np.ndarray], trial: Trial) -> Figure:
    """Return a table of the measured effect in each fifth of the users, ordered by the chosen learner's rank."""
    place = np.minimum((ranks[choice.name] * _PARTS).astype(int), _PARTS - 1)
    rows = []
    for number in reversed(range(_PARTS)):
        inside = place == number
        part = trial.of(inside)
        if part.treated.any() and not part.treated.all():
            measured = effect(part.outcome, Arms(part.treated, part.probability))
            gap = measured.difference
            rows.append([_PARTS - number, len(part), f"{gap.value:+.4g} [{gap.low:+.4g}, {gap.high:+.4g}]"])
    caption = "Users in the order that is published, the first fifth first; the effect is what the message added."
    return Figure("table", "Effect by fifth", {"columns": ["fifth", "users", "effect"], "rows": rows}, caption)
