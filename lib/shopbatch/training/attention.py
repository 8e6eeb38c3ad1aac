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
    """transformers' attention interface. query: [1, heads, tokens, dim]; more["documents"]: lengths that sum to tokens.

    more["sliding_window"]: a causal token sees so many, itself the last. Returns [1, tokens, heads, dim].
    Raises ValueError without the lengths: tokens would see other documents; ModelError: a kind of attention that this
    is not, which would train another model.
    """
    documents: Sequence[int] | None = more.get("documents")
    if documents is None or sum(documents) != query.shape[2] or query.shape[0] != 1:
        raise ValueError("attention of packed documents needs one row and the documents' lengths")
    causal, window = bool(getattr(module, "is_causal", False)), more.get("sliding_window")
    unknown = [name for name in ("softcap", "s_aux") if more.get(name) is not None]
    if unknown or (window and not causal):
        what = unknown[0] if unknown else "a window in both directions"
        raise ModelError(f"attention with {what} can not be trained on packed documents")
    dtype = query.dtype
    if query.device.type == "cpu":  # torch's CPU kernel is three to four times slower in bf16, backward above all
        query, key, value = query.float(), key.float(), value.float()
    repeat = query.shape[1] // key.shape[1]
    if repeat > 1:  # grouped heads: the CPU's fast kernel takes none
        key, value = (x.repeat_interleave(repeat, dim=1) for x in (key, value))
    pieces = zip(*(torch.split(x, list(documents), dim=2) for x in (query, key, value)), strict=True)
    with torch.autocast(query.device.type, enabled=False):  # it would cast to bf16 again
        found = []
        for q, k, v in pieces:
            mask = _band(q.shape[2], window, q.device) if window and q.shape[2] > window else None
            simple = causal and mask is None and q.shape[2] > 1
            found.append(
                scaled_dot_product_attention(q, k, v, mask, dropout_p=dropout, is_causal=simple, scale=scaling)
            )
    return torch.cat(found, dim=2).transpose(1, 2).to(dtype).contiguous(), None


def _band(tokens: int, window: int, device: torch.device) -> torch.Tensor:
    """bool [tokens, tokens]: which (column) each one (row) sees."""
    return torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril().triu(1 - window)


AttentionInterface.register(NAME, attend)
