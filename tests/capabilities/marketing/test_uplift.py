"""What is chosen: the truth of each kind of shop, hardly ever an uplift of nothing; and the model's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bench.uplift import trial_of

from shopbatch.capabilities.marketing.uplift.choose import Settings, choose
from shopbatch.capabilities.marketing.uplift.features import FEATURES
from shopbatch.capabilities.marketing.uplift.learners import LEARNERS, SPARSE, Scorer, names, train
from shopbatch.capabilities.marketing.uplift.model import UpliftModel
from shopbatch.core.errors import UserError
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.uplift import Trial, qini
from shopbatch.models.folder import ModelError

pytestmark = pytest.mark.slow

QUICK = Settings(families=("linear",), folds=3, draws=150)


def experiment(seed: int, rows: int, moves: str) -> tuple[np.ndarray, Trial]:
    """Users who buy by the first feature. A message moves some by the second one, or those who buy, or nobody."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(rows, 4))
    treated = draw.random(rows) < 0.5
    base = 0.05 + 0.3 / (1 + np.exp(-2 * features[:, 0]))
    more = {
        "others": 0.2 * (features[:, 1] > 0.3),
        "buyers": 0.35 * (base - 0.05),
        "nobody": np.zeros(rows),
    }[moves]
    return features, trial_of((draw.random(rows) < base + treated * more).astype(float), treated)


@pytest.mark.parametrize(("moves", "kind"), [("others", "uplift"), ("buyers", "response"), ("nobody", "none")])
def test_what_is_chosen_is_right_for_each_kind_of_truth(moves: str, kind: str) -> None:
    kinds = []
    for seed in range(3):
        rows, trial = experiment(seed, 6_000, moves)
        choice = choose(rows, trial, QUICK)
        kinds.append(choice.kind)
        if kind == "uplift":
            new, happened = experiment(seed + 50, 6_000, moves)
            worth = {
                name: qini(train(name, rows, trial).score(new), happened) for name in (choice.name, choice.response)
            }
            assert worth[choice.name] > worth[choice.response] + 20
    assert kinds.count(kind) >= 2, kinds
    assert kind != "none" or "uplift" not in kinds


def test_shuffled_arms_are_hardly_ever_published() -> None:
    rows, trial = experiment(1, 2_000, "others")
    published = 0
    for seed in range(25):
        treated = np.random.default_rng(seed).permutation(trial.treated)
        kind = choose(rows, trial_of(trial.outcome, treated), Settings(("linear",), 3, 100, seed=seed)).kind
        published += kind == "uplift"
    assert published <= 2


def test_every_learner_finds_the_effect_also_of_money_and_of_uneven_draws() -> None:
    draw = np.random.default_rng(4)
    rows = draw.normal(size=(8_000, 3))
    share = np.where(rows[:, 1] > 0, 0.7, 0.3)  # active users are addressed more often
    treated = draw.random(8_000) < share
    outcome = 3 * rows[:, 1] + draw.normal(size=8_000) + treated * 2.0 * (rows[:, 0] > 0)
    trial = Trial(outcome, treated, np.where(treated, share, 1 - share))
    for name in names():
        score = train(name, rows, trial).score(rows)
        if name.split()[0] in LEARNERS:
            assert np.corrcoef(score, rows[:, 0] > 0)[0, 1] > 0.7, name
            assert (score[rows[:, 0] > 0].mean(), score[rows[:, 0] < 0].mean()) == pytest.approx((2, 0), abs=0.5), name
        again = train(name, rows, trial).score(rows)
        assert np.array_equal(score, again), name


def test_an_effect_that_one_of_many_features_has_is_learnt_from_that_one_alone() -> None:
    def drawn(seed: int, more: float) -> tuple[np.ndarray, Trial]:
        draw = np.random.default_rng(seed)
        rows, treated = draw.normal(size=(5_000, 25)), draw.random(5_000) < 0.5
        chance = 0.2 + 0.1 * (rows[:, 1] > 0) + treated * more * (rows[:, 0] > 0)
        return rows, trial_of((draw.random(5_000) < chance).astype(float), treated)

    chosen, gains, of_nothing = [], [], []
    for seed in range(4):
        rows, trial = drawn(seed, 0.15)
        new, happened = drawn(seed + 50, 0.15)
        sparse = train(SPARSE, rows, trial)
        weights = sparse.terms[0].part.weight  # type: ignore[attr-defined]
        assert weights[0] > 0.03 and np.count_nonzero(weights) <= 2
        gains.append(qini(sparse.score(new), happened) - qini(train("T linear", rows, trial).score(new), happened))
        chosen.append(choose(rows, trial, QUICK).name)
        of_nothing.append(np.count_nonzero(train(SPARSE, *drawn(seed, 0)).terms[0].part.weight))  # type: ignore[attr-defined]
    assert np.mean(gains) > 15 and chosen.count(SPARSE) >= 3, (gains, chosen)
    assert sum(of_nothing) <= 1  # a feature is taken by chance in about one fit of twenty


@pytest.mark.parametrize("name", ["T linear", "DR sparse", "S boosted", "X boosted", "DR linear", "response linear"])
def test_a_model_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(1_000, len(FEATURES)))
    trial = trial_of((draw.random(1_000) < 0.3).astype(float), draw.random(1_000) < 0.5)
    scorer = train(name, rows, trial)
    model = UpliftModel("uplift", "bought", 28, "email", scorer, 0.1, 0.5, Interval(0.1, 0.05, 0.15))
    model.save(tmp_path)
    loaded = UpliftModel.load(tmp_path)
    assert np.array_equal(loaded.predict(rows), model.predict(rows))
    assert model.predict(rows) == pytest.approx(0.1 + 0.5 * (scorer.score(rows) - 0.1))
    for file in sorted(tmp_path.iterdir()):
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 3])
        with pytest.raises(ModelError):
            UpliftModel.load(tmp_path)
        file.write_bytes(whole)


def test_a_model_without_an_order_gives_everybody_the_mean_and_another_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="train_uplift"):
        UpliftModel.load(tmp_path)
    mean = UpliftModel("none", "sales", 28, "email", None, 0.0, 0.0, Interval(0.4, -0.1, 0.9))
    mean.save(tmp_path)
    assert UpliftModel.load(tmp_path).predict(np.zeros((3, len(FEATURES)))).tolist() == [0.4] * 3
    other = UpliftModel("uplift", "sales", 28, "email", Scorer("T linear", []), 0, 1, mean.effect, ("age",))
    other.save(tmp_path)
    with pytest.raises(UserError, match="other features"):
        UpliftModel.load(tmp_path)
