"""The training of the sequence part: the same on 1 and 2 workers, what it learns from, and when it does not begin."""

from __future__ import annotations

import numpy as np
import pytest

from shopbatch.capabilities.recommendations.fit import known_items
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.train.config import TrainRecommenderConfig
from shopbatch.capabilities.recommendations.train.sequence import SequenceTraining, Trained, check_loop, histories
from shopbatch.core.errors import UserError
from shopbatch.runs.report import Report
from shopbatch.training import workers
from shopbatch.warehouse.store import Store
from tests.capabilities.recommendations.sequences import of_paths
from tests.training import in_process

SIZES = {"hidden": 8, "max_items": 10, "least_users": 50, "min_steps": 20}
LOOP = {"block_tokens": 16, "batch_blocks": 8, "micro_blocks": 2, "epochs": 1, "max_steps": 20, "eval_steps": 10}


def config(**changes: object) -> TrainRecommenderConfig:
    return TrainRecommenderConfig.model_validate({"sequence": SIZES, "loop": LOOP, **changes})


def paths() -> tuple[History, History]:
    """The early days, and these with the window after them."""
    rows = of_paths(0, 120)
    user, item = (np.array([int(row[n][1:]) for row in rows]) for n in (0, 1))
    whole = History.of(user, item, np.array([row[2] for row in rows]), 120, 60)
    return whole.between(0, 150), whole.between(0, 180)


def trained(store: Store, settings: TrainRecommenderConfig) -> Trained:
    early, until = paths()
    return SequenceTraining(settings, store, Report("train_recommender")).first(early, until, known_items(early, 2))


@pytest.mark.slow
@pytest.mark.usefixtures("ray_local")
def test_one_and_two_workers_train_the_same_model(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    two = trained(store, config(workers={"count": 2, "threads": 1}))
    monkeypatch.setattr(workers, "run_workers", in_process.run_workers)
    one = trained(store, config())
    assert one.part is not None and two.part is not None and one.steps == two.steps > 0
    np.testing.assert_allclose(one.part.vectors, two.part.vectors, atol=2e-5)
    early, _ = paths()
    best = [part.users(early) @ part.vectors.T for part in (one.part, two.part)]
    assert np.array_equal(*(np.argsort(-scores, axis=1)[:, 0] for scores in best))


def test_documents_hold_known_products_only_and_users_with_a_target() -> None:
    user, item, day = np.array([(0, 5, 1), (0, 7, 2), (0, 8, 2), (1, 5, 3), (1, 8, 3), (2, 7, 1), (2, 5, 9)]).T
    history = History.of(user, item, day, 4, 10)
    known = np.isin(np.arange(10), [5, 8])
    rows = histories(history, known).to_pylist()
    assert rows == [{"products": [0, 1], "days": [1, 2], "since": None}]  # the others have known products of one day
    assert histories(history, known, since=3).num_rows == 0
    known[7] = True
    assert [row["products"] for row in histories(history, known, since=3).to_pylist()] == [[1, 0]]


@pytest.mark.parametrize(
    ("sizes", "said"),
    [({"enabled": "off"}, "sequence.enabled=off"), ({"least_users": 121}, "fewer than sequence.least")],
)
def test_it_does_not_begin_without_a_reason_to(store: Store, sizes: dict[str, object], said: str) -> None:
    done = trained(store, config(sequence={**SIZES, **sizes}))
    assert done.part is None and said in done.why and not store.exists("training_blocks")


def test_sizes_that_cannot_work_are_one_line() -> None:
    for changes, said in (
        ({"loop": {**LOOP, "block_tokens": 8}}, "loop.block_tokens=8 is less than sequence.max_items=10"),
        ({"sequence": {**SIZES, "heads": 3}}, "sequence.hidden=8 is no multiple of sequence.heads=3"),
        ({"workers": {"count": 3}}, "workers.count=3"),
    ):
        with pytest.raises(UserError, match=said):
            check_loop(config(**changes))
    check_loop(config(loop={**LOOP, "block_tokens": 8}, sequence={**SIZES, "enabled": "off"}))


def test_with_little_data_there_are_more_passes(store: Store) -> None:
    made = SequenceTraining(config(loop={**LOOP, "max_steps": None}), store, Report("train_recommender"))
    few, many = made._loop(4, None), made._loop(4000, None)
    assert few.epochs * 4 / 8 == 20 and many.epochs == 1
    again = made._loop(20, 30 / 10)
    assert again.max_steps == again.eval_steps == 60 and again.epochs * 20 / 8 > 60
