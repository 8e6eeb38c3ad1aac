"""Attention inside documents: no token sees another document, by construction and not by a mask.

A micro-batch is one row of tokens, its documents one after the other; each is attended to by itself, so that nothing
is computed for pairs of tokens of different documents, and nothing is padded. Registered with transformers under NAME.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

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
    """transformers' attention interface. query: [1, heads, tokens, dim]; more["documents"]: lengths that sum to tokens.

    Returns [1, tokens, heads, dim]. Raises ValueError without the lengths: tokens would see other documents.
    """
    documents: Sequence[int] | None = more.get("documents")
    if documents is None or sum(documents) != query.shape[2] or query.shape[0] != 1:
        raise ValueError("attention of packed documents needs one row and the documents' lengths")
    dtype = query.dtype
    if query.device.type == "cpu":  # torch's CPU kernel is three to four times slower in bf16, backward above all
        query, key, value = query.float(), key.float(), value.float()
    repeat = query.shape[1] // key.shape[1]
    if repeat > 1:  # grouped heads: the CPU's fast kernel takes none
        key, value = (x.repeat_interleave(repeat, dim=1) for x in (key, value))
    causal = bool(getattr(module, "is_causal", False))
    pieces = zip(*(torch.split(x, list(documents), dim=2) for x in (query, key, value)), strict=True)
    with torch.autocast(query.device.type, enabled=False):  # it would cast to bf16 again
        found = [
            scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=causal and q.shape[2] > 1, scale=scaling)
            for q, k, v in pieces
        ]
    return torch.cat(found, dim=2).transpose(1, 2).to(dtype).contiguous(), None


AttentionInterface.register(NAME, attend)
