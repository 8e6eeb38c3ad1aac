"""Evaluate train_uplift on Hillstrom's e-mail experiment: how well it finds users whom an e-mail moves.

    python -m bench.uplift FILE [RUNS] [ROWS]    FILE: the CSV file, or .gz

It prints: (1) the learner that is chosen from all rows; (2) how much the score of one learner varies with the users
that the file happens to contain; (3) the learner chosen on one half of the users and its score on the other half, in 10
splits, with the scores of all learners; (4) which kinds of model would be published in RUNS (100) draws of ROWS (8,000)
rows with shuffled arms, where no uplift exists.

The file has the columns of Kevin Hillstrom's MineThatData e-mail challenge (2008); one of its arms is "No E-Mail", and
there is one other arm. Without FILE, a small made-up experiment is used, which only shows that the program runs.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # with more threads these small sums take longer

import numpy as np
import polars as pl
from bench.side_by_side import benchmark

from shopbatch.capabilities.marketing.uplift.choose import (
    Choice,
    Settings,
    choose,
    folds_of,
    held_out_scores,
    within_folds,
)
from shopbatch.capabilities.marketing.uplift.learners import names, train
from shopbatch.evaluation.uplift import RANDOM, SCALE, Trial, qini

_WORDS = ("history_segment", "zip_code", "channel")
SPLITS = 10


def read(path: str, outcome: str = "visit") -> tuple[np.ndarray, Trial]:
    """Read Hillstrom's file: the features, float64 [n, features], and the trial (outcome and arm of each user).

    Args:
        path: The CSV file.
        outcome: The column of the outcome, such as "visit".
    """
    frame = pl.read_csv(path)
    numbers = frame.select("recency", pl.col("history").log1p(), "mens", "womens", "newbie").to_numpy().astype(float)
    words = frame.select(_WORDS).to_dummies().to_numpy().astype(float)
    treated = (frame["segment"] != "No E-Mail").to_numpy()
    return np.hstack([numbers, words]), trial_of(frame[outcome].to_numpy().astype(float), treated)


def invented(rows: int, seed: int = 0) -> tuple[np.ndarray, Trial]:
    """Make up an experiment: the first feature changes the effect of the message, the second one the outcome itself.

    Args:
        rows: Number of users.
        seed: Seed of the draw.

    Returns:
        The features, float64 [rows, 5], and the trial.
    """
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(rows, 5))
    treated = draw.random(rows) < 0.5
    chance = 0.15 + 0.08 * (features[:, 1] > 0) + treated * 0.12 * (features[:, 0] > 0)
    return features, trial_of((draw.random(rows) < chance).astype(float), treated)


def trial_of(outcome: np.ndarray, treated: np.ndarray) -> Trial:
    """Return a trial in which the probability of each arm is its share of the users.

    Args:
        outcome: The outcome of each user, float64 [n].
        treated: True where the user got the message, bool [n].
    """
    share = float(treated.mean())
    return Trial(outcome, treated, np.where(treated, share, 1 - share))


def line(choice: Choice) -> str:
    """Format a choice in one line: the chosen learner, and the Qini of the best uplift learner and response model."""
    value, sure = choice.comparison.qini[choice.best], choice.comparison.above[choice.best, RANDOM]
    return (
        f"{choice.kind:8} {choice.name:16} best uplift {choice.best:10} {value.value:6.1f} (above chance by "
        f"{sure.low:+.1f}), {choice.response} {choice.comparison.qini[choice.response].value:.1f}"
    )


def otherwise_defined(score: np.ndarray, trial: Trial) -> dict[str, float]:
    """Return the Qini score of a ranking of users by other common definitions of the curve, by name, in the same unit.

    The arms must have fixed shares.

    Args:
        score: The score by which users are ranked, highest first, [n].
        trial: Outcomes and arms of the users.
    """
    order = np.argsort(-score, kind="stable")
    treated, outcome = trial.treated[order], trial.outcome[order]
    n_t, n_c = np.cumsum(treated), np.cumsum(~treated)
    y_t, y_c = np.cumsum(outcome * treated), np.cumsum(outcome * ~treated)
    share = np.arange(1, len(order) + 1) / len(order)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.nan_to_num(y_t - y_c * n_t / n_c, posinf=0.0, neginf=0.0) / n_t[-1]
        lift = np.nan_to_num(y_t / n_t - y_c / n_c, posinf=0.0, neginf=0.0) * share
    curves = {
        "Qini over the share of the treated": (n_t / n_t[-1], gain),
        "Qini over the share of all users, unweighted": (share, gain),
        "lift x share": (share, lift),
        "sums over whole arms": (share, y_t / n_t[-1] - y_c / n_c[-1]),
    }
    return {name: float(((y - x * y[-1]) * np.diff(x, prepend=0.0)).sum() * SCALE) for name, (x, y) in curves.items()}


def sampling(rows: np.ndarray, trial: Trial, draws: int) -> None:
    """Print how much the Qini score of one learner (the linear T learner) varies with the users in the file.

    It prints two things: the score on the users that the learner was trained on, which is too high, also by other
    definitions of the curve; and the mean, spread and range of held-out scores when only one half of the control users
    is used, for several random halves.

    Args:
        rows: The features, float64 [n, features].
        trial: Outcomes and arms of the users.
        draws: Number of random splits of the controls into halves.
    """
    own = train("T linear", rows, trial).score(rows)
    seen, others = qini(own, trial), otherwise_defined(own, trial)
    print("the next figure by other definitions: " + ", ".join(f"{n} {v:.1f}" for n, v in others.items()))
    controls, worth = np.flatnonzero(~trial.treated), list[float]()
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(controls)
        for half in (order[: len(order) // 2], order[len(order) // 2 :]):
            there = np.sort(np.concatenate([np.flatnonzero(trial.treated), half]))
            part = trial_of(trial.outcome[there], trial.treated[there])
            fold = folds_of(part, 2, seed)
            score = held_out_scores("T linear", rows[there], part, fold)
            worth.append(qini(within_folds(score, fold), part))
    print(
        f"T linear: {seen:.1f} on the users that it has learnt from; held out, with one half of the controls or the "
        f"other: {np.mean(worth):.1f} sd {np.std(worth):.1f}, {min(worth):.1f} to {max(worth):.1f}"
    )


def splits(rows: np.ndarray, trial: Trial, settings: Settings, times: int) -> None:
    """Choose a learner on one half of the users and print its score on the other half, for several random splits.

    Args:
        rows: The features, float64 [n, features].
        trial: Outcomes and arms of the users.
        settings: Settings of the choice.
        times: Number of splits.
    """
    worth: dict[str, list[float]] = {"published": [], "best uplift learner": [], "response": []}
    every: dict[str, list[float]] = {name: [] for name in names(settings.families)}
    for seed in range(times):
        order = np.random.default_rng(seed).permutation(len(trial))
        ours, other = order[: len(order) // 2], order[len(order) // 2 :]
        half = trial.of(ours)
        choice = choose(rows[ours], half, replace(settings, seed=seed))
        for name, values in every.items():
            values.append(qini(train(name, rows[ours], half).score(rows[other]), trial.of(other)))
        for name, learner in zip(worth, (choice.name, choice.best, choice.response), strict=True):
            worth[name].append(0.0 if choice.kind == "none" and name == "published" else every[learner][-1])
        figures = ", ".join(f"{name} {values[-1]:.1f}" for name, values in worth.items())
        print(f"split {seed}: {line(choice)}; on the other half: {figures}", flush=True)
    response = np.array(worth["response"])
    for name, values in worth.items():
        scores = np.array(values)
        print(
            f"{name:20} Qini {scores.mean():6.1f} sd {scores.std():5.1f}, above response in {(scores > response).sum()}"
        )
    print("each learner: " + ", ".join(f"{name} {np.mean(values):.1f}" for name, values in every.items()))


def shuffled(rows: np.ndarray, trial: Trial, settings: Settings, runs: int, most: int) -> Counter[str]:
    """Choose learners on draws with shuffled arms, where no uplift exists, and count the kinds of model chosen.

    Args:
        rows: The features, float64 [n, features].
        trial: Outcomes and arms of the users.
        settings: Settings of the choice.
        runs: Number of draws.
        most: The most users of a draw.
    """
    kinds: Counter[str] = Counter()
    for seed in range(runs):
        draw = np.random.default_rng(10_000 + seed)
        some = draw.permutation(len(trial))[:most]
        part = trial_of(trial.outcome[some], draw.permutation(trial.treated[some]))
        kinds[choose(rows[some], part, replace(settings, seed=seed)).kind] += 1
    return kinds


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Print all evaluations on the given file, or on a made-up experiment without one."""
    arguments = list(argv or ())
    path, *numbers = [*arguments, *[""][len(arguments) :]]
    runs, most = (*map(int, numbers), *(100, 8_000)[len(numbers) :])
    small = not path
    rows, trial = invented(2_000) if small else read(path)
    settings = Settings(draws=200, folds=3 if small else 5)
    arms = trial.treated
    print(
        f"{len(trial):,} users, {arms.sum():,} of them treated; outcome {trial.outcome[arms].mean():.4f} against "
        f"{trial.outcome[~arms].mean():.4f}"
    )
    print(f"all rows: {line(choose(rows, trial, settings))}", flush=True)
    sampling(rows, trial, 1 if small else SPLITS)
    splits(rows, trial, settings, 1 if small else SPLITS)
    runs = min(runs, 2) if small else runs
    kinds = shuffled(rows, trial, settings, runs, most)
    print(f"shuffled arms, {runs} runs of {min(most, len(trial)):,} users: published {dict(sorted(kinds.items()))}")


if __name__ == "__main__":
    main(sys.argv[1:])
