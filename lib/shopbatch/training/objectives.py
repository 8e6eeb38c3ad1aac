"""Training objectives (next token, classification) on packed documents, as torch modules that DDP can wrap.

These objectives, and those of `contrast.py` and `distil.py`, return every single loss instead of the mean. The loop
sums the losses and divides by their number in the whole global batch, so neither the number of workers nor that of
micro-batches changes a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from shopbatch.core.errors import one_line
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError
from shopbatch.training import attention
from shopbatch.training.packing import Batch, Document, flatten

_PROBE = (7, 12)  # lengths in tokens of the documents that `verify` tries a model on

# a document's states [tokens, n] -> [n], as `engines/encoders/torch_encoder.py` pools padded rows
_POOL: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": lambda states: states.mean(0),
    "max": lambda states: states.amax(0),
    "cls": lambda states: states[0],
}


class NextToken(nn.Module):
    """The next-token loss (cross entropy) of a causal language model.

    Logits are computed only for the tokens that are trained on.

    Args:
        model: The transformers model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the loss of each trained token, given the earlier tokens of its document, float32 [trained tokens]."""
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


class PackedVectors(nn.Module):
    """The base class of objectives for encoders: computes the vectors of packed documents, as `spec` describes them.

    Args:
        encoder: The transformers encoder.
        spec: Layers and poolings of the vectors; None for the defaults of `EncoderSpec`.
        token_dropout: Share of the tokens whose embeddings are set to 0 during training, 0 to 1, so that the model does
            not rely on single words, such as a product's name.
    """

    def __init__(self, encoder: Any, spec: EncoderSpec | None = None, *, token_dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        spec = spec or EncoderSpec()
        self.pooling, self.depths = spec.pooling, spec.depths(encoder.config.num_hidden_layers)
        self.token_dropout = token_dropout
        # RoBERTa's positions start after the padding token's id
        kind = encoder.config.model_type
        self.first = int(encoder.config.pad_token_id) + 1 if kind in ("roberta", "xlm-roberta", "camembert") else 0

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return the vector of each document, float32 [documents, dim]."""
        device = next(self.parameters()).device
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
        return self.pooled(layers, batch.lengths)

    def pooled(self, layers: Sequence[torch.Tensor], lengths: Sequence[int]) -> torch.Tensor:
        """Pool the hidden states of packed documents into vectors, float32 [documents, dim].

        Args:
            layers: Hidden states of each layer, [1, tokens, hidden].
            lengths: Number of tokens of each document.
        """
        states = torch.cat([layers[depth][0].float() for depth in self.depths], 1)
        pieces = torch.split(states, list(lengths))
        return torch.cat([torch.stack([_POOL[kind](p) for p in pieces]) for kind in self.pooling], 1)


class Classify(PackedVectors):
    """The classification loss (cross entropy) of documents: a linear head on the encoder's vectors.

    Args:
        encoder: The transformers encoder.
        classes: Number of classes.
        spec: Layers and poolings of the vectors; None for the defaults of `EncoderSpec`.
        start: Initial head: weights [dim, classes] and bias [classes]; None for a random one.
        smoothing: Label smoothing during training (Szegedy et al. 2016), 0 to 1.
        token_dropout: Share of the tokens that are hidden during training, 0 to 1.
    """

    by_document = True

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
        super().__init__(encoder, spec, token_dropout=token_dropout)
        self.head = nn.Linear(int(encoder.config.hidden_size) * len(self.depths) * len(self.pooling), classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        if start is not None:
            with torch.no_grad():
                self.head.weight.copy_(torch.from_numpy(start[0].T))
                self.head.bias.copy_(torch.from_numpy(start[1]))
        self.smoothing = smoothing

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the loss of each document, float32 [documents]."""
        logits, labels = self.logits(batch)
        smoothing = self.smoothing if self.training else 0.0
        return cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    def logits(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits, float32 [documents, classes], and the labels, int64 [documents]."""
        vectors = self.vectors(batch)
        return self.head(vectors).float(), torch.from_numpy(batch.labels).to(vectors.device)


@torch.no_grad()
def verify(objective: NextToken | PackedVectors) -> None:
    """Check that a model computes the same for two documents packed into one row as for each document alone.

    Packed documents are read with `attention.attend`, single ones with the attention of transformers. Some
    architectures do not let their attention be replaced, or mix documents elsewhere (convolutions, recurrent states,
    positions counted from the start of the row). Such a model would be trained on other inputs than it later reads.

    Args:
        objective: The objective; its training mode and attention are restored afterwards.

    Raises:
        ModelError: The results differ, or the model cannot run on packed documents at all.
    """
    model: Any = objective.model if isinstance(objective, NextToken) else objective.encoder
    text = model.config.get_text_config()
    draw, pad = np.random.default_rng(0), text.pad_token_id
    ids = np.array([i for i in range(min(int(text.vocab_size), 1000)) if i != pad])
    documents = [Document(draw.choice(ids, n).astype(np.int32), np.arange(n) > 0, 0) for n in _PROBE]
    training = objective.training
    objective.eval()
    try:
        batch = flatten(documents)
        packed = objective(batch) if isinstance(objective, NextToken) else objective.vectors(batch)
        model.set_attn_implementation("eager")
        alone = torch.cat([_alone(objective, model, torch.from_numpy(d.ids).long()) for d in documents])
    except (TypeError, ValueError, AttributeError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{text.model_type} cannot be trained on packed documents: {one_line(error)}") from None
    finally:
        model.set_attn_implementation(attention.NAME)
        objective.train(training)
    largest, scale = float((packed - alone).abs().max()), float(alone.abs().max())
    if not largest <= 1e-3 * scale:
        raise ModelError(
            f"{text.model_type} cannot be trained on packed documents: its results for them differ from those for "
            f"single documents (by {largest:.2g} of {scale:.2g})"
        )


def _alone(objective: NextToken | PackedVectors, model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Return the losses [tokens - 1] or the vector [1, dim] of one document, computed by the model's own code.

    Args:
        objective: Decides between losses (`NextToken`) and the vector.
        model: The transformers model.
        ids: Token ids of the document, int64 [tokens].
    """
    if isinstance(objective, NextToken):
        logits = model(input_ids=ids[None], use_cache=False).logits[0]
        return cross_entropy(logits[:-1].float(), ids[1:], reduction="none")
    return objective.pooled(model(input_ids=ids[None], output_hidden_states=True).hidden_states, [len(ids)])
