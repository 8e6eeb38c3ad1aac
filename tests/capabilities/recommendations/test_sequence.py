"""The sequence part: its loss by hand, days that do not leak, a pattern learnt, and the folder that is kept."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from shopbatch.capabilities.recommendations.sequence import NextProducts, SequencePlan, start_vectors
from shopbatch.capabilities.recommendations.sequence_config import SequenceConfig
from shopbatch.capabilities.recommendations.sequence_documents import Encode, document
from shopbatch.capabilities.recommendations.sequence_model import SequenceModel
from shopbatch.models.folder import ModelError
from shopbatch.training.blocks import Blocks
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.config import LoopConfig
from shopbatch.training.loop import Data, Trainer
from shopbatch.training.packing import Document, flatten
from shopbatch.training.parallel import Parallel

PRODUCTS = 30
DAYS = ([3, 1, 4], [1, 1, 5]), ([9, 2, 6, 5, 3], [2, 4, 4, 4, 7]), ([8, 9, 7], [1, 2, 3])  # three users

LONG = [7, 1, 2, 3, 4, 5, 6, 9, 8, 10, 11], [1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 9]  # attended to apart from the short ones


def objective(**changes: object) -> NextProducts:
    sizes = {"max_items": 12, "hidden": 8, "heads": 2, "layers": 2, "dropout": 0.0}
    torch.manual_seed(0)
    made = NextProducts(PRODUCTS, SequenceConfig.model_validate({**sizes, **changes}))
    with torch.no_grad():
        for parameter in made.parameters():  # large weights, so that a mistake anywhere is seen
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return made.train()  # without dropout the loss is no other than in evaluation, which gives places


def documents(users: tuple[tuple[list[int], list[int]], ...] = DAYS) -> list[Document]:
    return [document(products, days, 12) for products, days in users]


def state_of_day(model: NextProducts, products: list[int], days: list[int], day: int) -> torch.Tensor:
    """The mean state of a day's products, by formulas for one document, token by token."""
    order = sorted(set(days))
    seen = [[j for j, other in enumerate(days) if other <= mine] for mine in days]
    states = [
        model.table.weight[p] + model.positions.weight[order.index(d)] for p, d in zip(products, days, strict=True)
    ]
    for layer in model.layers:
        projected = [layer.project(layer.norm(s)) for s in states]
        after = []
        for i, state in enumerate(states):
            heads = []
            for head in range(layer.heads):
                q, k, v = (slice(part * 8 + head * 4, part * 8 + head * 4 + 4) for part in range(3))
                weights = torch.stack([projected[i][q] @ projected[j][k] / math.sqrt(4) for j in seen[i]]).softmax(0)
                heads.append(sum(w * projected[j][v] for w, j in zip(weights, seen[i], strict=True)))
            middle = state + layer.join(torch.cat(heads)) * torch.sigmoid(layer.gate(state))
            left, right = layer.widen(layer.norm_after(middle)).chunk(2)
            wide = left * torch.sigmoid(left) * right
            after.append(middle + layer.narrow(wide) * torch.sigmoid(layer.gate_after(middle)))
        states = after
    return torch.stack([model.norm(s) for s, d in zip(states, days, strict=True) if d == day]).mean(0)


@pytest.mark.parametrize("drawn", [False, True])
def test_the_loss_is_that_of_the_formulas(drawn: bool) -> None:
    """Also where a target is among the drawn products: it must not be compared with itself."""
    model = objective(softmax_below=0 if drawn else 20_000, negatives=20)
    losses, expected = model(flatten(documents((DAYS[0], LONG, *DAYS[1:])), seed=5)), []
    compared = model.negatives(5).tolist() if drawn else list(range(PRODUCTS))
    for products, days in (DAYS[0], LONG, *DAYS[1:]):
        for target, day in zip(products, days, strict=True):
            if day == days[0]:
                continue
            state = state_of_day(model, products, days, max(d for d in days if d < day))
            scores = [model.table.weight[p] @ state for p in compared if p != target]
            own = model.table.weight[target] @ state
            expected.append(torch.stack([own, *scores]).logsumexp(0) - own)
    assert drawn is False or set(compared) & {4, 2, 6, 5, 3, 9, 7}
    assert torch.allclose(losses, torch.stack(expected), atol=1e-4)


def test_in_evaluation_the_loss_is_one_minus_the_gain_of_the_place() -> None:
    model = objective()
    with torch.no_grad():
        model.table.weight[20:] = model.table.weight[4]  # eleven products, 4 among them, always have equal scores
    losses, expected = model.eval()(flatten(documents())).detach(), []
    for products, days in DAYS:
        for target, day in zip(products, days, strict=True):
            if day > days[0]:
                state = state_of_day(model, products, days, max(d for d in days if d < day))
                scores = (model.table.weight @ state).detach()
                equal = 11 if target == 4 else 1
                above = int((scores > scores[target] + 1e-6).sum())
                expected.append(1 - 1 / math.log2(2 + above + (equal - 1) / 2))
    assert losses.tolist() == pytest.approx(expected, abs=1e-6)


def test_the_products_of_a_day_do_not_tell_of_each_other_nor_of_days_before_them() -> None:
    model = objective()
    before = model(flatten(documents()))
    # of the second user, losses 1 to 4 of the batch: products 2, 6 and 5 of one day, and 3 of the next
    for place, unchanged in ((2, [0, 1, 3, 5, 6]), (4, [0, 1, 2, 3, 5, 6])):
        products, days = list(DAYS[1][0]), DAYS[1][1]
        products[place] = 20
        after = model(flatten(documents((DAYS[0], (products, days), DAYS[2]))))
        assert torch.allclose(after[unchanged], before[unchanged], atol=1e-6)
        assert not torch.isclose(after[4], before[4])


def test_the_order_within_a_day_changes_nothing_and_the_order_of_days_does() -> None:
    model = SequenceModel(objective())
    first, mixed, other = (np.array(products) for products in ([9, 2, 6, 5, 3], [9, 5, 2, 6, 3], [2, 9, 6, 5, 3]))
    days = np.array(DAYS[1][1])
    vectors = model.score([(first, days), (mixed, days), (other, days), (first, days + 40)])
    assert np.allclose(vectors[0], vectors[1], atol=1e-6) and np.allclose(vectors[0], vectors[3])
    assert not np.allclose(vectors[0], vectors[2], atol=1e-3)


def test_only_targets_from_a_day_on_are_judged_and_the_newest_products_are_read() -> None:
    products, days = [[1, 2, 3, 4, 5], [1, 2], [7], []], [[1, 2, 2, 3, 4], [5, 6], [9], []]
    made = Encode(4)(pa.table({"products": products, "days": days, "since": [3, 7, None, None]}))
    assert made[0] is not None and made[0].ids.tolist() == [2, ~3, 4, 5] and made[0].trained.tolist() == [0, 0, 1, 1]
    assert made[1:] == [None, None, None]


def test_products_are_drawn_once_for_a_step() -> None:
    model = objective(softmax_below=0, negatives=40).train()
    assert model.negatives(3).tolist() == model.negatives(3).tolist() != model.negatives(4).tolist()
    assert len(model.negatives(3)) == 40 and int(model.negatives(3).max()) < PRODUCTS
    assert set(range(PRODUCTS)) == {p for seed in range(40) for p in model.negatives(seed).tolist()}


@pytest.mark.parametrize("hidden", [8, 64], ids=["fewer numbers than products", "more"])
def test_first_vectors_are_alike_where_products_have_the_same_users(hidden: int) -> None:
    """Three circles of users with five products each; the last product is nobody's, and one user has 3 copies."""
    draw = np.random.default_rng(0)
    circles = [draw.choice(5, 4, replace=False) + 5 * (user % 3) for user in range(60)]
    train = Blocks.of([document(c, [1, 1, 2, 3], 12) for c in [*circles, np.array([0, 0, 0, 1])]], 24, 0)
    before = torch.random.get_rng_state()
    vectors = start_vectors(train, 16, hidden, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert vectors.dtype == np.float32 and np.allclose(np.linalg.norm(vectors, axis=1), 0.1 * hidden**0.5, atol=1e-5)
    alike = vectors @ vectors.T / (0.01 * hidden)
    same = np.arange(15)[:, None] // 5 == np.arange(15) // 5
    assert alike[:15, :15][same].min() > alike[:15, :15][~same].max() + 0.1
    assert np.array_equal(vectors, start_vectors(train, 16, hidden, seed=0))
    plan = SequencePlan(16, SequenceConfig(hidden=hidden), vectors)
    assert np.array_equal(SequenceModel(plan.build()).products, vectors)


def test_recomputing_activations_changes_no_gradient() -> None:
    gradients = []
    for recompute in (False, True):
        model = objective()
        model.recompute = recompute
        model.train()(flatten(documents())).sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def planted(users: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Days of two products: one that follows from that of the day before, and one that is popular."""
    draw, made = np.random.default_rng(seed), []
    for _ in range(users):
        count = int(draw.integers(3, 7))
        following = (int(draw.integers(20)) + 3 * np.arange(count)) % 20
        popular = draw.choice(10, count, p=np.arange(1, 11) / 55) + 20
        products = np.stack([following, popular], 1)
        made.append((draw.permuted(products, axis=1).ravel(), np.repeat(np.arange(count), 2)))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("drawn", [False, True])
def test_it_learns_what_follows_and_popularity_does_not_tell(tmp_path: Path, drawn: bool) -> None:
    config = SequenceConfig(hidden=16, dropout=0.0, max_items=16, negatives=20, softmax_below=0 if drawn else 100)
    data = [Blocks.of([document(*h, 16) for h in planted(n, s)], 32, 0) for n, s in ((300, 0), (40, 1))]
    loop = LoopConfig.model_validate(
        {"block_tokens": 32, "batch_blocks": 16, "micro_blocks": 16, "epochs": 20, "schedule": {"peak": 0.02}}
    )
    torch.manual_seed(0)
    trainer = Trainer(
        NextProducts(PRODUCTS, config), Data(*data), loop, Parallel(), Checkpoints(str(tmp_path), "key", Parallel()),
        lambda step, values: None,
    )  # fmt: skip
    trainer.run(trainer.prepare())
    held_out = planted(200, 2)
    model = SequenceModel(trainer.objective)
    scores = model.score([(p[:-2], d[:-2]) for p, d in held_out]) @ model.products.T
    targets = np.array([min(p[-2:]) for p, _ in held_out])
    counts = np.bincount(np.concatenate([p for p, _ in planted(300, 0)]), minlength=PRODUCTS)
    ranks, popularity = ((s >= s[np.arange(200), targets][:, None]).sum(1) for s in (scores, np.tile(counts, (200, 1))))
    assert (ranks <= 6).mean() > 0.9 and (popularity <= 6).mean() < 0.1


def test_a_kept_model_scores_the_same(tmp_path: Path) -> None:
    model = SequenceModel(objective())
    histories = [(np.array(p), np.array(d)) for p, d in DAYS]
    histories += [
        (np.array([], int), np.array([], int)),
        (np.arange(20), np.arange(20)),
        (np.arange(8, 20), np.arange(12)),
    ]
    model.save(tmp_path)
    again = SequenceModel.load(tmp_path)
    vectors = again.score(histories)
    assert np.array_equal(vectors, model.score(histories)) and np.array_equal(again.products, model.products)
    assert vectors.shape == (6, 8) and not vectors[3].any() and np.allclose(vectors[4], vectors[5], atol=1e-6)
    assert np.allclose(vectors[:1], again.score(histories[:1]), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sequence.json", None),
        ("sequence.json", b"{"),
        ("sequence.json", json.dumps({"products": 31, "config": {"hidden": 8}}).encode()),
        ("sequence.safetensors", None),
        ("sequence.safetensors", b"damaged"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    SequenceModel(objective()).save(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match="is damaged"):
        SequenceModel.load(tmp_path)


def test_first_vectors_are_the_same_bits_however_many_threads_there_are() -> None:
    draw = np.random.default_rng(0)
    train = Blocks.of([document(draw.choice(400, 6, replace=False), [1, 1, 2, 3, 3, 4], 12) for _ in range(900)], 24, 0)
    before, vectors = torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        vectors.append(start_vectors(train, 400, 32, seed=0))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert np.array_equal(vectors[0], vectors[1]) and np.array_equal(vectors[0], vectors[2])
