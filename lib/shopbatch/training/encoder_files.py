"""Writes a trained encoder as a model folder, with the tokenizer of the model that it was trained from.

Its weights are those with the lowest validation loss, interpolated with the weights before training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.models.loading import load_encoder, quietly
from shopbatch.training.checkpoint_files import best_name
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.parallel import Parallel
from shopbatch.training.worker import Run


def trained_objective(run: Run, best_step: int, mix: float) -> Any:
    """Return the objective of a run with its best weights, interpolated with the weights before training.

    Every weight is start + mix * (trained - start). Between the initial and the trained weights lies a model that is as
    good on texts like the examples and better on others (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
    models").

    Args:
        run: The finished run.
        best_step: Step of the best weights.
        mix: Share of the trained weights, 0 to 1. 1 returns them unchanged.
    """
    objective: Any = run.plan.build()
    start = [p.detach().clone() for p in objective.parameters()]
    Checkpoints(run.folder, run.key, Parallel()).load(objective, name=best_name(best_step))
    with torch.no_grad():
        for trained, initial in zip(objective.parameters(), start, strict=True):
            trained.lerp_(initial, 1 - mix)
    objective.encoder.set_attn_implementation("sdpa")  # the attention used in training works only on packed documents
    return objective


def write_encoder(folder: Path, objective: Any, base: str, spec: EncoderSpec) -> None:
    """Write an objective's encoder as a model folder.

    Args:
        folder: An empty folder.
        objective: The objective, as `trained_objective` returns it.
        base: Folder of the model that it was trained from; its tokenizer is copied.
        spec: The layers, pooling and prefixes of the vectors, for `encoder.json`.
    """
    _write(folder, objective.encoder, base, spec)


def write_cut(folder: Path, base: str, spec: EncoderSpec) -> None:
    """Write a copy of an encoder without the layers above the highest one that `spec` names, as a model folder.

    Args:
        folder: An empty folder.
        base: Folder of the encoder.
        spec: The layers, pooling and prefixes of the vectors.

    Raises:
        ModelError: The encoder has fewer layers than the spec names.
    """
    encoder, _ = load_encoder(local(base), spec, pooler=False)
    _write(folder, encoder, base, spec)


def _write(folder: Path, encoder: Any, base: str, spec: EncoderSpec) -> None:
    """Write an encoder's weights, the tokenizer of its base, and `encoder.json` into a folder."""
    with quietly():
        encoder.save_pretrained(folder)
    source = local(base)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (source / name).exists():
            (folder / name).write_bytes((source / name).read_bytes())
    (folder / "encoder.json").write_text(json.dumps(spec.as_json(), indent=1) + "\n", "utf-8")
