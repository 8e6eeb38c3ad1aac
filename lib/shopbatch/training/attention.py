"""Attention for packed documents: each document is attended to separately, so no token sees another document.

A micro-batch is one row of tokens in which the documents follow each other. Nothing is computed for pairs of tokens of
different documents, and nothing is padded. The function is registered with transformers under NAME.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from shopbatch.models.folder import ModelError

NAME = "shopbatch_documents"


@torch.compiler.disable  # type: ignore[untyped-decorator]
def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Compute attention within each document; an implementation of transformers' attention interface.

    Args:
        module: The attention layer; its `is_causal` decides whether a token sees the tokens after it.
        query: Queries, [1, heads, tokens, dim].
        key: Keys, [1, key heads, tokens, dim].
        value: Values, with the shape of the keys.
        attention_mask: Ignored: the documents' lengths replace it.
        dropout: Dropout of the attention weights, 0 to 1.
        scaling: Factor on the scores; None for 1 / sqrt(dim).
        **more: `documents`: the lengths of the documents, which sum to tokens. `sliding_window`: the number of tokens
            that a causal token sees, itself included; None for all earlier tokens.

    Returns:
        The attended values, [1, tokens, heads, dim], and None in place of the attention weights.

    Raises:
        ValueError: The documents' lengths are missing or wrong, so that tokens would see other documents.
        ModelError: The model uses a kind of attention that is not implemented here, so that a different model would be
            trained.
    """
    documents: Sequence[int] | None = more.get("documents")
    if documents is None or sum(documents) != query.shape[2] or query.shape[0] != 1:
        raise ValueError("attention of packed documents needs one row and the documents' lengths")
    causal, window = bool(getattr(module, "is_causal", False)), more.get("sliding_window")
    unknown = [name for name in ("softcap", "s_aux") if more.get(name) is not None]
    if unknown or (window and not causal):
        kind = unknown[0] if unknown else "a window in both directions"
        raise ModelError(f"attention with {kind} cannot be trained on packed documents")
    dtype = query.dtype
    if query.device.type == "cpu":  # in bf16 torch's CPU kernel is 3 to 4 times slower, mostly in the backward pass
        query, key, value = query.float(), key.float(), value.float()
    repeat = query.shape[1] // key.shape[1]
    if repeat > 1:  # torch's fast CPU kernel does not support grouped heads
        key, value = (x.repeat_interleave(repeat, dim=1) for x in (key, value))
    pieces = zip(*(torch.split(x, list(documents), dim=2) for x in (query, key, value)), strict=True)
    with torch.autocast(query.device.type, enabled=False):  # autocast would convert back to bf16
        attended = []
        for q, k, v in pieces:
            mask = _band(q.shape[2], window, q.device) if window and q.shape[2] > window else None
            simple = causal and mask is None and q.shape[2] > 1
            attended.append(
                scaled_dot_product_attention(q, k, v, mask, dropout_p=dropout, is_causal=simple, scale=scaling)
            )
    return torch.cat(attended, dim=2).transpose(1, 2).to(dtype).contiguous(), None


def _band(tokens: int, window: int, device: torch.device) -> torch.Tensor:
    """Return the mask of causal attention with a sliding window, bool [tokens, tokens].

    True where the token of the row attends to the token of the column.
    """
    return torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril().triu(1 - window)


AttentionInterface.register(NAME, attend)
