"""Tables that are updated by rows: AdamW where a row is touched, and nothing where none is."""

from typing import Any

import pytest
import torch
from torch import nn

from shopbatch.training.loop import groups
from shopbatch.training.optimizer import RowAdamW, RowEmbedding
from shopbatch.training.parallel import Parallel


def table() -> RowEmbedding:
    torch.manual_seed(0)
    return RowEmbedding(6, 3)


def step(optimizer: torch.optim.Optimizer, module: nn.Module, rows: list[int]) -> float:
    torch.manual_seed(sum(rows))
    (module(torch.tensor(rows)) * torch.randn(len(rows), 3)).sum().backward()
    norm = Parallel().clip(list(module.parameters()), 0.5)
    optimizer.step()
    return norm


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense, as FSDP2 gives it"])
def test_touched_rows_are_updated_as_adamw_does_it_and_the_others_are_not(sparse: bool) -> None:
    module = table()
    module.sparse = sparse
    dense = nn.Embedding.from_pretrained(module.weight.detach().clone(), freeze=False)
    settings: dict[str, Any] = {"lr": 0.1, "betas": (0.9, 0.95)}
    optimizer = RowAdamW(groups(module, 0.2), **settings)
    whole = torch.optim.AdamW(dense.parameters(), weight_decay=0.2, **settings)
    everything = [0, 1, 2, 3, 3, 4, 5, 0]  # a row that is touched twice has the sum of its gradients
    for _ in range(3):
        optimizer.zero_grad()
        whole.zero_grad()
        assert step(optimizer, module, everything) == pytest.approx(step(whole, dense, everything))
    assert torch.allclose(module.weight, dense.weight, atol=1e-6)
    before, moments = module.weight.detach().clone(), optimizer.state[module.weight]["exp_avg"].clone()
    optimizer.zero_grad()
    step(optimizer, module, [1, 4, 1])
    changed = (module.weight != before).any(1)
    assert changed.tolist() == [False, True, False, False, True, False]
    assert torch.equal((optimizer.state[module.weight]["exp_avg"] != moments).any(1), changed)
