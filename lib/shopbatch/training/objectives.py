"""What is minimised: next-token and classification losses over a batch of packed documents. Modules that DDP can wrap.

Both return every loss, not a mean: the loop sums them and divides by the number of the whole global batch, so that
neither the number of workers nor of micro-batches changes a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from shopbatch.engines.tokens import EncoderSpec
from shopbatch.training.packing import Batch

# a document's states [tokens, n] -> [n], as `engines.torch.Pooled` does for padded ones
_POOL: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": lambda states: states.mean(0),
    "max": lambda states: states.amax(0),
    "cls": lambda states: states[0],
}


class NextToken(nn.Module):
    """Cross entropy of the trained tokens of a causal language model. Logits are computed for those alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> torch.Tensor:
        """float32 [trained tokens], in order. A token is predicted from the one before it in its document."""
        device = next(self.parameters()).device
        ids, positions = (torch.from_numpy(x).to(device)[None] for x in (batch.ids, batch.positions))
        targets = torch.from_numpy(batch.trained).to(device).nonzero()[:, 0]
        logits = self.model(
            input_ids=ids,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=targets - 1,
            documents=batch.lengths,
        ).logits[0]
        return cross_entropy(logits.float(), ids[0, targets], reduction="none")


class Classify(nn.Module):
    """Cross entropy of the documents' classes: the vector that `spec` tells of -> linear head.

    start: the head to begin with, weights [dim, classes] and bias [classes]; without one it begins at random.
    smoothing: label smoothing (Szegedy et al. 2016), while training. token_dropout: share of tokens that are hidden
    while training, so that no single word (a product's name) decides.
    """

    def __init__(
        self,
        encoder: Any,
        classes: int,
        spec: EncoderSpec | None = None,
        start: tuple[np.ndarray, np.ndarray] | None = None,
        *,
        smoothing: float = 0.0,
        token_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        spec = spec or EncoderSpec()
        self.pooling, self.depths = spec.pooling, spec.depths(encoder.config.num_hidden_layers)
        self.head = nn.Linear(int(encoder.config.hidden_size) * len(self.depths) * len(self.pooling), classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        if start is not None:
            with torch.no_grad():
                self.head.weight.copy_(torch.from_numpy(start[0].T))
                self.head.bias.copy_(torch.from_numpy(start[1]))
        self.smoothing, self.token_dropout = smoothing, token_dropout
        # RoBERTa's positions begin after the padding token's number (its own embedding code says so)
        kind = encoder.config.model_type
        self.first = int(encoder.config.pad_token_id) + 1 if kind in ("roberta", "xlm-roberta", "camembert") else 0

    def forward(self, batch: Batch) -> torch.Tensor:
        """float32 [documents]."""
        logits, labels = self.logits(batch)
        smoothing = self.smoothing if self.training else 0.0
        return cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    def logits(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """(float32 [documents, classes], their labels)."""
        device = self.head.weight.device
        ids, positions = (torch.from_numpy(x).to(device)[None] for x in (batch.ids, batch.positions))
        embedded = self.encoder.get_input_embeddings()(ids)
        if self.training and self.token_dropout:
            embedded = embedded * (torch.rand(ids.shape, device=device) >= self.token_dropout)[..., None]
        layers = self.encoder(
            inputs_embeds=embedded,
            position_ids=positions + self.first,
            documents=batch.lengths,
            output_hidden_states=True,
        ).hidden_states
        states = torch.cat([layers[depth][0].float() for depth in self.depths], 1)
        pieces = torch.split(states, batch.lengths)
        vectors = torch.cat([torch.stack([_POOL[kind](p) for p in pieces]) for kind in self.pooling], 1)
        return self.head(vectors).float(), torch.from_numpy(batch.labels).to(device)
